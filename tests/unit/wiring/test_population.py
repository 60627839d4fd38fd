"""Everything that the ledger is derived from: pods always, the kinds of KubeVirt while they are there."""

import asyncio
from typing import Final

import pytest
from tests.unit.doubles import FIRST
from tests.unit.wiring.served import (
    INSTANCES,
    KUBEVIRT,
    MACHINES,
    MIGRATIONS,
    PODS,
    Scene,
    controller,
    instance,
    machine,
    pod,
)

from kubemacpool.follow.kinds import GONE_SECONDS, POLL_SECONDS, RETRY_SECONDS
from kubemacpool.kube.transport import JSON, METADATA_OF_LIST

MAC: Final = "02:00:00:00:00:01"
SECOND: Final = "02:00:00:00:00:02"
KINDS: Final = ["Pod", "VirtualMachine", "VirtualMachineInstance"]


async def test_pods_are_followed_by_their_metadata_and_without_those_that_have_ended() -> None:
    scene = Scene()
    scene.served.store(PODS, "a", pod(MAC))
    async with scene.following():
        assert scene.holders(FIRST) == {"Pod ns/a": "Pod ns/a"}
        scene.served.store(PODS, "b", pod(SECOND))
        await asyncio.sleep(0.1)
        assert scene.holders(FIRST + 1) == {"Pod ns/b": "Pod ns/b"}
    listed, watched = (request for request in scene.served.requests if request.path == PODS)
    assert listed.accept == METADATA_OF_LIST
    for request in (listed, watched):
        assert request.params["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"


async def test_without_kubevirt_pods_are_all_there_is_to_know() -> None:
    scene = Scene()
    assert sorted(scene.readiness.obstacles) == [
        "it is not known yet whether KubeVirt is installed",
        "the list of objects of kind Pod is not complete yet",
    ]
    async with scene.following():
        assert list(scene.readiness.obstacles) == []
        assert [each.kind for each in scene.followed.followed()] == ["Pod"]
        assert not scene.followed.knows_all_machines


async def test_with_kubevirt_nobody_leads_before_machines_and_instances_are_known() -> None:
    scene = Scene()
    scene.served.install()
    scene.served.hung = {INSTANCES}
    async with scene.following():
        assert list(scene.readiness.obstacles) == [
            "the list of objects of kind VirtualMachineInstance is not complete yet"
        ]
        assert not scene.followed.knows_all_machines


async def test_migrations_hinder_nobody() -> None:
    scene = Scene()
    scene.served.install()
    scene.served.hung = {MIGRATIONS}
    async with scene.following():
        assert list(scene.readiness.obstacles) == []
        assert scene.followed.knows_all_machines


async def test_a_machine_its_instance_and_its_launcher_pod_hold_an_address_as_one_party() -> None:
    scene = Scene()
    scene.served.install()
    scene.served.store(PODS, "launcher", pod(MAC, controller("VirtualMachineInstance", "vmi")))
    scene.served.store(INSTANCES, "vmi", instance(MAC, controller("VirtualMachine", "vm")))
    scene.served.store(MACHINES, "vm", machine(MAC))
    async with scene.following():
        assert scene.holders(FIRST) == {
            "Pod ns/launcher": "VirtualMachine ns/vm",
            "VirtualMachineInstance ns/vmi": "VirtualMachine ns/vm",
            "VirtualMachine ns/vm": "VirtualMachine ns/vm",
        }
        assert scene.ledger.collisions() == {}


async def test_two_parties_that_migrate_from_one_namespace_to_the_other_do_not_collide() -> None:
    scene = Scene()
    scene.served.install()
    for namespace in ("from", "to"):
        scene.served.store(INSTANCES, "vm", instance(MAC), namespace)
    async with scene.following():
        assert set(scene.ledger.collisions()) == {FIRST}
        for side, namespace in (("sendTo", "from"), ("receive", "to")):
            scene.served.store(MIGRATIONS, "move", {"spec": {"vmiName": "vm", side: {"migrationID": "m"}}}, namespace)
        await asyncio.sleep(0.1)
        assert scene.ledger.collisions() == {}


async def test_a_kubevirt_that_is_installed_later_is_followed_without_a_restart() -> None:
    scene = Scene()
    async with scene.following():
        scene.served.install()
        scene.served.store(MACHINES, "vm", machine(MAC))
        await asyncio.sleep(POLL_SECONDS + 0.1)
        assert scene.holders(FIRST) == {"VirtualMachine ns/vm": "VirtualMachine ns/vm"}
        assert scene.followed.knows_all_machines
        assert [each.kind for each in scene.followed.followed()] == KINDS


async def test_of_a_kubevirt_that_is_removed_nothing_is_left_and_nothing_is_waited_for() -> None:
    scene = Scene()
    scene.served.install()
    scene.served.store(MACHINES, "vm", machine(MAC))
    async with scene.following():
        scene.served.remove()
        await asyncio.sleep(POLL_SECONDS + 0.1)
        assert scene.holders(FIRST) != {}, "it may be back in a moment"
        await asyncio.sleep(GONE_SECONDS + RETRY_SECONDS)
        assert scene.holders(FIRST) == {}
        assert list(scene.readiness.obstacles) == []
        assert not scene.followed.knows_all_machines
        assert [each.kind for each in scene.followed.followed()] == ["Pod"]


async def test_only_machines_without_instances_are_not_all_that_has_to_be_known() -> None:
    scene = Scene()
    scene.served.install(MACHINES)
    async with scene.following():
        assert not scene.followed.knows_all_machines
        assert [each.kind for each in scene.followed.followed()] == ["Pod", "VirtualMachine"]


async def test_an_acquisition_may_ask_how_new_the_view_of_every_kind_is() -> None:
    scene = Scene()
    scene.served.install()
    scene.served.store(MACHINES, "vm", machine(MAC))
    views = scene.followed.views()
    assert list(views) == KINDS
    async with scene.following():
        for view in views.values():
            await view.progress.until(scene.served.version)
        scene.served.store(INSTANCES, "vmi", instance(MAC))
        await views["VirtualMachineInstance"].progress.until(scene.served.version)
        assert views["VirtualMachine"].progress.resource_version < scene.served.version


@pytest.mark.parametrize(("kind", "collection"), list(zip(KINDS, (PODS, MACHINES, INSTANCES), strict=True)))
async def test_an_acquisition_may_have_a_kind_listed_afresh(kind: str, collection: str) -> None:
    scene = Scene()
    scene.served.install()
    async with scene.following():
        assert scene.lists(collection) == 1
        await scene.followed.views()[kind].relist()
        assert scene.lists(collection) == 2


async def test_what_was_installed_a_moment_ago_is_found_and_listed_by_an_acquisition() -> None:
    """The leader before may have seen machines that this replica has not heard of."""
    scene = Scene()
    async with scene.following():
        scene.served.install()
        scene.served.store(MACHINES, "vm", machine(MAC))
        await scene.followed.views()["VirtualMachine"].relist()
        assert scene.holders(FIRST) == {"VirtualMachine ns/vm": "VirtualMachine ns/vm"}


async def test_an_acquisition_without_kubevirt_asks_whether_it_is_there_and_lists_nothing() -> None:
    scene = Scene()
    async with scene.following():
        before = sum(request.path == KUBEVIRT for request in scene.served.requests)
        await scene.followed.views()["VirtualMachine"].relist()
        assert sum(request.path == KUBEVIRT for request in scene.served.requests) == before + 1
        assert scene.lists(MACHINES) == 0


async def test_every_kind_is_proven_by_a_read_of_its_own() -> None:
    scene = Scene()
    scene.served.install()
    async with scene.following():
        scene.served.requests.clear()
        for each in scene.followed.followed():
            assert await each.newest.newest_resource_version() == scene.served.version
            assert each.progress is scene.followed.views()[each.kind].progress
        assert [request.path for request in scene.served.requests] == [PODS, MACHINES, INSTANCES]


async def test_machines_are_read_whole_since_their_addresses_are_no_metadata() -> None:
    scene = Scene()
    scene.served.install()
    async with scene.following():
        read = {request.path: request.accept for request in scene.served.requests if request.idle_seconds is None}
        assert read[MACHINES] == read[INSTANCES] == JSON
