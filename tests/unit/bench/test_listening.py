"""Processes that somebody else has started are found, kept on a core, and let go again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from bench.listening import kept_on, listener_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENING = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Pid and port of a process that listens."""
    command = [sys.executable, "-c", LISTENING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())


def test_a_process_is_found_by_where_it_listens(server: tuple[int, int]) -> None:
    pid, port = server
    assert listener_of(port) == pid


def test_a_port_where_nobody_listens_leads_to_nobody() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert listener_of(bound.getsockname()[1]) is None


def test_a_process_is_kept_on_one_core_and_let_go_again(server: tuple[int, int]) -> None:
    pid, _ = server
    before = os.sched_getaffinity(pid)
    core = min(before)
    with kept_on(pid, core) as kept:
        assert kept
        assert os.sched_getaffinity(pid) == {core}
    assert os.sched_getaffinity(pid) == before


def test_nobody_cannot_be_kept_anywhere() -> None:
    with kept_on(None, 0) as kept:
        assert not kept
