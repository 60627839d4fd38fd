"""The webhook alone: reviews over TLS keep-alive connections, one core for the server, another for the load.

All servers run all the time, on the same core; who is not asked costs nothing. They are asked in turns, in slices that
are short beside whatever else happens to the machine.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.children import Child, Others, cores, cpu_seconds, running
from bench.errors import BenchError
from bench.frame import turns
from bench.listening import kept_on, listener_of
from bench.loading import Target, Volume, send
from bench.results import COST, RATE, Ratio, Sample, Series, Webhook, find, quietest, ratio, sample
from bench.rivals import AGAINST

from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.programs import Programs
    from bench.rivals import Beside, Rivals

REPOSITORY = Path(__file__).resolve().parents[1]
REVIEW = Path(__file__).with_name("review.json")
HOST = "127.0.0.1"
CONNECTIONS = (1, 16)
OURS = "ours"
FLOOR = "floor"
START_SECONDS = 20.0
PATCHED = '"patchType":"JSONPatch"'
ALLOWED = '"allowed":true'


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and what it is asked; `pid` is None where it is not to be seen."""

    pid: int | None
    target: Target


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: seconds at a time, rounds, and repeats of what was disturbed."""

    seconds: float
    rounds: int
    repeats: int


def measure(
    programs: Programs, directory: Path, extent: Extent, rivals: Rivals, progress: Callable[[str], None]
) -> Webhook:
    """Measure our webhook, the floor, and whatever else is named, in turns."""
    directory.mkdir(parents=True, exist_ok=True)
    body = directory / "review.json"
    body.write_bytes(review())
    with ExitStack() as stack:
        servers = {FLOOR: stack.enter_context(floor(programs, directory))}
        servers[OURS] = stack.enter_context(ours(directory))
        if rivals.against is not None:
            python, root = rivals.against.python, rivals.against.directory
            servers[AGAINST] = stack.enter_context(ours(directory, AGAINST, python, root))
        for other in rivals.beside:
            servers[other.name] = stack.enter_context(beside(other, progress))
        series = {(name, clients): Series(name, clients, []) for name in servers for clients in CONNECTIONS}
        for number in range(extent.rounds):
            for clients in turns(CONNECTIONS, number):
                # What is compared follows one another.
                for name in turns(list(servers), number):
                    progress(f"round {number + 1} of {extent.rounds}: {name}, {clients} connections")
                    volume = Volume(connections=clients, seconds=extent.seconds, warmup=extent.seconds / 4)
                    attempt = partial(_measure, programs.load, servers[name], body, volume)
                    series[name, clients].samples.append(quietest(attempt, extent.repeats))
    all_series = list(series.values())
    return Webhook(extent.seconds, body.stat().st_size, all_series, _ratios(all_series, list(servers)))


def review() -> bytes:
    """A review as the API server sends it: without the line breaks that make the file readable."""
    return msgspec.json.encode(msgspec.json.decode(REVIEW.read_bytes()))


def _measure(program: Path, server: Server, body: Path, volume: Volume) -> Sample:
    others = Others()
    cpu = None if server.pid is None else cpu_seconds(server.pid)
    load = send(program, server.target, body, volume, cores()[1])
    used = {} if server.pid is None or cpu is None else {"webhook": cpu_seconds(server.pid) - cpu}
    return sample(load, used, others)


@contextmanager
def beside(other: Beside, progress: Callable[[str], None]) -> Iterator[Server]:
    """Look for a webhook that runs already, and keep it on the servers' core meanwhile."""
    target = other.target(other.mark(review()))
    pid = listener_of(other.port)
    with kept_on(pid, cores()[0]) as kept:
        progress(f"{other.name}: {'on the same core as ours' if kept else 'its process is not to be seen: not pinned'}")
        yield Server(pid, target)


@contextmanager
def floor(programs: Programs, directory: Path) -> Iterator[Server]:
    """Run the webhook that only says yes."""
    port, (certificate, key) = _free_port(), _pair(directory, "floor")
    command = [str(programs.floor), f"-address={HOST}:{port}", f"-cert={certificate}", f"-key={key}"]
    with running("the floor", command, directory / "floor.log", {"GOMAXPROCS": "1"}, core=cores()[0]) as child:
        _await_port(port, child)
        yield Server(child.pid, _target(port, directory / "floor", ALLOWED))


@contextmanager
def ours(
    directory: Path,
    name: str = OURS,
    python: Path = Path(sys.executable),
    root: Path = REPOSITORY,
    module: Sequence[str] = ("bench.served",),
) -> Iterator[Server]:
    """Run the program's own webhook, of this checkout or of another, behind its own server or another."""
    port = _free_port()
    # What is imported is that checkout's, whatever directory this is run in.
    command = [str(python), "-P", "-m", *module, str(port), *_pair(directory, name)]
    environment = {"PYTHONPATH": f"{root}:{root / 'cluster'}"}
    with running(name, command, directory / f"{name}.log", environment, core=cores()[0]) as child:
        _await_port(port, child)
        yield Server(child.pid, _target(port, directory / name, PATCHED))


def _pair(directory: Path, name: str) -> tuple[str, str]:
    """Make a certificate and its key, beside that of their CA."""
    pki = directory / name
    Authority(pki).server("server", [HOST])
    return str(pki / "server.crt"), str(pki / "server.key")


def _ratios(series: list[Series], names: list[str]) -> list[Ratio]:
    """Compare everything with the floor, and ours with everything else."""
    pairs = [(name, FLOOR) for name in names if name != FLOOR]
    pairs += [(OURS, name) for name in names if name not in {OURS, FLOOR}]
    found = []
    for clients in CONNECTIONS:
        for mine, other in pairs:
            both = find(series, mine, clients), find(series, other, clients)
            # A slice that is shorter than the kernel's ticks may show no CPU time at all.
            seen = all(sample.cpu_ms.get("webhook") for each in both for sample in each.samples)
            found += [ratio(f"{mine} / {other}", *both, what) for what in (RATE, COST) if seen or what == RATE]
    return found


def _target(port: int, pki: Path, text: str) -> Target:
    return Target(
        address=f"{HOST}:{port}",
        path="/mutate-pods?timeout=10s",
        ca=str(pki / "ca.crt"),
        server_name=HOST,
        text=text,
    )


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port


def _await_port(port: int, child: Child) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        child.check()
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{child.name} did not listen on {HOST}:{port} within {START_SECONDS:.0f} s; see {child.log}."
    raise BenchError(message)
