"""The webhook alone: reviews over TLS keep-alive connections, one core for the server, another for the load."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.children import Child, Others, cores, running
from bench.errors import BenchError
from bench.loading import Target, Volume, send
from bench.results import Ratio, Sample, Series, Webhook, find, quietest, ratio, sample

from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.programs import Programs

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
    """A running server, and what it is asked."""

    child: Child
    target: Target


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: seconds at a time, rounds, and repeats of what was disturbed."""

    seconds: float
    rounds: int
    repeats: int


def measure(programs: Programs, directory: Path, extent: Extent, progress: Callable[[str], None]) -> Webhook:
    """Measure our webhook and the floor in turns."""
    directory.mkdir(parents=True, exist_ok=True)
    body = directory / "review.json"
    # As the API server sends it: without the line breaks that make the file readable.
    body.write_bytes(msgspec.json.encode(msgspec.json.decode(REVIEW.read_bytes())))
    series = {(name, clients): Series(name, clients, []) for name in (FLOOR, OURS) for clients in CONNECTIONS}
    with floor(programs, directory) as the_floor, ours(directory) as the_webhook:
        servers = {FLOOR: the_floor, OURS: the_webhook}
        for number in range(extent.rounds):
            # Every other round backwards, so that none is always the first.
            for (name, clients), into in list(series.items())[:: 1 if number % 2 == 0 else -1]:
                progress(f"round {number + 1} of {extent.rounds}: {name}, {clients} connections")
                volume = Volume(connections=clients, seconds=extent.seconds, warmup=extent.seconds / 4)
                attempt = partial(_measure, programs.load, servers[name], body, volume)
                into.samples.append(quietest(attempt, extent.repeats))
    all_series = list(series.values())
    return Webhook(extent.seconds, body.stat().st_size, all_series, _ratios(all_series))


def _measure(program: Path, server: Server, body: Path, volume: Volume) -> Sample:
    others = Others()
    cpu = server.child.cpu_seconds()
    load = send(program, server.target, body, volume, cores()[1])
    return sample(load, {"webhook": server.child.cpu_seconds() - cpu}, others)


@contextmanager
def floor(programs: Programs, directory: Path) -> Iterator[Server]:
    """Run the webhook that only says yes."""
    port, (certificate, key) = _free_port(), _pair(directory, "floor")
    command = [str(programs.floor), f"-address={HOST}:{port}", f"-cert={certificate}", f"-key={key}"]
    with running("the floor", command, directory / "floor.log", {"GOMAXPROCS": "1"}, core=cores()[0]) as child:
        _await_port(port, child)
        yield Server(child, _target(port, directory / "floor", ALLOWED))


@contextmanager
def ours(directory: Path) -> Iterator[Server]:
    """Run the program's own webhook."""
    port = _free_port()
    command = [sys.executable, "-m", "bench.served", str(port), *_pair(directory, "ours")]
    environment = {"PYTHONPATH": str(REPOSITORY)}
    with running("the webhook", command, directory / "webhook.log", environment, core=cores()[0]) as child:
        _await_port(port, child)
        yield Server(child, _target(port, directory / "ours", PATCHED))


def _pair(directory: Path, name: str) -> tuple[str, str]:
    """Make a certificate and its key, beside that of their CA."""
    pki = directory / name
    Authority(pki).server("server", [HOST])
    return str(pki / "server.crt"), str(pki / "server.key")


def _ratios(series: list[Series]) -> list[Ratio]:
    return [ratio("ours / floor", find(series, OURS, clients), find(series, FLOOR, clients)) for clients in CONNECTIONS]


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
