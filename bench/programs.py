"""The benchmark's own Go programs, built from the sources beside this file."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

from devcluster.settings import cache_dir
from devcluster.toolchain import go_for

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).resolve().parent
BUILD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the built programs are."""

    load: Path
    floor: Path
    go_version: str


def built(directory: Path, progress: Callable[[str], None]) -> Programs:
    """Build the programs; Go's own cache makes this quick from the second time on.

    Raises:
        BenchError: they do not compile.
    """
    required = re.search(r"^go (\S+)$", (SOURCES / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if required is None:
        message = f"{SOURCES / 'go.mod'} does not say which Go it needs."
        raise BenchError(message)
    go = go_for(required[1], cache_dir(), progress)
    directory.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    command = [str(go), "build", "-p", "2", "-trimpath", "-buildvcs=false", "-o", f"{directory}/", "./..."]
    progress("building the load generator and the floor")
    answer = subprocess.run(
        command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    if answer.returncode != 0:
        message = f"`{' '.join(command)}` in {SOURCES} failed:\n{answer.stderr.strip()}"
        raise BenchError(message)
    version = subprocess.run([str(go), "env", "GOVERSION"], capture_output=True, text=True, check=True, timeout=30)
    return Programs(directory / "load", directory / "floor", version.stdout.strip())
