"""The verbs of the development cluster: `python -m devcluster build|up|sync|status|ssh|down`."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from devcluster import assets, nodes, settings
from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.errors import ClusterError, SettingError
from devcluster.layout import Record
from devcluster.loopback import FIRST_SHARE
from devcluster.realnodes import images, install
from devcluster.sync import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A development cluster."
)
_err = Console(stderr=True, highlight=False, soft_wrap=True)
_out = Console(highlight=False, soft_wrap=True)

StateDir = Annotated[Path, typer.Option(help="Where the cluster keeps its state.")]
INTERRUPTED = 130
KIND = settings.REPOSITORY / "cluster" / "kind"


@app.command()
def build() -> None:
    """Build every program that the clusters and the tests need and the cache does not have."""
    with _told():
        version = settings.kubernetes_version() or settings.DEFAULT_KUBERNETES_VERSION
        assets.control_plane_binaries(version, controllers=True, progress=_progress)
        if os.geteuid() == 0:
            assets.node_binaries(settings.DEFAULT_KUBERNETES_VERSION, _progress)
        for module in (assets.kwok(), assets.cni(), assets.prometheus(), assets.grafana(), assets.helm()):
            assets.built(module, _progress)


@app.command()
def up(state_dir: StateDir = settings.DEFAULT_STATE_DIR) -> None:
    """Start the cluster, or what is missing of it."""
    with _told():
        if _left_to_kind("up"):
            return
        wanted = settings.num_nodes()
        asked = settings.kubernetes_version()
        control_plane = _control_plane(
            state_dir,
            settings.DEFAULT_NUM_NODES if wanted is None else wanted,
            asked or settings.DEFAULT_KUBERNETES_VERSION,
            real_nodes=settings.provider() == "nodes",
        )
        record = Record.read(control_plane.layout)
        if record is None:
            control_plane.start(_progress)
            _say_up(control_plane, "is up")
            return
        if asked not in {None, record.kubernetes_version}:
            message = (
                f"A cluster of Kubernetes {record.kubernetes_version} is there already, and KUBERNETES_VERSION={asked} "
                "asks for another; run `make cluster-down` first."
            )
            raise SettingError(message)
        if record.real_nodes != (settings.provider() == "nodes") and os.environ.get("MACPOOL_PROVIDER"):
            message = (
                f"A cluster of the provider {'nodes' if record.real_nodes else 'controlplane'} is there already; "
                "run `make cluster-down` first."
            )
            raise SettingError(message)
        started = control_plane.start(_progress)
        if wanted is not None:
            control_plane.set_nodes(wanted, _progress)
        if Installation(control_plane).ensure_supervised():
            started.append("supervisor")
        news = f"was there; started again what was not running: {', '.join(started)}"
        _say_up(control_plane, news if started else "is running already")


@app.command()
def sync(state_dir: StateDir = settings.DEFAULT_STATE_DIR) -> None:
    """Install KubeMacPool, or upgrade what is installed."""
    with _told():
        if _left_to_kind("sync"):
            return
        control_plane = _control_plane(state_dir)
        if control_plane.record().real_nodes:
            install.sync(control_plane, _progress)
            _out.print("KubeMacPool is ready: cluster/kubectl.sh -n kubemacpool-system get pods -o wide")
            return
        status = Installation(control_plane).sync(_progress)
        names = ", ".join(f"{replica.name} (pid {replica.pid})" for replica in status.replicas)
        _out.print(f"KubeMacPool is ready: {names}. Logs are in {control_plane.layout.logs}.")


@app.command()
def status(state_dir: StateDir = settings.DEFAULT_STATE_DIR) -> None:
    """Say what runs."""
    with _told():
        if _left_to_kind("status"):
            return
        control_plane = _control_plane(state_dir)
        record = Record.read(control_plane.layout)
        if record is None:
            _out.print(f"There is no cluster in {state_dir}.")
            return
        _out.print(f"Kubernetes {record.kubernetes_version} at {record.server_url}, Services {record.service_range}")
        for daemon in control_plane.layout.daemons():
            process = daemon.running()
            _out.print(f"  {daemon.name}: {'not running' if process is None else f'pid {process.pid}'}")
        installed = Installation(control_plane).status()
        for replica in [] if installed is None else installed.replicas:
            _out.print(f"  {replica.name} is {replica.state} at {replica.webhook_url}, restarts: {replica.restarts}")


@app.command()
def down(state_dir: StateDir = settings.DEFAULT_STATE_DIR) -> None:
    """End the cluster and remove its state; the logs stay."""
    with _told():
        if _left_to_kind("down"):
            return
        if _control_plane(state_dir).stop():
            _out.print(f"The cluster has ended. Its logs are in {state_dir / 'logs'}.")
        else:
            _out.print("There is no cluster to take down.")


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(node: str, command: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Log into a node, or run a command on it."""
    with _told():
        if _left_to_kind("ssh", node, *(command or [])):
            return
        control_plane = _control_plane(settings.DEFAULT_STATE_DIR)
        record = Record.read(control_plane.layout)
        if record is not None and record.real_nodes:
            shell = command or ["/bin/bash", "-l"]
            raise typer.Exit(subprocess.run(control_plane.fleet.node(node).entering(shell), check=False).returncode)
        message = (
            f"There is no node to log into: {node} is simulated by KWOK on the provider controlplane. "
            "Use MACPOOL_PROVIDER=nodes or kind for nodes that run containers."
        )
        raise SettingError(message)


@app.command()
def load(archive: Path, state_dir: StateDir = settings.DEFAULT_STATE_DIR) -> None:
    """Import an archive of an image on every real node."""
    with _told():
        fleet = _control_plane(state_dir).fleet
        images.load([fleet.node(name) for name in fleet.names()], archive)


def _control_plane(
    state_dir: Path, count: int = 0, version: str = settings.DEFAULT_KUBERNETES_VERSION, *, real_nodes: bool = False
) -> ControlPlane:
    spec = ControlPlaneSpec(state_dir.absolute(), version, nodes=count, first_share=FIRST_SHARE, real_nodes=real_nodes)
    return ControlPlane(spec)


def _say_up(control_plane: ControlPlane, news: str) -> None:
    record = control_plane.record()
    count = len(control_plane.fleet.names()) if record.real_nodes else nodes.present(control_plane.api)
    those = f"{count} {'real' if record.real_nodes else 'simulated'} node{'' if count == 1 else 's'}"
    _out.print(f"The cluster of Kubernetes {record.kubernetes_version} with {those} {news}.")
    _out.print(f"  export KUBECONFIG={control_plane.kubeconfig}")


def _left_to_kind(verb: str, *arguments: str) -> bool:
    """Run the kind script of this verb if that is the provider."""
    if settings.provider() != "kind":
        return False
    answer = subprocess.run([KIND / f"{verb}.sh", *arguments], check=False)
    if answer.returncode:
        raise typer.Exit(answer.returncode)
    return True


def _progress(text: str) -> None:
    _out.print(f"[dim]{text}[/dim]" if _out.is_terminal else text, markup=_out.is_terminal)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what went wrong into one sentence and a status; let a signal clean up like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        yield
    except ClusterError as error:
        _err.print(str(error), markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _err.print("Interrupted; what this command had started has been ended.")
        raise typer.Exit(INTERRUPTED) from None


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m devcluster")
