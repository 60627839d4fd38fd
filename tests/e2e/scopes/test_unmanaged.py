"""Objects in namespaces that we leave alone: we give them nothing, and know what they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from tests.e2e.scopes.kinds import KINDS, MACHINE, POD
from tests.support.cluster_client import pod
from tests.support.machine_manifests import instance, instance_spec, nic
from tests.support.machines import INSTANCES, Machines
from tests.support.telling import collision, until_shared, until_told

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.e2e.scopes.kinds import Kind
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

Carrier = Literal["Pod", "VirtualMachine", "VirtualMachineInstance"]
carriers = pytest.mark.parametrize("carrier", ["Pod", "VirtualMachine", "VirtualMachineInstance"])


async def hold(cluster: ClusterClient, namespace: str, carrier: Carrier, name: str, mac: str) -> None:
    """Make an object that carries an address."""
    if carrier == "VirtualMachineInstance":
        manifest = instance(name, instance_spec([nic(mac=mac)]), {"finalizers": []})
        await Machines(cluster, namespace).made(manifest, INSTANCES)
    else:
        (kind,) = (each for each in KINDS if each.name == carrier)
        await kind.made(cluster, namespace, name, mac)


async def let_go(cluster: ClusterClient, namespace: str, carrier: Carrier, name: str) -> None:
    """Delete it again."""
    if carrier == "VirtualMachineInstance":
        await cluster.done("DELETE", Machines(cluster, namespace).path(name, INSTANCES))
    else:
        (kind,) = (each for each in KINDS if each.name == carrier)
        await kind.delete(cluster, namespace, name)


@carriers
async def test_its_address_is_refused_to_others_naming_it_until_it_is_gone(
    cluster: ClusterClient, namespace: str, ignored: str, block: Block, kind: Kind, carrier: Carrier
) -> None:
    await hold(cluster, ignored, carrier, "holder", block[0])
    await kind.until_refused(cluster, namespace, block[0], f"{carrier} {ignored}/holder;")
    await let_go(cluster, ignored, carrier, "holder")
    await kind.until_free(cluster, namespace, block[0])


@carriers
async def test_an_address_outside_the_range_is_refused_alike(
    cluster: ClusterClient, namespace: str, ignored: str, block_outside: Block, kind: Kind, carrier: Carrier
) -> None:
    await hold(cluster, ignored, carrier, "holder", block_outside[0])
    await kind.until_refused(cluster, namespace, block_outside[0], f"{carrier} {ignored}/holder;")


async def test_their_addresses_are_never_handed_out(
    cluster: ClusterClient, namespace: str, ignored: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[4])
    for index, carrier in enumerate(("Pod", "VirtualMachine", "VirtualMachineInstance")):
        name = carrier.lower()
        await hold(cluster, ignored, carrier, name, block[index])  # type: ignore[arg-type]
        await POD.until_refused(cluster, namespace, block[index], f"{carrier} {ignored}/{name};")
    given = {kind.mac(await kind.made(cluster, namespace, "a")) for kind in KINDS}
    assert given == {block[3], block[4]}
    for kind in KINDS:
        reply = await kind.create(cluster, namespace, "b")
        assert f"the pool {block[0]}-{block[4]} is exhausted: 1 needed, 0 free of 5" in reply.message


async def test_an_address_that_somebody_there_takes_from_a_pod_of_ours_is_a_collision(
    cluster: ClusterClient, installed: Installed, namespace: str, ignored: str
) -> None:
    mac = (await cluster.made(namespace, pod("ours"))).mac
    await POD.made(cluster, ignored, "theirs", mac)
    await until_shared(installed, mac, 2)
    message = collision(mac, f"pod/{namespace}/ours", f"pod/{ignored}/theirs")
    await until_told(cluster, message, ("Pod", namespace, "ours"), ("Pod", ignored, "theirs"))
    await POD.delete(cluster, ignored, "theirs")
    await until_shared(installed, mac, None)


async def test_a_machine_there_may_change_its_address_past_us_and_is_known_by_the_new_one(
    cluster: ClusterClient, namespace: str, ignored: str, block: Block
) -> None:
    await MACHINE.made(cluster, ignored, "holder", block[0])
    holder = f"VirtualMachine {ignored}/holder;"
    await POD.until_refused(cluster, namespace, block[0], holder)
    spec = {"template": {"spec": instance_spec([nic(mac=block[1])])}}
    await cluster.patch(MACHINE.path(ignored, "holder"), {"spec": spec})
    await POD.until_refused(cluster, namespace, block[1], holder)
    await POD.until_free(cluster, namespace, block[0])
