"""The leader's Lease on the real API server: what is believed of its writes, its size, its watch and its formats."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.contract.conftest import MonotonicClock
from tests.contract.following import following
from tests.contract.objects import config_map, create, delete
from tests.unit.doubles import need

from devcluster.controlplane import ControlPlane
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.budgets import MOST_RESERVED
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.election.elector import Elector, Member
from kubemacpool.election.leadership import KindView
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import CollectionRead
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.writes import ClusterLease, lease_resource
from kubemacpool.ports import ConflictError, NotFoundError
from kubemacpool.progress import ViewProgress
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord, decode_lease

FIRST = 0x02_00_00_00_00_00
BOUND = 2.0
"""Seconds: the in-flight bound of these replicas."""

PATIENCE = 20.0
"""Seconds: reached only when something does not happen at all."""


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def _annotate(plane: ControlPlane, namespace: str, **annotations: str) -> None:
    pairs = [f"kubemacpool.io/{name}={value}" for name, value in annotations.items()]
    plane.kubectl("-n", namespace, "annotate", "--overwrite", "lease", LEASE_NAME, *pairs)


async def _made(lease: ClusterLease) -> LeaseRecord:
    """A new one, to be written: the API server does not take a duration of 0."""
    return (await lease.create())._replace(duration=5)


# Writing


async def test_a_lease_is_created_once_and_held_by_nobody(api: ApiClient, namespace: str) -> None:
    lease = ClusterLease(api, namespace)
    with pytest.raises(NotFoundError, match=f'"{LEASE_NAME}" not found'):
        await lease.read()
    created = await lease.create()
    assert created == LeaseRecord("", "", 0, 0, frozenset(), {}, None, created.resource_version)
    assert await lease.read() == created
    with pytest.raises(ConflictError, match="already exists"):
        await lease.create()


async def test_what_is_written_is_read_again(api: ApiClient, namespace: str) -> None:
    lease = ClusterLease(api, namespace)
    created = await _made(lease)
    said = created._replace(
        holder="a",
        endpoint="127.0.0.1:8000",
        transitions=1,
        duration=5,
        reserved=frozenset({FIRST}),
        seen={"Pod": 7},
        last=FIRST,
    )
    stored = await lease.update(said, acquired=True)
    assert stored == said._replace(resource_version=stored.resource_version)
    assert int(stored.resource_version) > int(created.resource_version)
    assert await lease.read() == stored
    emptied = await lease.update(stored._replace(holder="", endpoint="", reserved=frozenset(), last=None))
    assert (emptied.holder, emptied.endpoint, emptied.reserved, emptied.last) == ("", "", frozenset(), None)
    assert (emptied.transitions, emptied.seen) == (1, {"Pod": 7})


async def test_people_can_read_who_holds_it_and_since_when(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    before = datetime.now(UTC)
    stored = await lease.update((await _made(lease))._replace(holder="a", transitions=1, duration=5), acquired=True)
    await lease.update(stored)
    spec = json.loads(await api.get(f"{_path(namespace)}/{LEASE_NAME}"))["spec"]
    acquired, renewed = (datetime.fromisoformat(spec[field]) for field in ("acquireTime", "renewTime"))
    assert before <= acquired < renewed
    assert spec["holderIdentity"] == "a"
    listed = control_plane.kubectl("-n", namespace, "get", "lease").stdout.splitlines()
    assert listed[1].split()[:2] == [LEASE_NAME, "a"]


async def test_a_write_of_what_was_changed_since_is_a_conflict_and_changes_nothing(
    api: ApiClient, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    created = await _made(lease)
    theirs = await lease.update(created._replace(holder="a"))
    with pytest.raises(ConflictError, match="the object has been modified"):
        await lease.update(created._replace(holder="b"))
    assert await lease.read() == theirs


async def test_of_many_that_write_at_once_one_succeeds(api: ApiClient, namespace: str) -> None:
    lease = ClusterLease(api, namespace)
    created = await _made(lease)
    writes = [lease.update(created._replace(holder=f"replica-{number}", transitions=1)) for number in range(16)]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    (winner,) = [answer for answer in answers if isinstance(answer, LeaseRecord)]
    assert [type(answer) for answer in answers if answer != winner] == [ConflictError] * 15
    assert await lease.read() == winner


async def test_a_lease_that_was_deleted_cannot_be_written_nor_can_its_successor_by_what_was_read_before(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    before = await _made(lease)
    control_plane.kubectl("-n", namespace, "delete", "lease", LEASE_NAME)
    with pytest.raises(NotFoundError):
        await lease.update(before._replace(holder="a"))
    after = await lease.create()
    with pytest.raises(ConflictError):
        await lease.update(before._replace(holder="a"))
    assert await lease.read() == after


async def test_what_others_have_put_there_is_kept(api: ApiClient, control_plane: ControlPlane, namespace: str) -> None:
    lease = ClusterLease(api, namespace)
    created = await _made(lease)
    control_plane.kubectl("-n", namespace, "label", "lease", LEASE_NAME, "app=kubemacpool")
    control_plane.kubectl("-n", namespace, "annotate", "lease", LEASE_NAME, "team=network")
    await lease.update(created._replace(holder="a", resource_version=(await lease.read()).resource_version))
    metadata = json.loads(await api.get(f"{_path(namespace)}/{LEASE_NAME}"))["metadata"]
    assert metadata["labels"] == {"app": "kubemacpool"}
    assert metadata["annotations"]["team"] == "network"


async def test_as_many_names_as_there_may_be_find_room_even_if_no_two_are_neighbours(
    api: ApiClient, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    names = frozenset(range(FIRST, FIRST + 2 * MOST_RESERVED, 2))
    assert len(names) == MOST_RESERVED
    said = (await _made(lease))._replace(
        holder="n" * 253, endpoint="[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", reserved=names, last=FIRST
    )
    stored = await lease.update(said._replace(seen={"Pod": 2**63, "VirtualMachine": 2**63}))
    assert stored.reserved == names
    assert (await lease.read()).reserved == names


# Watching


async def test_the_watch_tells_of_this_lease_only_from_its_making_to_its_end(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    async with following(api, lease_resource(namespace)) as view:
        assert view.there == {}
        other = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "another"}}
        control_plane.api.request("POST", _path(namespace), other)
        created = await _made(lease)
        stored = await lease.update(created._replace(holder="a", reserved=frozenset({FIRST})))
        await view.until(lambda: view.versions.get(LEASE_NAME) == int(stored.resource_version))
        assert decode_lease(view.there[LEASE_NAME]).item == stored
        control_plane.kubectl("-n", namespace, "delete", "lease", LEASE_NAME)
        await view.until(lambda: not view.there)
        assert view.steps == [f"present {LEASE_NAME}", f"present {LEASE_NAME}", f"gone {LEASE_NAME}"]


async def test_a_list_that_is_asked_for_is_as_new_as_the_cluster_when_it_is_complete(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "configmaps", config_map("stays"), config_map("goes"))
    resource = Resource("/api/v1/configmaps", namespace)
    async with following(api, resource) as view:
        for number in range(5):
            create(control_plane, namespace, "configmaps", config_map(f"comes-{number}"))
            newest = await CollectionRead(api, resource).newest_resource_version()
            await view.reflector.relist()
            assert view.reflector.resource_version >= newest
            assert f"comes-{number}" in view.there
        delete(control_plane, namespace, "configmaps", "goes")
        await view.reflector.relist()
        assert "goes" not in view.there
        assert len(view.transport.lists) == 7
        create(control_plane, namespace, "configmaps", config_map("later"))
        await view.until(lambda: "later" in view.there)
        assert len(view.transport.lists) == 7, "the watch goes on"


# Electing


class Candidate:
    """A replica that takes part in the election on the real API server."""

    def __init__(self, api: ApiClient, namespace: str, name: str) -> None:
        pool = Pool([AddressRange(FIRST, FIRST + 63)])
        clock = MonotonicClock()
        self.core = Allocator(Ledger(pool, in_flight_bound=BOUND, cool_down=0.0))
        self.relists = 0
        progress = ViewProgress()
        progress.reached(1)
        views = {"Pod": KindView(progress, self._relist)}
        replica = Member(name, f"{name}:8000")
        self.elector = Elector(replica, ClusterLease(api, namespace), self.core, views, lambda: (), clock)
        self.reflector = Reflector(api, lease_resource(namespace), decode_lease, self.elector)

    async def until_deciding(self) -> None:
        """Waits for it."""
        async with asyncio.timeout(PATIENCE):
            while not self.elector.leading:
                await self.elector.until_changed(1.0)

    async def _relist(self) -> None:
        self.relists += 1


@asynccontextmanager
async def _standing(api: ApiClient, namespace: str, name: str) -> AsyncIterator[Candidate]:
    candidate = Candidate(api, namespace, name)
    tasks = [asyncio.create_task(work) for work in (candidate.reflector.run(), candidate.elector.run())]
    try:
        yield candidate
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _in_doubt(core: Allocator) -> Iterator[int]:
    return (address for address in range(FIRST, FIRST + 64) if core.ledger.is_in_doubt(address))


async def test_the_lease_goes_from_one_replica_to_the_next_when_it_is_handed_over(
    api: ApiClient, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    await lease.create()
    async with _standing(api, namespace, "a") as first, _standing(api, namespace, "b") as second:
        async with asyncio.timeout(PATIENCE):
            while not (first.elector.leading or second.elector.leading):
                await first.elector.until_changed(0.1)
        holder, other = (first, second) if first.elector.leading else (second, first)
        await holder.elector.reserve(need((FIRST + 40,), 0))
        assert FIRST + 40 in (await lease.read()).reserved
        holder.elector.resign()
        await other.until_deciding()
        assert not holder.elector.leading
    record = await lease.read()
    assert record.transitions == 2


async def test_a_lease_of_a_newer_format_is_not_misread_and_taken_over_once_nothing_can_be_on_its_way(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    lease = ClusterLease(api, namespace)
    await lease.update((await _made(lease))._replace(transitions=3, reserved=frozenset({FIRST})))
    _annotate(control_plane, namespace, format="3", reserved="a notation of the future", shape="new")
    newer = await lease.read()
    assert newer.fault == "annotation kubemacpool.io/format is 3, and this program understands up to 2"
    clock = MonotonicClock()
    began = clock.now()
    async with _standing(api, namespace, "a") as candidate:
        await candidate.reflector.wait_until_listed()
        while clock.now() < began + BOUND / 2:
            assert not candidate.elector.leading
            await candidate.elector.until_changed(0.1)
        assert await lease.read() == newer
        await candidate.until_deciding()
        assert clock.now() >= began + BOUND
        assert candidate.relists == 1
        assert list(_in_doubt(candidate.core)) == []
    record = await lease.read()
    assert (record.holder, record.transitions, record.fault) == ("a", 4, "")
    annotations = json.loads(await api.get(f"{_path(namespace)}/{LEASE_NAME}"))["metadata"]["annotations"]
    assert annotations["kubemacpool.io/format"] == "2"


async def test_a_lease_without_a_format_is_understood(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    """As an older program may have left it."""
    lease = ClusterLease(api, namespace)
    await lease.update((await _made(lease))._replace(transitions=3, reserved=frozenset({FIRST, FIRST + 1})))
    control_plane.kubectl("-n", namespace, "annotate", "lease", LEASE_NAME, "kubemacpool.io/format-")
    assert (await lease.read()).reserved == {FIRST, FIRST + 1}
    async with _standing(api, namespace, "a") as candidate:
        await candidate.until_deciding()
        assert list(_in_doubt(candidate.core)) == [FIRST, FIRST + 1]
        assert candidate.relists == 0
    assert (await lease.read()).transitions == 4
