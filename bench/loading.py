"""Sending requests: the load generator, called with what it should send and what it must get back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from bench.children import output_of
from bench.errors import BenchError

if TYPE_CHECKING:
    from pathlib import Path

# Beside the time for the requests themselves: start, connecting, the last answers.
SLACK_SECONDS = 30.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go, and what comes back if all is well."""

    address: str
    path: str
    ca: str
    server_name: str
    certificate: str = ""
    key: str = ""
    status: int = 200
    text: str = ""
    """What every response must contain."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sent: for some seconds, or a number of requests within these seconds."""

    connections: int
    seconds: float
    warmup: float = 0.0
    """Seconds before the measurement begins."""
    requests: int = 0


class Load(msgspec.Struct, frozen=True):
    """What one run of the load generator saw. Times are microseconds."""

    requests: int
    sent: int
    """With those before the measurement began."""
    errors: int
    first_error: str
    seconds: float
    requests_per_second: float
    p50_us: float
    p99_us: float
    max_us: float


def send(program: Path, target: Target, body: Path, volume: Volume, core: int | None = None) -> Load:
    """Send requests, and return what became of them.

    Raises:
        BenchError: a response was not as it must be, or there was none; nothing measured then counts.
    """
    arguments = {
        "address": target.address,
        "path": target.path,
        "ca": target.ca,
        "server-name": target.server_name,
        "cert": target.certificate,
        "key": target.key,
        "status": target.status,
        "want": target.text,
        "body": body,
        "connections": volume.connections,
        "duration": f"{volume.seconds}s",
        "warmup": f"{volume.warmup}s",
        "requests": volume.requests,
    }
    # One core is enough for it, and it should leave the others alone.
    told = output_of(
        [str(program), *(f"-{name}={value}" for name, value in arguments.items())],
        volume.warmup + volume.seconds + SLACK_SECONDS,
        {"GOMAXPROCS": "1"},
        core,
    )
    load = msgspec.json.decode(told, type=Load)
    where = f"https://{target.address}{target.path}"
    if load.errors or not load.requests:
        message = f"{load.errors} of the requests to {where} failed, {load.requests} did not. First: {load.first_error}"
        raise BenchError(message)
    if volume.requests and load.sent != volume.requests:
        message = f"{load.sent} of {volume.requests} requests to {where} were answered within {volume.seconds:.0f} s."
        raise BenchError(message)
    return load
