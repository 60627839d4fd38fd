"""The binaries of a cluster: built from the pinned Go modules and cached, or taken from KUBEBUILDER_ASSETS."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import AssetError
from devcluster.files import PROGRESS_SECONDS, locked
from devcluster.settings import GO_MODULES, cache_dir
from devcluster.toolchain import go_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devcluster.waiting import Progress

BUILD_FLAGS = ("-trimpath", "-buildvcs=false")
OUTPUT_LINES_SHOWN = 15
# Where the user says that Multus's plugin is, if there is one.
MULTUS = "MULTUS"
# What KWOK does to nodes (become ready, renew their leases) and to pods (run, complete when a Job's, go when deleted).
KWOK_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)


@dataclass(frozen=True, slots=True)
class Module:
    """A committed go.mod and the programs that are built from it."""

    directory: Path
    requires: str
    packages: Mapping[str, str]
    copies: Mapping[str, str]
    """Files of the module that are kept beside the programs: name to path in the module."""
    tags: tuple[str, ...] = ()
    """Build constraints that leave out what is not used."""

    @property
    def version(self) -> str:
        """The pinned version, such as `v1.37.2`."""
        return self._directive(rf"(?:require )?\s*{re.escape(self.requires)} (v\S+)")

    @property
    def go_version(self) -> str:
        """The Go that the module asks for."""
        return self._directive(r"go (\S+)")

    def link_flags(self) -> str:
        """Make the programs tell their version as a released build does."""
        version = self.version
        stamps = {}
        if self.requires == "k8s.io/kubernetes":
            major, minor = version.removeprefix("v").split(".")[:2]
            package = "k8s.io/component-base/version"
            stamps = {
                f"{package}.gitVersion": version,
                f"{package}.gitMajor": major,
                f"{package}.gitMinor": minor,
                f"{package}.gitTreeState": "clean",
            }
        if self.requires == "helm.sh/helm/v4":
            stamps = {f"{self.requires}/internal/version.version": version}
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in stamps.items())])

    def flags(self) -> tuple[str, ...]:
        """What `go build` is told, but for what to build and where to."""
        return (*BUILD_FLAGS, *([f"-tags={','.join(self.tags)}"] if self.tags else ()))

    def key(self) -> str:
        """Name the build: whatever changes the programs changes the key."""
        digest = hashlib.sha256()
        for part in (
            (self.directory / "go.mod").read_bytes(),
            (self.directory / "go.sum").read_bytes(),
            repr((sorted(self.packages.items()), sorted(self.copies.items()))).encode(),
            f"{self.link_flags()} {self.flags()}".encode(),
            *(path.read_bytes() for path in sorted(self.directory.glob("*/*.go"))),
        ):
            digest.update(hashlib.sha256(part).digest())
        name = self.requires.split("/")[1] if "/" in self.requires else self.requires
        machine = f"{platform.system()}-{platform.machine()}".lower()
        return f"{name}-{self.version}-{machine}-{digest.hexdigest()[:12]}"

    def _directive(self, pattern: str) -> str:
        path = self.directory / "go.mod"
        match = re.search(f"^{pattern}$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if match is None:
            message = f"{path} does not say `{pattern}`."
            raise AssetError(message)
        return match[1]


def kubernetes(version: str) -> Module:
    """Name the control plane's programs of one minor version ("1.37")."""
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    return Module(
        GO_MODULES / f"kubernetes-{version}",
        "k8s.io/kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in names},
        {},
    )


