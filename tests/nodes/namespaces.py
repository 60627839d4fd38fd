"""A cluster of real nodes as the tests look at it: pods, their processes on the nodes, and what is inside them."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import yaml
from tests.support.cluster_client import NETWORKS

from devcluster.deployment import DEPLOYMENT, NAMESPACE
from devcluster.realnodes.files import CONTAINERD_SOCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from devcluster.controlplane import ControlPlane
    from devcluster.realnodes.machine import Machine

STATUS = "k8s.v1.cni.cncf.io/network-status"
REPLICAS = ("-n", NAMESPACE, "-l", "control-plane=mac-controller-manager")
SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.2


class Replica(NamedTuple):
    """A pod of ours."""

    name: str
    node: str
    address: str
    container: str
    ready: bool
    restarts: int


class Real:
    """One cluster."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.fleet = plane.fleet

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl; must succeed."""
        return self.plane.kubectl(*arguments, stdin=stdin).stdout

    def apply(self, *documents: Mapping[str, object]) -> None:
        """Make objects as they are given."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def read(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever kubectl shows
        """Read objects."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def network(self, name: str, **plugin: object) -> None:
        """Define a secondary network by one plugin, with tuning for the address."""
        plugins = [plugin, {"type": "tuning", "capabilities": {"mac": True}}]
        config = json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": plugins})
        self.apply(
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": name},
                "spec": {"config": config},
            }
        )

    def run_pod(self, name: str, networks: str | None = None, node: str | None = None) -> dict[str, Any]:
        """Run a pod until it is ready; gives it as it is then."""
        container = {"name": "app", "image": "registry.k8s.io/pause:3.10"}
        annotations = {} if networks is None else {NETWORKS: networks}
        spec: dict[str, object] = {"containers": [container], "terminationGracePeriodSeconds": 1}
        if node is not None:
            spec["nodeName"] = node
        metadata = {"name": name, "annotations": annotations}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        return dict(self.read("pod", name))

    def replicas(self) -> list[Replica]:
        """Our pods that are not going."""
        found = []
        for item in self.read("pods", *REPLICAS)["items"]:
            if "deletionTimestamp" in item["metadata"]:
                continue
            status = (item["status"].get("containerStatuses") or [{}])[0]
            found.append(
                Replica(
                    item["metadata"]["name"],
                    item["spec"].get("nodeName", ""),
                    item["status"].get("podIP", ""),
                    status.get("containerID", "").removeprefix("containerd://"),
                    bool(status.get("ready")),
                    int(status.get("restartCount", 0)),
                )
            )
        return found

    def leader(self) -> Replica:
        """The replica that holds the Lease."""
        holder = self.read("lease", "kubemacpool-leader", "-n", NAMESPACE)["spec"]["holderIdentity"]
        (leader,) = [replica for replica in self.replicas() if replica.name in holder]
        return leader

    def endpoints(self) -> set[str]:
        """The addresses behind the webhook's Service that are ready."""
        slices = self.read("endpointslices", "-n", NAMESPACE, "-l", "kubernetes.io/service-name=kubemacpool-service")[
            "items"
        ]
        return {
            address
            for item in slices
            for endpoint in item["endpoints"] or []
            if endpoint["conditions"].get("ready")
            for address in endpoint["addresses"]
        }

    @contextmanager
    def endings(self) -> Iterator[Callable[[], dict[str, str]]]:
        """Follow our pods; what is given tells which of them have ended so far, and when, as the API has it."""
        finished = ".status.containerStatuses[0].state.terminated.finishedAt"
        columns = f"custom-columns=NAME:.metadata.name,AT:{finished}"
        kubectl = (str(self.plane.layout.kubectl), f"--kubeconfig={self.plane.kubeconfig}")
        following = (*kubectl, "get", "pods", *REPLICAS, "--watch", "--no-headers", "-o", columns)
        with tempfile.NamedTemporaryFile() as told:

            def ended() -> dict[str, str]:
                lines = [line.split() for line in Path(told.name).read_text().splitlines()]
                return {name: at for name, at in lines if at != "<none>"}

            watching = subprocess.Popen(following, stdout=told)
            try:
                yield ended
            finally:
                watching.terminate()
                watching.wait()

    def process(self, replica: Replica) -> tuple[Machine, int]:
        """The node of a replica, and its first process as the node sees it."""
        node = self.fleet.node(replica.node)
        tasks = node.run("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "tasks", "list")
        (pid,) = [line.split()[1] for line in tasks.splitlines() if line.startswith(replica.container)]
        return node, int(pid)

    def signal(self, replica: Replica, name: str) -> None:
        """Send a signal to a replica's first process."""
        node, pid = self.process(replica)
        node.run("/bin/kill", f"-{name}", str(pid))

    def settled(self) -> None:
        """Wait until both replicas are ready and behind the Service."""

        def good() -> bool:
            ready = [replica for replica in self.replicas() if replica.ready]
            return len(ready) == 2 and self.endpoints() == {replica.address for replica in ready}

        self.until(good, f"two replicas of {DEPLOYMENT} are ready and reached")

    def nodes_ready(self) -> None:
        """Wait until every node is ready and takes pods."""

        def good() -> bool:
            nodes = self.read("nodes")["items"]
            return all(
                any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
                and not node["spec"].get("taints")
                for node in nodes
            )

        self.until(good, "all nodes are ready")

    def until(self, condition: Callable[[], bool], what: str, within: float = SETTLE_SECONDS) -> float:
        """Wait for something; gives how many seconds it took."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < within, f"waited {within:.0f} s in vain: {what}"
            time.sleep(POLL_SECONDS)
        return time.monotonic() - begun


def reported(pod: dict[str, Any], interface: str) -> dict[str, Any]:
    """What network-status says of one interface."""
    statuses = msgspec.json.decode(pod["metadata"]["annotations"][STATUS], type=list[dict[str, Any]])
    (status,) = [item for item in statuses if item.get("interface") == interface]
    return status


def given(pod: dict[str, Any]) -> list[str]:
    """The addresses that a pod's annotation asks for."""
    return [entry["mac"] for entry in json.loads(pod["metadata"]["annotations"][NETWORKS])]
