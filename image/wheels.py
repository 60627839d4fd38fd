"""The locked wheels and our own, installed for the interpreter of the image."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from image.contents import MODULES, NAME, PYTHON, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

TREE = Path(__file__).parents[1]
LOCK = TREE / "requirements" / "runtime.txt"


def install_locked(uv: Path, platform: Platform, root: Path) -> list[Distribution]:
    """Install the wheels of the lock under a root, by their hashes."""
    return _install(uv, platform, root, "--require-hashes", "--no-deps", "--requirement", str(LOCK))


def install_ours(uv: Path, platform: Platform, wheel: Path, root: Path) -> list[Distribution]:
    """Install our wheel under a root, with the command."""
    found = _install(uv, platform, root, "--no-deps", "--no-index", "--find-links", str(wheel.parent), NAME)
    commands = root / "usr/local/bin"
    commands.mkdir(parents=True)
    for command in found[0].entry_points.select(group="console_scripts"):
        script = commands / command.name
        script.write_text(
            f"#!/usr/bin/python{PYTHON}\nimport sys\nfrom {command.module} import {command.attr}\n"
            f"sys.exit({command.attr}())\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
    return found


def build_ours(folder: Path, epoch: int) -> Path:
    """Build our wheel from the tree."""
    hatchling = Path(sys.executable).with_name("hatchling")
    environment = {"SOURCE_DATE_EPOCH": str(epoch), "PATH": "/usr/bin:/bin"}
    command: list[str | Path] = [hatchling, "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=TREE, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _install(uv: Path, platform: Platform, root: Path, *what: str) -> list[Distribution]:
    target = root / MODULES
    command: list[str | Path] = [
        uv, "pip", "install", "--quiet", "--no-config", "--python", sys.executable, "--target", target,
        "--python-version", PYTHON, "--python-platform", platform.wheels, "--only-binary", ":all:",
        "--link-mode", "copy", "--no-compile-bytecode", *what,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    shutil.rmtree(target / "bin", ignore_errors=True)  # commands of dependencies, and for another interpreter
    (target / ".lock").unlink(missing_ok=True)
    found = sorted(distributions(path=[str(target)]), key=lambda each: each.name)
    for distribution in found:
        _forget_origin(target, distribution)
    for path in target.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return found


def _forget_origin(target: Path, distribution: Distribution) -> None:
    """Drop what tells of the machine that installed it, and from RECORD what is not there."""
    (record,) = (target.joinpath(str(file)) for file in distribution.files or () if file.name == "RECORD")
    for name in ("direct_url.json", "uv_cache.json", "REQUESTED", "INSTALLER"):
        record.with_name(name).unlink(missing_ok=True)
    with record.open(encoding="utf-8", newline="") as file:
        rows: Iterable[list[str]] = [row for row in csv.reader(file) if (target / row[0]).exists()]
    with record.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(sorted(rows))
