"""KubeVirt that is not there, comes, goes and comes again, in one API version or another, while we run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import pod, together
from tests.support.installed import Installed, eventually, installation
from tests.support.machine_manifests import Document, instance, instance_spec, machine, nic
from tests.support.machines import INSTANCES, MACHINES, Machines, document, machine_macs

from devcluster.settings import KUBEVIRT_CRDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import LogEnds, LogLine

    from devcluster.installation import ReplicaStatus

FOLLOWED: Final = "following the cluster"
FORGOTTEN: Final = "following no longer"
KINDS: Final = ("VirtualMachine", "VirtualMachineInstance")
WATCHES: Final = 3
"""One for each of these, and one for migrations."""
BEGINNING: Final = "storage is (re)initializing"
"""What the API server says, with 429 and Retry-After, of a kind that it does not quite serve yet."""
V1: Final = """\
    - name: v1
      served: true
      storage: true
"""
OLD: Final = V1.replace("name: v1", "name: v1alpha3")
REST: Final = """\
      subresources:
        status: {}
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation on a cluster that has never heard of KubeVirt."""
    with installation(tmp_path_factory.mktemp("presence-cluster"), controllers=False) as installed:
        yield installed


def crds(*versions: str) -> str:
    """The kinds in these versions, of which one is stored."""
    text = KUBEVIRT_CRDS.read_text(encoding="utf-8")
    assert text.count(V1 + REST) == 3
    return text.replace(V1 + REST, "".join(version + REST for version in versions))


SHIPPED: Final = crds(V1)
OLD_ONLY: Final = crds(OLD)
BOTH: Final = crds(OLD.replace("storage: true", "storage: false"), V1)


async def kubectl(installed: Installed, *arguments: str, stdin: str) -> None:
    """Run kubectl on objects that are given to it."""
    await asyncio.to_thread(lambda: installed.control_plane.kubectl(*arguments, "-f", "-", stdin=stdin))


async def install(installed: Installed, manifest: str = SHIPPED) -> None:
    """Install the kinds, and wait until the API server has taken them up. We may not have heard of them yet."""
    await kubectl(installed, "apply", stdin=manifest)
    await kubectl(installed, "wait", "--for=condition=Established", "--timeout=30s", stdin=manifest)


async def remove(installed: Installed) -> None:
    """Remove the kinds with all their objects, and wait until every replica has heard of it."""
    await kubectl(installed, "delete", "--ignore-not-found", stdin=SHIPPED)
    await until_followed(installed, followed=False)


def follows(installed: Installed, replica: ReplicaStatus, kind: str) -> bool:
    """Whether a replica follows a kind, as its log says."""
    said = [line for line in installed.log_of(replica, kind=kind) if line["event"] in {FOLLOWED, FORGOTTEN}]
    return bool(said) and said[-1]["event"] == FOLLOWED


async def until_followed(installed: Installed, *, followed: bool) -> None:
    """Wait until every replica follows both kinds, or neither."""

    async def so() -> bool:
        return all(follows(installed, replica, kind) == followed for replica in installed.replicas for kind in KINDS)

    await eventually(so, "every replica follows the kinds" if followed else "no replica follows the kinds")


@pytest.fixture
async def absent(installed: Installed) -> None:
    """KubeVirt is not there when the test begins."""
    await remove(installed)


async def in_version(vms: Machines, version: str, manifest: Document, plural: str = "virtualmachines") -> Reply:
    """Create an object in another version of the API."""
    path = f"/apis/kubevirt.io/{version}/namespaces/{vms.namespace}/{plural}"
    return await vms.cluster.request("POST", path, manifest | {"apiVersion": f"kubevirt.io/{version}"})


async def until_refused(
    cluster: ClusterClient, namespace: str, mac: str, holder: str, *, at_all_times: bool = False
) -> None:
    """Wait until a pod is refused an address because of this holder; where asked, it may not be allocated meanwhile."""

    async def refused() -> bool:
        reply = await cluster.create(namespace, asking(mac), dry_run=True)
        assert not (reply.created and at_all_times), f"{mac} is free"
        return not reply.created and f"mac {mac} is in use by {holder};" in reply.message

    await eventually(refused, f"{mac} is held by {holder}")


async def until_free(cluster: ClusterClient, namespace: str, mac: str) -> None:
    """Wait until a pod may have an address."""

    async def free() -> bool:
        return (await cluster.create(namespace, asking(mac), dry_run=True)).created

    await eventually(free, f"{mac} is free")


def asking(mac: str) -> dict[str, object]:
    """A pod that asks for an address."""
    return pod("asks", f'[{{"name":"one","mac":"{mac}"}}]')


def troubles(installed: Installed, replica: ReplicaStatus, since: LogEnds | None = None) -> list[LogLine]:
    """What a replica has logged that nobody wants to read.

    A review that had to wait a moment is none of it. Nor is that the API server asks to come again when it has just
    begun to serve a kind; in no test it does so more than twice.
    """
    severe = {"warning", "error", "critical"}
    lines = [line for line in installed.log_of(replica, since) if line["level"] in severe]
    assert sum(BEGINNING in str(line.get("error")) for line in lines) <= 2 * WATCHES
    return [line for line in lines if line["event"] != "cannot decide yet" and BEGINNING not in str(line.get("error"))]


async def ignored_namespace(cluster: ClusterClient, namespace: str) -> str:
    """A namespace that is left alone."""
    name = f"{namespace}-ignored"
    await cluster.namespace(name, {"mutatevirtualmachines.kubemacpool.io": "ignore"})
    return name


@pytest.mark.usefixtures("absent")
async def test_without_kubevirt_pods_are_served_and_nothing_is_wrong(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    assert (await cluster.made(namespace, pod("a"))).mac
    assert await installed.readiness() == {"200 ok"}
    for replica in installed.replicas:
        assert [line for line in troubles(installed, replica) if "kubevirt" in str(line).lower()] == []


@pytest.mark.usefixtures("absent")
async def test_machines_that_are_made_as_soon_as_kubevirt_is_there_get_addresses_of_their_own_without_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, vms: Machines, block: Block
) -> None:
    before = installed.processes
    pods = await together(cluster.made(namespace, pod(f"pod-{number}")) for number in range(8))
    await install(installed)
    await vms.made(machine("first", nic(mac=block[0])))
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/first", at_all_times=True)
    machines = await together(vms.made(machine(f"vm-{number}")) for number in range(16))
    more = await together(cluster.made(namespace, pod(f"more-{number}")) for number in range(8))
    macs = [machine_macs(each)["one"] for each in machines] + [reply.mac for reply in (*pods, *more)]
    assert len(set(macs)) == 32
    for number, mac in enumerate(macs[:16]):
        await until_refused(cluster, namespace, mac, f"VirtualMachine {namespace}/vm-{number}")
    assert installed.processes == before


@pytest.mark.usefixtures("absent")
async def test_machines_and_instances_that_were_there_before_we_knew_of_kubevirt_hold_their_addresses(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    elsewhere = Machines(cluster, await ignored_namespace(cluster, namespace))
    await install(installed)
    manifest = instance("vmi", instance_spec([nic(mac=block[1])]), {"finalizers": []})
    await asyncio.gather(elsewhere.made(machine("vm", nic(mac=block[0]))), elsewhere.made(manifest, INSTANCES))
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {elsewhere.namespace}/vm")
    await until_refused(cluster, namespace, block[1], f"VirtualMachineInstance {elsewhere.namespace}/vmi")


@pytest.mark.usefixtures("absent")
async def test_when_kubevirt_is_removed_its_addresses_are_free_pods_are_served_and_it_may_come_again(
    cluster: ClusterClient, installed: Installed, namespace: str, vms: Machines, block: Block
) -> None:
    before = installed.processes
    await install(installed)
    await vms.made(machine("vm", nic(mac=block[0])))
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/vm")
    await until_followed(installed, followed=True)
    since = installed.log_ends()
    await remove(installed)
    await until_free(cluster, namespace, block[0])
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    assert await installed.readiness() == {"200 ok"}
    gone = installed.log_ends()
    await install(installed)
    assert machine_macs(await vms.made(machine("vm", nic(mac=block[0])))) == {"one": block[0]}
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/vm")
    for replica in installed.replicas:
        # Of each watch that ended may be told, and that nothing is answered there either, until it is known why.
        assert len(troubles(installed, replica, since)) <= 2 * WATCHES
        assert troubles(installed, replica, gone) == []
    assert installed.log(since, level="error") == []
    assert installed.processes == before


@pytest.mark.usefixtures("absent")
async def test_an_old_kubevirt_is_followed_in_the_version_that_it_has_and_in_the_new_one_once_that_is_there(
    cluster: ClusterClient, installed: Installed, namespace: str, vms: Machines, block: Block
) -> None:
    await install(installed, OLD_ONLY)
    assert (await in_version(vms, "v1alpha3", machine("vm", nic(mac=block[0])))).created
    vmi = instance("vmi", instance_spec([nic(mac=block[1])]), {"finalizers": []})
    assert (await in_version(vms, "v1alpha3", vmi, INSTANCES)).created
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/vm")
    await until_refused(cluster, namespace, block[1], f"VirtualMachineInstance {namespace}/vmi")
    await until_followed(installed, followed=True)
    since = installed.log_ends()
    await install(installed, BOTH)
    for plural in (MACHINES, INSTANCES):
        path = f"/apis/kubevirt.io/v1/{plural}"
        await installed.logged(since, event="followed in another version", kind=plural, path=path)
        await installed.logged(since, event="the list is complete", resource=path)
    assert installed.log(since, event=FORGOTTEN) == []
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/vm")
    given = document(await in_version(vms, "v1", machine("new")))
    assert machine_macs(given)["one"]


@pytest.mark.usefixtures("absent")
async def test_a_machine_that_is_written_in_an_old_version_is_served_like_any_other(
    cluster: ClusterClient, installed: Installed, namespace: str, vms: Machines, block: Block
) -> None:
    await install(installed, BOTH)
    await vms.made(machine("holder", nic(mac=block[0])))
    await until_refused(cluster, namespace, block[0], f"VirtualMachine {namespace}/holder")
    given = document(await in_version(vms, "v1alpha3", machine("old")))
    assert machine_macs(given) == machine_macs(await vms.get("old")) != {}
    refused = await in_version(vms, "v1alpha3", machine("other", nic(mac=block[0])))
    assert (refused.status, f"is in use by VirtualMachine {namespace}/holder" in refused.message) == (403, True)
