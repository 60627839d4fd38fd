"""Nothing is signalled that is not certainly ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from devcluster.errors import ProcessError
from devcluster.processes import Daemon, ProcessId, last_words
from devcluster.waiting import wait_until

IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon("example", tmp_path / "run" / "example.json", tmp_path / "logs" / "example.log")


def test_a_recycled_pid_is_not_taken_for_our_process(daemon: Daemon, sleeper: subprocess.Popen[bytes]) -> None:
    """The pid file names a pid that now belongs to another process, which started at another time."""
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(identity, started=identity.started - 1)))

    assert daemon.running() is None
    assert daemon.stop(grace=1) is False
    assert sleeper.poll() is None, "the stranger was killed"


def test_a_pid_from_before_a_reboot_is_not_taken_for_our_process(
    daemon: Daemon, sleeper: subprocess.Popen[bytes]
) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(identity, boot="another")))

    assert daemon.running() is None


def test_a_signal_to_a_recycled_pid_is_not_sent(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    msgspec.structs.replace(identity, started=identity.started - 1).send(signal.SIGKILL)

    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.2)


def test_a_zombie_is_not_running(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert not identity.alive()


def test_a_process_whose_first_thread_has_ended_is_still_running(daemon: Daemon) -> None:
    """It looks like a zombie, and its other threads may still listen on its ports."""
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(1.5,)).start(); print('up', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    started = daemon.start([sys.executable, "-c", code], {})
    stat = Path(f"/proc/{started.pid}/stat")
    wait_until(lambda: ") Z" in stat.read_text(), what="the thread to end", within=10, needs=[daemon], progress=print)

    assert started.alive()
    assert started.wait(10)
    assert not started.alive()


def test_an_unreadable_pid_file_names_nobody(daemon: Daemon) -> None:
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_text("4711")

    assert daemon.running() is None


def test_a_daemon_has_a_session_and_a_log_of_its_own(daemon: Daemon) -> None:
    """Ctrl-C at the terminal that started the cluster does not reach it."""
    code = (
        "import os, sys, time; print(os.getsid(0) == os.getpid(), flush=True); "
        "print('oops', file=sys.stderr); time.sleep(600)"
    )
    daemon.start([sys.executable, "-c", code], {})
    wait_until(lambda: "oops" in daemon.log_file.read_text(), what="up", within=10, needs=[daemon], progress=print)

    assert daemon.log_file.read_text() == "True\noops\n"
    assert daemon.log_file.stat().st_mode & 0o077 == 0
    daemon.stop(grace=5)


def test_a_daemon_that_ignores_the_request_to_end_is_killed(daemon: Daemon) -> None:
    started = daemon.start([sys.executable, "-c", IGNORES_TERM], {})
    wait_until(lambda: "up" in daemon.log_file.read_text(), what="up", within=10, needs=[daemon], progress=print)

    assert daemon.stop(grace=0.2) is True
    assert not started.alive()
    assert not daemon.pid_file.exists()


def test_stopping_waits_for_the_process(daemon: Daemon) -> None:
    """A server that takes its time keeps its port until it has ended."""
    code = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(0.5); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(99)"
    )
    started = daemon.start([sys.executable, "-c", code], {})
    wait_until(lambda: "up" in daemon.log_file.read_text(), what="up", within=10, needs=[daemon], progress=print)
    begun = time.monotonic()
    daemon.stop(grace=10)

    assert not started.alive()
    assert 0.4 < time.monotonic() - begun < 5


def test_a_daemon_has_open_what_it_is_to_hold_and_nothing_else(daemon: Daemon, tmp_path: Path) -> None:
    """A lock that the caller's shell holds must not be held on by the daemon."""
    with (tmp_path / "held").open("w") as held, (tmp_path / "inherited").open("w") as inherited:
        os.set_inheritable(inherited.fileno(), True)  # noqa: FBT003 - the signature of os
        code = "import os, sys; print(os.readlink('/proc/self/fd/3')); print(len(os.listdir('/proc/self/fd')))"
        started = daemon.start([sys.executable, "-c", code], {}, hold=held.fileno())
        assert started.wait(10)

    # The three standard ones, the held one, and the one that lists the directory.
    assert daemon.log_file.read_text().split() == [str(tmp_path / "held"), "5"]


def test_a_program_that_is_not_there_is_named(daemon: Daemon) -> None:
    with pytest.raises(ProcessError, match="example cannot be started from /nowhere/program: No such file"):
        daemon.start(["/nowhere/program"], {})


def test_waiting_for_a_process_that_has_ended_quotes_its_log(daemon: Daemon) -> None:
    daemon.start([sys.executable, "-c", "import sys; sys.exit('the range is bad')"], {}).wait(10)

    with pytest.raises(ProcessError, match=r"example ended\. (?s:.)*the range is bad"):
        wait_until(lambda: False, what="it", within=10, needs=[daemon], progress=print)


def test_waiting_has_an_end_and_says_what_it_waited_for(daemon: Daemon, sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_bytes(msgspec.json.encode(identity))

    with pytest.raises(ProcessError, match="Waited 0 s in vain for a miracle"):
        wait_until(lambda: False, what="a miracle", within=0.1, needs=[daemon], progress=print)


def test_the_last_words_are_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\n")

    assert last_words(log, 2) == f"The last lines of {log}:\n  two\n  three"
    assert last_words(tmp_path / "none") == f"Its log {tmp_path / 'none'} is empty."
