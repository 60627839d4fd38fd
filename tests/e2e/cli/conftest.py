"""The command line as people run it, against the installation that all tests of virtual machines share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.installed import Installed

    Run = Callable[..., Awaitable["Ended"]]

PROGRAM = Path(sys.executable).with_name("kubemacpool")


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:  # noqa: ANN401 (JSON)
        """What it wrote, as JSON."""
        return msgspec.json.decode(self.out)


@pytest.fixture(scope="session")
def installed(with_kubevirt: Installed) -> Installed:
    """The installation: whoever changes it leaves it as it was."""
    return with_kubevirt


@pytest.fixture
def run(installed: Installed, tmp_path: Path) -> Run:
    """Run the program with the administrator's kubeconfig, and nothing else of the environment that matters to it."""

    async def call(*arguments: object, status: int = 0, given: str = "", **environment: str) -> Ended:
        clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "160"}
        clean["KUBECONFIG"] = str(installed.control_plane.kubeconfig)
        ended = await asyncio.to_thread(
            subprocess.run,
            [str(PROGRAM), *map(str, arguments)],
            input=given,
            capture_output=True,
            text=True,
            env=clean | environment,
            timeout=60,
            check=False,
        )
        found = Ended(ended.returncode, ended.stdout, ended.stderr)
        assert found.status == status, found
        assert "Traceback" not in found.err
        return found

    return call
