"""The picture of the README: what a terminal showed in a real run. `make picture` takes it."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.sync import Installation

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[1]
PICTURE: Final = ROOT / "docs" / "at-work.svg"
TITLE: Final = "KubeMacPool at work"
WIDTH: Final = 112
MANIFESTS: Final = "demo/manifests"

_NETWORKS: Final = r"-o jsonpath='{.metadata.annotations.k8s\.v1\.cni\.cncf\.io/networks}'"
BEFORE: Final = (
    f"kubectl apply -f {MANIFESTS}/network-attachment-definition-crd.yaml",
    "kubectl wait --for=condition=Established crd/network-attachment-definitions.k8s.cni.cncf.io",
    f"kubectl apply -f {MANIFESTS}/ovs-conf.yaml",
)
TYPED: Final = (
    f"kubectl apply -f {MANIFESTS}/samplepod.yaml",
    f"kubectl get pod samplepod {_NETWORKS}",
    f"kubectl apply -f {MANIFESTS}/explicit-inside.yaml",
    f"kubectl apply -f {MANIFESTS}/same-inside.yaml",
    "kubemacpool who 02:00:00:00:aa:01",
    "kubemacpool list",
)

_WEB_FONT: Final = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_ADDRESS: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def taken(typed: Sequence[tuple[str, str]]) -> str:
    """A terminal with commands and what they printed, as a picture that loads nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for command, printed in typed:
        console.print(Text(f"$ {command}", style="bold cyan"))
        text = Text(printed.rstrip("\n"))
        text.highlight_regex(_ADDRESS, "bold green")
        text.highlight_regex("Error from server.*?:", "bold red")
        console.print(text)
    return _WEB_FONT.sub("", console.export_svg(title=TITLE, unique_id="at-work"))


def run() -> list[tuple[str, str]]:
    """Type everything on a control plane with an installation of its own."""
    with tempfile.TemporaryDirectory() as directory:
        spec = ControlPlaneSpec(Path(directory), nodes=1, ends_with_caller=True)
        with ControlPlane(spec) as plane:
            Installation(plane).sync()
            for command in BEFORE:
                _typed(plane, command)
            return [(command, _typed(plane, command)) for command in TYPED]


def _typed(plane: ControlPlane, command: str) -> str:
    program, *arguments = shlex.split(command)
    path = plane.layout.kubectl if program == "kubectl" else Path(sys.executable).parent / program
    done = subprocess.run(  # noqa: S603 (one of two, with the words above)
        [path, *arguments],
        cwd=ROOT,
        env=os.environ | {"KUBECONFIG": str(plane.kubeconfig), "COLUMNS": str(WIDTH)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


if __name__ == "__main__":
    PICTURE.write_text(taken(run()), encoding="utf-8")
