"""Runs what a user would type, shows it with what came back, and stops when something is not as told."""

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from devcluster.settings import REPOSITORY

COMMAND_SECONDS = 60
SETTLE_SECONDS = 30.0
NETWORKS = r"jsonpath={.metadata.annotations.k8s\.v1\.cni\.cncf\.io/networks}"

NETWORK_STATUS = r"jsonpath={.metadata.annotations.k8s\.v1\.cni\.cncf\.io/network-status}"


class NotAsToldError(Exception):
    """The demo promised something else than what happened."""


class Stage:
    """A terminal, on which commands are shown and their answers checked."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._step = 0

    def tell(self, text: str) -> None:
        """The next step of the story, in a sentence."""
        self._step += 1
        self._console.print(f"\n[bold]{self._step}. {escape(text)}[/bold]")

    def say(self, text: str) -> None:
        """A line beside the story."""
        self._console.print(escape(text))

    def kubectl(self, command: str, *, fails: bool = False) -> str:
        """Run kubectl on the development cluster and show it; gives what it printed.

        Raises:
            NotAsToldError: when it succeeds or fails against what was told.
        """
        return self._kubectl(command, fails=fails, shown=True)

    def ask(self, command: str) -> str:
        """Run kubectl without showing it."""
        return self._kubectl(command, fails=False, shown=False)

    def networks(self, pod: str) -> list[dict[str, Any]]:
        """Show the network-selection annotation of a pod as it came out, and read it."""
        return self.read_networks(self.kubectl(f"get pod {pod} -o {shlex.quote(NETWORKS)}"))

    def network_status(self, pod: str) -> list[dict[str, Any]]:
        """Read what was reported of a pod's interfaces."""
        return self.read_networks(self.ask(f"get pod {pod} -o {shlex.quote(NETWORK_STATUS)}"))

    @property
    def containers_run(self) -> bool:
        """Tell whether the nodes run containers, instead of being simulated."""
        return bool(self.ask("get nodes -l kubemacpool.io/real-node -o name").strip())

    def read_networks(self, text: str) -> list[dict[str, Any]]:
        """The entries of a network-selection annotation in its JSON form."""
        entries = json.loads(text)
        self.check(isinstance(entries, list), f"the annotation is not a list: {text}")
        return list(entries)

    def check(self, as_told: bool, otherwise: str) -> None:  # noqa: FBT001 (reads like assert)
        """Stop unless something is as told.

        Raises:
            NotAsToldError: with what is the case instead.
        """
        if not as_told:
            raise NotAsToldError(otherwise)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that takes a moment.

        Raises:
            NotAsToldError: when it has not come true in time.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition():
            self.check(time.monotonic() < deadline, f"waited {SETTLE_SECONDS:.0f} s in vain: {what}")
            time.sleep(0.2)

    def _kubectl(self, command: str, *, fails: bool, shown: bool) -> str:
        if shown:
            self._console.print(f"[cyan]$ cluster/kubectl.sh {escape(command)}[/cyan]")
        done = subprocess.run(  # noqa: S603 (kubectl, with the story's own words)
            ["cluster/kubectl.sh", *shlex.split(command)],  # noqa: S607 (found from the repository's top)
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if shown and done.stdout.strip():
            self._console.print(escape(done.stdout.rstrip()))
        self.check((done.returncode != 0) == fails, f"kubectl {command}: exit code {done.returncode}: {done.stdout}")
        return done.stdout
