"""Addresses that running objects of several parties share: how they are told of, and when no longer."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.e2e.scopes.kinds import MACHINE, POD
from tests.support.cluster_client import MERGE
from tests.support.installed import eventually, process_of
from tests.support.machine_manifests import instance, instance_spec, nic
from tests.support.machines import INSTANCES, Machines, uid_of
from tests.support.telling import collision, events_of, until_shared, until_told

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed, LogEnds
    from tests.support.machine_manifests import Document
    from tests.support.telling import Event


async def run_instance(cluster: ClusterClient, namespace: str, name: str, mac: str) -> Document:
    """Make an instance without a machine."""
    manifest = instance(name, instance_spec([nic(mac=mac)]), {"finalizers": []})
    return await Machines(cluster, namespace).made(manifest, INSTANCES)


async def share(cluster: ClusterClient, namespace: str, mac: str, *names: str) -> str:
    """Make pods that share an address, where nobody keeps them from it; gives what is said of them."""
    for name in names:
        await POD.made(cluster, namespace, name, mac)
    message = collision(mac, *(f"pod/{namespace}/{name}" for name in names))
    await until_told(cluster, message, *(("Pod", namespace, name) for name in names))
    return message


async def end(cluster: ClusterClient, path: str, phase: str) -> None:
    """Let an object come to its end."""
    await cluster.done("PATCH", f"{path}/status", {"status": {"phase": phase}}, content_type=MERGE)


def times_told(installed: Installed, since: LogEnds, mac: str) -> int:
    """How often all replicas together have logged the collision."""
    return len(installed.log(since, event="collision", address=mac))


async def test_every_object_concerned_has_one_event_in_any_spelling_and_across_kinds_and_namespaces(
    cluster: ClusterClient, installed: Installed, namespace: str, ignored: str, block: Block
) -> None:
    mac = "0a:bc" + block[0][5:]
    first = (await POD.made(cluster, namespace, "first", mac)).metadata
    second = await run_instance(cluster, ignored, "second", mac.upper().replace(":", "-"))
    dotted = "".join(mac.split(":"))
    third = (await POD.made(cluster, ignored, "third", f"{dotted[:4]}.{dotted[4:8]}.{dotted[8:]}")).metadata
    await until_shared(installed, mac, 3)
    message = collision(mac, f"pod/{namespace}/first", f"pod/{ignored}/third", f"vmi/{ignored}/second")
    told: list[Event] = []

    async def all_told() -> bool:
        told[:] = [event for event in await events_of(cluster, namespace, ignored) if mac in event.message]
        return {event.involved_object.name for event in told} == {"first", "second", "third"}

    await eventually(all_told, f"every object that has {mac} has an Event")
    assert message in {event.message for event in told if event.involved_object.name == "third"}, "it came last"
    assert [(event.reason, event.type, event.count) for event in told] == [("MACCollision", "Warning", 1)] * 3
    concerned = [event.involved_object for event in told]
    assert {(each.kind, each.uid, each.api_version) for each in concerned} == {
        ("Pod", first.uid, "v1"),
        ("VirtualMachineInstance", uid_of(second), "kubevirt.io/v1"),
        ("Pod", third.uid, "v1"),
    }


async def test_kubectl_describe_shows_it_on_the_object(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    message = await share(cluster, ignored, block[0], "a", "b")
    for name in ("a", "b"):
        shown = installed.control_plane.kubectl("describe", "pod", name, "-n", ignored).stdout
        (line,) = (line for line in shown.splitlines() if "MACCollision" in line)
        assert "Warning" in line
        assert message in line


async def test_it_is_told_once_however_often_its_objects_change(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    since = installed.log_ends()
    message = await share(cluster, ignored, block[0], "a", "b")
    for number in range(5):
        for name in ("a", "b"):
            await cluster.patch(POD.path(ignored, name), {"metadata": {"labels": {"n": f"{number}"}}})
        await share(cluster, ignored, block[number + 1], f"c-{number}", f"d-{number}")  # so there was a look since
    told = [event for event in await events_of(cluster, ignored) if event.message == message]
    assert sorted((event.involved_object.name, event.count) for event in told) == [("a", 1), ("b", 1)]
    assert times_told(installed, since, block[0]) == 1


async def test_one_more_object_is_told_whom_it_has_met_and_the_gauge_follows_to_nothing(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    before = (await installed.figures())["kubevirt_kmp_duplicate_macs"]
    await share(cluster, ignored, block[0], "a", "b")
    await until_shared(installed, block[0], 2)
    assert (await installed.figures())["kubevirt_kmp_duplicate_macs"] == before + 1
    await POD.made(cluster, ignored, "c", block[0])
    message = collision(block[0], *(f"pod/{ignored}/{name}" for name in "abc"))
    await until_told(cluster, message, ("Pod", ignored, "c"))
    await until_shared(installed, block[0], 3)
    await POD.delete(cluster, ignored, "a")
    await until_shared(installed, block[0], 2)
    await POD.delete(cluster, ignored, "b")
    await until_shared(installed, block[0], None)
    assert (await installed.figures())["kubevirt_kmp_duplicate_macs"] == before


async def test_a_collision_that_comes_back_is_told_again(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    since = installed.log_ends()
    await share(cluster, ignored, block[0], "a", "b")
    await POD.delete(cluster, ignored, "b")
    await until_shared(installed, block[0], None)
    await share(cluster, ignored, block[1], "c", "d")  # so there was a look while it was resolved
    message = collision(block[0], f"pod/{ignored}/a", f"pod/{ignored}/e")
    await POD.made(cluster, ignored, "e", block[0])
    await until_told(cluster, message, ("Pod", ignored, "a"), ("Pod", ignored, "e"))
    assert times_told(installed, since, block[0]) == 2


async def test_machines_that_do_not_run_disturb_nobody(
    cluster: ClusterClient, installed: Installed, namespace: str, ignored: str, block: Block
) -> None:
    for name in ("a", "b"):
        await MACHINE.made(cluster, ignored, name, block[0])
    await POD.made(cluster, ignored, "pod", block[0])
    await MACHINE.made(cluster, ignored, "last", block[1])
    await POD.made(cluster, ignored, "last", block[2])
    await POD.until_refused(cluster, namespace, block[1], f"VirtualMachine {ignored}/last;")
    await POD.until_refused(cluster, namespace, block[2], f"Pod {ignored}/last;")  # by now all are known
    await until_shared(installed, block[0], None)
    await share(cluster, ignored, block[3], "c", "d")
    assert not [event for event in await events_of(cluster, ignored) if block[0] in event.message]
    await run_instance(cluster, ignored, "a", block[0])
    await until_shared(installed, block[0], 2)
    message = collision(block[0], f"pod/{ignored}/pod", f"vmi/{ignored}/a")
    await until_told(cluster, message, ("Pod", ignored, "pod"), ("VirtualMachineInstance", ignored, "a"))


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_what_has_ended_disturbs_nobody(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block, phase: str
) -> None:
    await run_instance(cluster, ignored, "vmi", block[0])
    for name in ("first", "second"):
        await POD.made(cluster, ignored, name, block[0])
    await until_shared(installed, block[0], 3)
    await end(cluster, Machines(cluster, ignored).path("vmi", INSTANCES), phase)
    await until_shared(installed, block[0], 2)
    await end(cluster, POD.path(ignored, "first"), phase)
    await until_shared(installed, block[0], None)


async def test_it_ends_when_one_of_them_takes_another_address(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    await run_instance(cluster, ignored, "vmi", block[0])
    await POD.made(cluster, ignored, "pod", block[0])
    await until_shared(installed, block[0], 2)
    path = Machines(cluster, ignored).path("vmi", INSTANCES)
    await cluster.patch(path, {"spec": instance_spec([nic(mac=block[1])])})
    await until_shared(installed, block[0], None)


async def test_after_a_change_of_leader_it_is_told_once_more_at_most(
    cluster: ClusterClient, installed: Installed, ignored: str, block: Block
) -> None:
    since = installed.log_ends()
    message = await share(cluster, ignored, block[0], "a", "b")
    leader = await installed.leader()
    (follower,) = await installed.followers()
    process_of(leader).send(signal.SIGTERM)

    async def told_again() -> bool:
        return bool(installed.log_of(follower, since, event="collision", address=block[0]))

    await eventually(told_again, "the next leader tells what its predecessor may not have told")
    await installed.replaced(leader)
    await share(cluster, ignored, block[1], "c", "d")  # so there was a look since
    told = [event for event in await events_of(cluster, ignored) if event.message == message]
    counts = {name: sum(each.count for each in told if each.involved_object.name == name) for name in ("a", "b")}
    assert set(counts.values()) <= {1, 2}
    assert times_told(installed, since, block[0]) == 2
