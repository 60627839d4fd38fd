"""Facts about the machine and the programs, without which a figure says nothing."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured; figures of two machines do not compare."""

    date: str
    cores: int
    processor: str
    memory_gib: float
    kernel: str
    load_average: float
    """Over one minute, when the benchmark began; anything else that runs spoils the figures."""
    python: str
    go: str
    versions: dict[str, str]


PACKAGES = ("kubemacpool", "aiohttp", "httptools", "uvloop", "msgspec", "cryptography")
INSTALLED = frozenset(each.name for each in distributions())


def describe(go_version: str = "") -> Machine:
    """Describe this machine."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        cores=len(os.sched_getaffinity(0)),
        processor=_field("/proc/cpuinfo", r"model name\s*:\s*(.+)", platform.machine()),
        memory_gib=round(int(_field("/proc/meminfo", r"MemTotal:\s*(\d+)", "0")) / 2**20, 1),
        kernel=platform.release(),
        load_average=os.getloadavg()[0],
        python=platform.python_version(),
        go=go_version,
        versions={name: version(name) for name in PACKAGES if name in INSTALLED},
    )


def _field(path: str, pattern: str, otherwise: str) -> str:
    match = re.search(pattern, Path(path).read_text(encoding="utf-8"))
    return match[1].strip() if match else otherwise
