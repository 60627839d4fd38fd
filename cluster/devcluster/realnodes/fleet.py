"""All real nodes of a cluster, and the switch that joins them: made what they should be, whatever there is.

The switch is a set of namespaces with a bridge, on which every node has a port and the host has one, and a kube-proxy
through which the host reaches Services. The host itself has the other end of that one link, with an address and routes;
they go with it, and the link goes with the switch.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devcluster import kubeconfig, pki
from devcluster.errors import ApiError, ClusterError, SettingError
from devcluster.files import write_atomically
from devcluster.nodes import node_name
from devcluster.realnodes import cgroups, files, images, init
from devcluster.realnodes.addresses import MAX_REAL_NODES, NodeNetwork
from devcluster.realnodes.machine import END_SECONDS, Machine, host_ip
from devcluster.realnodes.needs import PACKAGES, may_lower_oom_score
from devcluster.settings import REPOSITORY
from devcluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from devcluster.api import ApiServer
    from devcluster.layout import Layout, Record
    from devcluster.waiting import Progress

# The kind of further networks, and what the plugin that attaches pods to them may do.
NETWORKS_MANIFESTS = (
    REPOSITORY / "demo" / "manifests" / "network-attachment-definition-crd.yaml",
    REPOSITORY / "cluster" / "nodes" / "networks.yaml",
)
SWITCH = "switch"
BRIDGE = "br0"
UPLINK = "uplink"
HOST_LINK = "host-link"
INTERFACE = "eth0"
LABEL = "kubemacpool.io/real-node"
REGISTER_SECONDS = 60.0
READY_SECONDS = 90.0
LINK_SECONDS = 20.0


class _Metadata(msgspec.Struct):
    name: str


class _NodeSpec(msgspec.Struct, rename={"pod_range": "podCIDR"}):
    pod_range: str = ""


class _Condition(msgspec.Struct):
    type: str
    status: str


class _NodeStatus(msgspec.Struct):
    conditions: list[_Condition] = []


class _Node(msgspec.Struct):
    metadata: _Metadata
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)

    def ready(self) -> bool:
        return any(item.type == "Ready" and item.status == "True" for item in self.status.conditions)


class _NodeList(msgspec.Struct):
    items: list[_Node]


class Fleet:
    """The real nodes of one cluster."""

    def __init__(self, layout: Layout, record: Record) -> None:
        """Name them; nothing is started."""
        self._layout = layout
        self._record = record
        self.network = NodeNetwork(record.share.number)
        self.switch = Machine(layout, SWITCH)

    def node(self, name: str) -> Machine:
        """Return a node by its name.

        Raises:
            SettingError: there is none of that name.
        """
        if name not in self.names():
            there = self.names()
            message = f"{name} is not a node; there {'is' if len(there) == 1 else 'are'} {', '.join(there) or 'none'}."
            raise SettingError(message)
        return Machine(self._layout, name)

    def names(self) -> list[str]:
        """Name the nodes that there should be."""
        if not self._layout.nodes.is_dir():
            return []
        return sorted(path.name for path in self._layout.nodes.iterdir() if path.name != SWITCH)

    def start_switch(self) -> bool:
        """Start the switch if it does not run, and join the host to it; False when it runs."""
        if self.switch.daemon.running():
            return False
        # One that ended a moment ago may still have its link.
        host_ip("link", "delete", self.network.host_link, check=False)
        self.switch.stop()
        self._credentials(self.switch, ("kube-proxy",))
        write_atomically(
            self.switch.configuration / "kube-proxy.yaml",
            # Under the name of a node, for which it waits: of one that there is not it would wait half a minute.
            files.kube_proxy(self.network, node_name(1), self.network.switch).encode(),
        )
        self._start(self.switch, self.network.switch, BRIDGE, [self._kube_proxy(self.switch)])
        self._await_address(self.switch, self.network.switch)
        link = self.network.host_link
        write_atomically(self.switch.directory / HOST_LINK, link.encode())
        host_ip("link", "add", link, "type", "veth", "peer", "name", UPLINK, "netns", str(self.switch.pid))
        host_ip("address", "add", f"{self.network.host}/24", "dev", link)
        host_ip("link", "set", link, "up")
        host_ip("route", "replace", self.network.services, "via", self.network.switch, "dev", link)
        self.switch.ip(f"link set {UPLINK} master {BRIDGE} up")
        return True

    def reconcile(self, api: ApiServer, count: int, progress: Progress) -> list[str]:
        """Make the nodes exactly `count`, each running and Ready; returns the names of those that were started."""
        if count > MAX_REAL_NODES:
            message = f"MACPOOL_NUM_NODES={count} is too many for one machine; give at most {MAX_REAL_NODES}."
            raise SettingError(message)
        wanted = [node_name(number) for number in range(1, count + 1)]
        for name in set(self.names()) - set(wanted):
            self._remove(api, name)
        started = [name for number, name in enumerate(wanted, 1) if self._start_node(number, name)]
        for name in started:
            self._await_registered(api, name, progress)
        self.write_routes(api)
        if started:
            archive = images.pause_archive(self._layout.nodes.parent / "images", Path(self._record.binaries["pause"]))
            images.load([Machine(self._layout, name) for name in started], archive)
        wait_until(
            lambda: set(wanted) <= self._ready(api),
            what=f"{count} real node{'' if count == 1 else 's'} to be ready",
            within=READY_SECONDS,
            needs=[Machine(self._layout, name).daemon for name in wanted],
            progress=progress,
        )
        return started

    def write_routes(self, api: ApiServer) -> None:
        """Tell everybody through which node each node's pods are reached."""
        ranges = self._pod_ranges(api)
        by_name = {node_name(number): self.network.node(number) for number in range(1, MAX_REAL_NODES + 1)}
        for name in [*ranges, SWITCH]:
            machine = Machine(self._layout, name)
            if machine.daemon.running():
                machine.ip(*(f"route replace {pods} via {by_name[at]}" for at, pods in ranges.items() if at != name))
        for name, pods in ranges.items():
            host_ip("route", "replace", pods, "via", by_name[name], "dev", self.network.host_link)

    def cut(self, name: str) -> None:
        """Pull a node's cable."""
        self.switch.ip(f"link set {self.node(name).name} down")

    def mend(self, name: str) -> None:
        """Put a node's cable back."""
        self.switch.ip(f"link set {self.node(name).name} up")

    def _start_node(self, number: int, name: str) -> bool:
        node = Machine(self._layout, name)
        if node.daemon.running():
            return False
        # What an earlier life has left: a port whose other end is going, and cgroups. Its disk stays.
        self._unplug(name)
        node.stop()
        address = self.network.node(number)
        self._configure(node, address)
        kubelet = init.Program(
            "kubelet",
            [
                f"{files.PROGRAMS}/kubelet",
                f"--config={files.CONFIGURATION}/kubelet.yaml",
                f"--kubeconfig={files.CONFIGURATION}/kubelet.kubeconfig",
                f"--hostname-override={name}",
                f"--node-ip={address}",
                f"--node-labels={LABEL}=",
            ],
            self._log(node, "kubelet"),
            after=files.CONTAINERD_SOCKET,
        )
        containerd = init.Program(
            "containerd",
            [PACKAGES["containerd"], f"--config={files.CONFIGURATION}/containerd.toml"],
            self._log(node, "containerd"),
        )
        self._start(node, address, INTERFACE, [containerd, kubelet, self._kube_proxy(node)])
        self._plug(node)
        self._await_address(node, address)
        return True

    def _remove(self, api: ApiServer, name: str) -> None:
        node = Machine(self._layout, name)
        with suppress(ApiError):
            api.request("DELETE", f"/api/v1/nodes/{name}")
        node.stop()
        self._unplug(name)
        shutil.rmtree(node.directory)

    def _plug(self, node: Machine) -> None:
        port = node.name
        self.switch.ip(
            f"link add {port} type veth peer name {INTERFACE} netns {node.pid}",
            f"link set {port} master {BRIDGE} up",
        )

    def _unplug(self, name: str) -> None:
        if name in self.switch.interfaces():
            self.switch.ip(f"link delete {name}")

    def _configure(self, node: Machine, address: str) -> None:
        cgroup = node.cgroup
        proxy = files.kube_proxy(self.network, node.name, address)
        restricted = not may_lower_oom_score()
        for name, text in {
            "containerd.toml": files.containerd(restricted_oom_score=restricted),
            "kubelet.yaml": files.kubelet(self.network, address, cgroup),
            "kube-proxy.yaml": proxy,
        }.items():
            write_atomically(node.configuration / name, text.encode())
        self._credentials(node, ("kube-proxy", "npwg"))
        authority = pki.Signer(self._layout.pki, into=node.configuration)
        authority.client("kubelet-client", f"system:node:{node.name}", ("system:nodes",))
        authority.server("kubelet", [node.name, address])
        kubeconfig.write_with_certificate(
            node.configuration / "kubelet.kubeconfig",
            self._record.server_url,
            self._layout.pki / "ca.crt",
            node.configuration / "kubelet-client.crt",
            node.configuration / "kubelet-client.key",
        )
        node.cni_programs.mkdir(parents=True, exist_ok=True)
        plugins = Path(PACKAGES["containernetworking-plugins"]).parent
        for plugin in plugins.iterdir():
            # The machine's own are seen at the same place from within.
            _link(node.cni_programs / plugin.name, plugin)
        shutil.copy2(self._record.binaries[self._meta_plugin], node.cni_programs / self._meta_plugin)

    @property
    def _meta_plugin(self) -> str:
        """Which plugin attaches pods to further networks."""
        return files.MULTUS if files.MULTUS in self._record.binaries else files.STAND_IN

    def _credentials(self, machine: Machine, users: Sequence[str]) -> None:
        write_atomically(machine.configuration / "ca.crt", (self._layout.pki / "ca.crt").read_bytes(), 0o644)
        for user in users:
            source = self._layout.component_kubeconfig(user)
            write_atomically(machine.configuration / source.name, source.read_bytes())

    def _kube_proxy(self, machine: Machine) -> init.Program:
        return init.Program(
            "kube-proxy",
            [f"{files.PROGRAMS}/kube-proxy", f"--config={files.CONFIGURATION}/kube-proxy.yaml"],
            self._log(machine, "kube-proxy"),
        )

    def _log(self, machine: Machine, program: str) -> str:
        return str(self._layout.logs / f"{machine.name}-{program}.log")

    def _start(self, machine: Machine, address: str, interface: str, programs: list[init.Program]) -> None:
        machine.start(
            init.Machine(
                name=machine.name,
                directory=str(machine.directory),
                cgroup=machine.cgroup,
                address=address,
                interface=interface,
                # Nothing leads outside: what is not the cluster's is answered at once.
                routes=[(self.network.whole, self.network.host)] if interface == INTERFACE else [],
                programs=programs,
                program_files=str(Path(self._record.binaries["kubelet"]).parent),
                configuration=str(machine.configuration),
                bridge=interface == BRIDGE,
            )
        )

    def _await_address(self, machine: Machine, address: str) -> None:
        """Wait until a machine has set up its network, before it is told further routes."""

        def there() -> bool:
            try:
                return machine.has_address(address)
            except ClusterError:
                return False

        wait_until(
            there,
            what=f"{machine.name} to have its address {address}",
            within=LINK_SECONDS,
            needs=[machine.daemon],
            progress=lambda _: None,
        )

    def _await_registered(self, api: ApiServer, name: str, progress: Progress) -> None:
        """Wait until a node has its range for pods, and tell its plugins."""
        node = Machine(self._layout, name)
        wait_until(
            lambda: bool(self._pod_ranges(api).get(name)),
            what=f"{name} to register and to be given a range for its pods",
            within=REGISTER_SECONDS,
            needs=[node.daemon],
            progress=progress,
        )
        written = node.cni_configuration / files.CNI_CONFLIST
        write_atomically(written, files.cluster_network(self._pod_ranges(api)[name], self._meta_plugin))

    def _pod_ranges(self, api: ApiServer) -> dict[str, str]:
        return {node.metadata.name: node.spec.pod_range for node in self._list(api) if node.spec.pod_range}

    def _ready(self, api: ApiServer) -> set[str]:
        return {node.metadata.name for node in self._list(api) if node.ready()}

    @staticmethod
    def _list(api: ApiServer) -> list[_Node]:
        return api.get(f"/api/v1/nodes?labelSelector={LABEL}", _NodeList).items


def end_all(layout: Layout, kept: Collection[str] = ()) -> None:
    """End every node and the switch but those to be kept, and remove what the kernel keeps of them."""
    if not layout.nodes.is_dir():
        return
    for path in sorted(layout.nodes.iterdir()):
        if path.name not in kept:
            Machine(layout, path.name).stop()
    if SWITCH in kept:
        return
    cgroups.remove(cgroups.base(layout.state_dir), END_SECONDS)
    with suppress(FileNotFoundError):
        # It goes with the switch, but in the kernel's own time.
        host_ip("link", "delete", (layout.nodes / SWITCH / HOST_LINK).read_text(), check=False)


def usable(share: int) -> bool:
    """Tell whether nothing on this machine has the addresses of a share."""
    routes = [line.split()[0] for line in host_ip("-4", "route").splitlines() if line[:1].isdigit()]
    return NodeNetwork(share).overlapped(routes) is None


def _link(place: Path, target: Path) -> None:
    if not place.is_symlink() and not place.exists():
        place.symlink_to(target)