def etcd() -> Module:
    """Name etcd's server."""
    return Module(GO_MODULES / "etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}, {})


def kwok() -> Module:
    """Name KWOK, with the stages that say how its nodes and pods live."""
    return Module(
        GO_MODULES / "kwok",
        "sigs.k8s.io/kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        {f"{Path(path).name}": f"kustomize/stage/{path}" for path in KWOK_STAGES},
    )


def cni() -> Module:
    """Name the CNI plugins that show that an allocated address can be had, and the tool that runs them."""
    plugins = "github.com/containernetworking/plugins"
    return Module(
        GO_MODULES / "cni",
        plugins,
        {
            "bridge": f"{plugins}/plugins/main/bridge",
            "tuning": f"{plugins}/plugins/meta/tuning",
            "cnitool": "github.com/containernetworking/cni/cnitool",
        },
        {},
    )


def helm() -> Module:
    """Name Helm, which installs the chart."""
    return Module(GO_MODULES / "helm", "helm.sh/helm/v4", {"helm": "helm.sh/helm/v4/cmd/helm"}, {})


def prometheus() -> Module:
    """Name Prometheus and promtool, without the service discoveries of clouds, most of what there is to build."""
    package = "github.com/prometheus/prometheus"
    return Module(
        GO_MODULES / "prometheus",
        package,
        {name: f"{package}/cmd/{name}" for name in ("prometheus", "promtool")},
        {},
        ("remove_all_sd",),
    )


def grafana() -> Module:
    """Name the program that judges dashboards by what Grafana publishes of its schemas."""
    return Module(
        GO_MODULES / "grafana",
        "github.com/grafana/grafana-foundation-sdk/go",
        {"judge-dashboard": "kubemacpool.io/cluster/grafana/judge"},
        {},
    )


def node_programs(version: str) -> Module:
    """Name the programs of a real node of one minor version ("1.37").

    They have a module of their own, so that a machine without real nodes never builds what only kubelet needs.
    """
    names = ("kubelet", "kube-proxy")
    return Module(
        GO_MODULES / f"nodes-{version}",
        "k8s.io/kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in names},
        {},
    )


def own_programs() -> Module:
    """Name the small programs for real nodes whose source stands here."""
    own = "kubemacpool.io/cluster/programs"
    return Module(
        GO_MODULES / "programs",
        "github.com/containernetworking/cni",
        {"pause": f"{own}/pause", "npwg-standin": f"{own}/npwg"},
        {},
    )


def node_binaries(version: str, progress: Progress, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return the programs of real nodes, by name.

    Raises:
        AssetError: there is no pinned module of this version, or a build failed.
    """
    if not node_programs(version).directory.is_dir():
        there = sorted(path.name.removeprefix("nodes-") for path in GO_MODULES.glob("nodes-*"))
        message = f"KUBERNETES_VERSION={version} has no pinned kubelet here; real nodes are of {' or '.join(there)}."
        raise AssetError(message)
    found: dict[str, Path] = {}
    for module in (node_programs(version), own_programs()):
        home = built(module, progress, environment)
        found |= {name: home / name for name in module.packages}
    return found | multus(environment)


def multus(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return Multus's plugin if MULTUS names it.

    Raises:
        AssetError: it names something else.
    """
    given = environment.get(MULTUS)
    if not given:
        return {}
    if not os.access(given, os.X_OK):
        message = f"MULTUS={given} is no program; name the plugin `multus` of Multus, or unset MULTUS."
        raise AssetError(message)
    return {MULTUS.lower(): Path(given).absolute()}


def control_plane_binaries(
    version: str, *, controllers: bool, progress: Progress, environment: Mapping[str, str] = os.environ
) -> dict[str, Path]:
    """Return etcd, kube-apiserver and kubectl, and with `controllers` the two others, by name.

    Raises:
        AssetError: KUBEBUILDER_ASSETS lacks one of them, or a build failed.
    """
    needed = ["etcd", "kube-apiserver", "kubectl"]
    if controllers:
        needed += ["kube-controller-manager", "kube-scheduler"]
    if supplied := environment.get("KUBEBUILDER_ASSETS"):
        return _supplied(Path(supplied), needed)
    found: dict[str, Path] = {}
    for module in (etcd(), kubernetes(version)):
        home = built(module, progress, environment)
        found |= {name: home / name for name in module.packages}
    return {name: found[name] for name in needed}


def built(module: Module, progress: Progress, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory with the module's programs; build them if the cache has none."""
    cache = cache_dir(environment)
    home = cache / "bin" / module.key()
    if home.is_dir():
        return home
    with locked(cache / "bin" / f"{module.key()}.lock", f"builds {module.key()}", progress):
        # Asked again: whoever held the lock before us may have built it.
        if not home.is_dir():
            home.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".build-", dir=home.parent))
            try:
                _build(module, draft, cache, progress, environment)
                draft.rename(home)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return home


def _supplied(directory: Path, needed: Sequence[str]) -> dict[str, Path]:
    missing = [name for name in needed if not os.access(directory / name, os.X_OK)]
    if missing:
        message = (
            f"KUBEBUILDER_ASSETS={directory} has no {', '.join(missing)}; put them there, "
            "or unset KUBEBUILDER_ASSETS to have all of them built from the pinned modules."
        )
        raise AssetError(message)
    return {name: (directory / name).absolute() for name in needed}


def _build(module: Module, target: Path, cache: Path, progress: Progress, environment: Mapping[str, str]) -> None:
    go = go_for(module.go_version, cache, progress)
    settings = dict(environment) | {
        # The same everywhere, whether or not the machine has a C compiler.
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }
    progress(f"building {', '.join(module.packages)} {module.version} with {go} (once; kept in {cache})")
    for name, package in module.packages.items():
        command = [str(go), "build", "-v", *module.flags(), "-ldflags", module.link_flags()]
        _go([*command, "-o", str(target / name), package], f"{name} {module.version}", module, settings, progress)
    if module.copies:
        command = [str(go), "list", "-m", "-f", "{{.Dir}}", module.requires]
        source = Path(_go(command, module.requires, module, settings, progress).strip())
        for name, path in module.copies.items():
            shutil.copyfile(source / path, target / name)


def _go(command: list[str], what: str, module: Module, settings: Mapping[str, str], progress: Progress) -> str:
    """Run go, count the packages that it names as compiled, and return what it wrote to stdout."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        told, output = Path(directory) / "stderr", Path(directory) / "stdout"
        with (
            told.open("w") as stderr,
            output.open("w") as stdout,
            subprocess.Popen(
                command,
                cwd=module.directory,
                env=dict(settings),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            ) as process,
        ):
            while True:
                try:
                    process.wait(PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    compiled = len(told.read_text().splitlines())
                    progress(f"building {what}: {compiled} packages compiled in {time.monotonic() - begun:.0f} s")
        if process.returncode != 0:
            lines = "\n  ".join(told.read_text().rstrip().splitlines()[-OUTPUT_LINES_SHOWN:])
            message = f"`{' '.join(command)}` in {module.directory} failed:\n  {lines}"
            raise AssetError(message)
        return output.read_text()
