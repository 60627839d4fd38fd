"""The webhook alone: reviews over TLS keep-alive connections, one core for the server, another for the load."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.children import Child, cores, running
from bench.errors import BenchError
from bench.loading import Target, Volume, send
from bench.results import Ratio, Sample, Series, Webhook, find, ratio

from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
class _Server:
    child: Child
    target: Target


def measure(
    programs: Programs, directory: Path, *, seconds: float, rounds: int, progress: Callable[[str], None]
) -> Webhook:
    """Measure our webhook and the floor in turns."""
    directory.mkdir(parents=True, exist_ok=True)
    body = directory / "review.json"
    # As the API server sends it: without the line breaks that make the file readable.
    body.write_bytes(msgspec.json.encode(msgspec.json.decode(REVIEW.read_bytes())))
    authority = Authority(directory / "pki")
    authority.server("server", [HOST])
    pair = [str(directory / "pki" / f"server.{end}") for end in ("crt", "key")]
    our_port, floor_port = _free_port(), _free_port()
    server_core, load_core = cores()
    floor = [str(programs.floor), f"-address={HOST}:{floor_port}", f"-cert={pair[0]}", f"-key={pair[1]}"]
    series = {(name, clients): Series(name, clients, []) for name in (FLOOR, OURS) for clients in CONNECTIONS}
    with (
        running(
            "the webhook",
            [sys.executable, "-m", "bench.served", str(our_port), *pair],
            directory / "webhook.log",
            {"PYTHONPATH": str(REPOSITORY)},
            core=server_core,
        ) as our_child,
        running("the floor", floor, directory / "floor.log", {"GOMAXPROCS": "1"}, core=server_core) as floor_child,
    ):
        servers: Mapping[str, _Server] = {
            OURS: _Server(our_child, _target(our_port, directory, PATCHED)),
            FLOOR: _Server(floor_child, _target(floor_port, directory, ALLOWED)),
        }
        for port, child in ((our_port, our_child), (floor_port, floor_child)):
            _await_port(port, child)
        for number in range(rounds):
            # Every other round backwards, so that none is always the first.
            for (name, clients), into in list(series.items())[:: 1 if number % 2 == 0 else -1]:
                progress(f"round {number + 1} of {rounds}: {name}, {clients} connections")
                server = servers[name]
                cpu = server.child.cpu_seconds()
                load = send(
                    programs.load,
                    server.target,
                    body,
                    Volume(connections=clients, seconds=seconds, warmup=seconds / 4),
                    load_core,
                )
                cpu_ms = (server.child.cpu_seconds() - cpu) * 1000 / load.sent
                into.samples.append(
                    Sample(
                        load.requests, load.requests_per_second, load.p50_us / 1000, load.p99_us / 1000, {name: cpu_ms}
                    )
                )
    all_series = list(series.values())
    return Webhook(seconds, body.stat().st_size, all_series, _ratios(all_series))


def _ratios(series: list[Series]) -> list[Ratio]:
    return [ratio("ours / floor", find(series, OURS, clients), find(series, FLOOR, clients)) for clients in CONNECTIONS]


def _target(port: int, directory: Path, text: str) -> Target:
    return Target(
        address=f"{HOST}:{port}",
        path="/mutate-pods?timeout=10s",
        ca=str(directory / "pki" / "ca.crt"),
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
