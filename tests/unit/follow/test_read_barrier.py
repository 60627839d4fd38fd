import asyncio
from collections.abc import Awaitable
from itertools import permutations

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import BOUND, FIRST, ManualClock, ScriptedRead, new_ledger

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.follow import read_barrier
from kubemacpool.follow.read_barrier import FollowedKind, ReadBarrier
from kubemacpool.ports import ClusterUnavailableError, NotFoundError, OutsideError, RefusedError
from kubemacpool.progress import ViewProgress

PARTY = Party("Pod", "default", "a")

KINDS = {"Pod": 7, "VirtualMachine": 9, "VirtualMachineInstance": 5}
"""Where the cluster is, by kind."""


class Scene:
    """A ledger with one allocation that was never seen, and a prover."""

    def __init__(self, *answers: int | Exception) -> None:
        self.clock = ManualClock()
        self.ledger = new_ledger()
        self.progress = ViewProgress()
        self.read = ScriptedRead(answers)
        self.read_barrier = ReadBarrier(
            self.ledger, lambda: [FollowedKind("Pod", self.progress, self.read, self.relist)], self.clock
        )
        self.ledger.allocate(FIRST, PARTY, self.clock.now())
        self.relists = 0
        self.let_list = asyncio.Event()

    async def relist(self) -> None:
        """Returns when it was listed."""
        self.relists += 1
        await self.let_list.wait()


async def _begun(awaitable: Awaitable[None]) -> asyncio.Future[None]:
    task = asyncio.ensure_future(awaitable)
    await _turns()
    return task


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nothing_is_asked_while_no_allocation_is_overdue() -> None:
    scene = Scene()
    scene.clock.advance(BOUND - 0.001)
    await scene.read_barrier.prove_if_due()
    assert not scene.read.begun.is_set()
    assert scene.ledger.in_flight_count == 1


async def test_nothing_is_asked_while_nothing_is_in_flight() -> None:
    scene = Scene()
    scene.clock.advance(BOUND)
    scene.ledger.pass_barrier(scene.clock.now())
    await scene.read_barrier.prove_if_due()
    assert not scene.read.begun.is_set()


async def test_a_view_that_is_as_far_as_the_cluster_ends_what_is_overdue() -> None:
    scene = Scene(7)
    scene.progress.reached(7)
    scene.clock.advance(BOUND)
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0


async def test_what_was_ended_and_what_is_left_is_logged() -> None:
    scene = Scene(7)
    scene.progress.reached(7)
    scene.ledger.inherit((FIRST, FIRST + 2, FIRST + 3), scene.clock.now())
    scene.clock.advance(BOUND)
    scene.ledger.allocate(FIRST + 1, PARTY, scene.clock.now())
    with capture_logs() as logs:
        await scene.read_barrier.prove_if_due()
    assert logs == [{"event": "ended unseen", "log_level": "debug", "addresses": 3, "left": 1}]


async def test_what_is_left_of_what_an_earlier_leader_allocated_is_logged_as_well() -> None:
    scene = Scene(7)
    scene.progress.reached(7)
    scene.clock.advance(1.0)
    scene.ledger.renounce()
    scene.ledger.allocate(FIRST, PARTY, scene.clock.now() - BOUND)
    scene.ledger._in_doubt = dict.fromkeys((FIRST + 2, FIRST + 3))
    with capture_logs() as logs:
        await scene.read_barrier.prove_if_due()
    assert logs == [{"event": "ended unseen", "log_level": "debug", "addresses": 1, "left": 2}]


async def test_a_successor_must_have_seen_as_much_as_the_view_that_ended_an_allocation() -> None:
    scene = Scene(7)
    scene.progress.reached(6)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    scene.progress.reached(9)
    await proving_it
    assert scene.ledger.sighted == {"Pod": 7}


async def test_a_view_that_lags_ends_nothing_until_it_has_caught_up() -> None:
    scene = Scene(7)
    scene.progress.reached(6)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    assert scene.read.begun.is_set()
    assert scene.ledger.in_flight_count == 1
    scene.progress.reached(6)
    await asyncio.sleep(0)
    assert scene.ledger.in_flight_count == 1
    scene.progress.reached(7)
    await proving_it
    assert scene.ledger.in_flight_count == 0


async def test_a_view_before_its_first_list_proves_nothing() -> None:
    scene = Scene(1)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    assert scene.ledger.in_flight_count == 1
    proving_it.cancel()


async def test_the_moment_that_is_proven_is_that_before_the_read() -> None:
    """What becomes overdue while the API server answers was perhaps persisted after its answer."""
    scene = Scene(7)
    scene.progress.reached(7)
    scene.clock.advance(10.0)
    scene.ledger.allocate(FIRST + 1, PARTY, scene.clock.now())
    scene.clock.advance(BOUND - 10.0)
    scene.read.let_go.clear()
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    scene.clock.advance(1_000.0)
    scene.read.let_go.set()
    await proving_it
    assert scene.ledger.latest_allocation(FIRST) is None
    assert scene.ledger.latest_allocation(FIRST + 1) is not None


async def test_an_allocation_made_anew_meanwhile_is_kept() -> None:
    scene = Scene(7)
    scene.progress.reached(6)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    scene.ledger.allocate(FIRST, PARTY, scene.clock.now())
    scene.progress.reached(7)
    await proving_it
    assert scene.ledger.latest_allocation(FIRST) is not None


async def test_a_clock_that_stands_still_ends_nothing_early_and_what_is_due_on_time() -> None:
    scene = Scene(7, 7)
    scene.progress.reached(7)
    for _ in range(3):
        await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 1
    scene.clock.advance(BOUND)
    await scene.read_barrier.prove_if_due()
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0
    assert scene.read.answers == [7], "asked once"


@pytest.mark.parametrize("error", [ClusterUnavailableError("no connection"), RefusedError("forbidden")])
async def test_an_api_server_that_does_not_say_how_far_it_is_changes_nothing(error: OutsideError) -> None:
    scene = Scene(error, 7)
    scene.progress.reached(7)
    scene.clock.advance(BOUND)
    with pytest.raises(type(error)):
        await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 1
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0


@pytest.mark.parametrize("order", list(permutations(KINDS)), ids="-".join)
async def test_every_kind_has_to_be_proven_whichever_is_the_slowest(order: tuple[str, ...]) -> None:
    scene = Scene()
    kinds = {kind: (ViewProgress(), ScriptedRead([version])) for kind, version in KINDS.items()}
    followed = [FollowedKind(kind, *each, scene.relist) for kind, each in kinds.items()]
    read_barrier = ReadBarrier(scene.ledger, lambda: followed, scene.clock)
    scene.clock.advance(BOUND)
    proving_it = await _begun(read_barrier.prove_if_due())
    for kind in order:
        for version in (KINDS[kind] - 1, KINDS[kind] + 1):
            assert scene.ledger.in_flight_count == 1
            kinds[kind][0].reached(version)
            await _turns()
    await proving_it
    assert scene.ledger.in_flight_count == 0
    assert scene.ledger.sighted == KINDS


@pytest.mark.parametrize("slowest", KINDS)
async def test_how_far_the_cluster_is_must_be_known_of_every_kind_before_anything_ends(slowest: str) -> None:
    scene = Scene()
    reads = {kind: ScriptedRead([version]) for kind, version in KINDS.items()}
    reads[slowest].let_go.clear()
    followed = [FollowedKind(kind, ViewProgress(), read, scene.relist) for kind, read in reads.items()]
    read_barrier = ReadBarrier(scene.ledger, lambda: followed, scene.clock)
    scene.clock.advance(BOUND)
    proving_it = await _begun(read_barrier.prove_if_due())
    for each in followed:
        each.progress.reached(100)
    assert scene.ledger.in_flight_count == 1
    reads[slowest].let_go.set()
    await proving_it
    assert scene.ledger.sighted == KINDS


async def test_nobody_is_left_waiting_for_one_kind_when_another_cannot_be_read() -> None:
    """The proof is tried again each second, so they would become more and more."""
    scene = Scene()
    lagging = FollowedKind("Pod", ViewProgress(), ScriptedRead([7] * 10), scene.relist)
    silent = ScriptedRead([ClusterUnavailableError("no answer")] * 10)
    unreadable = FollowedKind("VirtualMachine", ViewProgress(), silent, scene.relist)
    read_barrier = ReadBarrier(scene.ledger, lambda: [lagging, unreadable], scene.clock)
    scene.clock.advance(BOUND)
    for _ in range(10):
        with pytest.raises(ClusterUnavailableError):
            await read_barrier.prove_if_due()
    assert len(asyncio.all_tasks()) == 1


async def test_a_kind_that_is_removed_while_it_is_proven_is_not_waited_for() -> None:
    """It would be for ever, and nothing would end any more."""
    scene = Scene(7, 8)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    scene.progress.begin_anew()
    with pytest.raises(NotFoundError):
        await proving_it
    assert scene.ledger.in_flight_count == 1
    scene.progress.reached(8)
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0


async def test_of_a_kind_that_nobody_touches_a_successor_need_not_see_more_than_its_last_change() -> None:
    scene = Scene(70)
    scene.progress.reached(7)
    scene.progress.idle()
    scene.progress.reached(70)
    scene.clock.advance(BOUND)
    await scene.read_barrier.prove_if_due()
    assert (scene.ledger.in_flight_count, scene.ledger.sighted) == (0, {"Pod": 7})


async def test_a_cluster_restored_from_a_backup_ends_the_wait_and_proves_nothing() -> None:
    scene = Scene(7, 4)
    scene.progress.reached(6)
    scene.clock.advance(BOUND)
    proving_it = await _begun(scene.read_barrier.prove_if_due())
    scene.progress.reached(3)
    with pytest.raises(ClusterUnavailableError, match="resourceVersion fell from 6 to 3"):
        await proving_it
    assert scene.ledger.in_flight_count == 1
    scene.progress.reached(4)
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0


async def test_a_view_of_a_future_that_was_lost_proves_nothing() -> None:
    """Its watch is silent, and what exists may never have been seen."""
    scene = Scene(7, 9)
    scene.progress.reached(8)
    scene.clock.advance(BOUND)
    with pytest.raises(ClusterUnavailableError, match="Pod: resourceVersion fell from 8 to 7"):
        await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 1
    scene.progress.reached(9)
    await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 0


async def test_a_watch_that_brings_nothing_is_waited_for_only_so_long_and_a_list_proves_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(read_barrier, "BARRIER_SECONDS", 0.01)
    scene = Scene(7)
    scene.progress.reached(6)
    scene.let_list.set()
    scene.clock.advance(BOUND)
    await scene.read_barrier.prove_if_due()
    assert (scene.relists, scene.ledger.in_flight_count) == (1, 0)


async def test_a_list_that_does_not_come_either_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_barrier, "BARRIER_SECONDS", 0.01)
    monkeypatch.setattr(read_barrier, "LIST_SECONDS", 0.01)
    scene = Scene(7)
    scene.progress.reached(6)
    scene.clock.advance(BOUND)
    with pytest.raises(ClusterUnavailableError, match=r"^no list of Pod within 0\.01 s$"):
        await scene.read_barrier.prove_if_due()
    assert scene.ledger.in_flight_count == 1


async def test_it_goes_on_after_errors_and_says_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_barrier, "PAUSE", 0.001)
    scene = Scene(ClusterUnavailableError("no connection"), ClusterUnavailableError("no connection"), 7)
    scene.progress.reached(7)
    scene.clock.advance(BOUND)
    with capture_logs() as logs:
        running = asyncio.create_task(scene.read_barrier.run())
        async with asyncio.timeout(5.0):
            while scene.ledger.in_flight_count:  # noqa: ASYNC110 (the prover has no event to tell a test)
                await asyncio.sleep(0.001)
        running.cancel()
    assert [(line["log_level"], line.get("error")) for line in logs] == [
        ("warning", "no connection"),
        ("warning", "no connection"),
        ("debug", None),
    ]


async def test_while_nobody_asks_for_an_address_the_figures_of_cooling_ones_go_down_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(read_barrier, "PAUSE", 0.001)
    scene = Scene()
    scene.ledger.pass_barrier(scene.clock.now() + BOUND)
    key = ObjectKey("Pod", "default", "a")
    scene.ledger.observe(Holder(key, "u1", PARTY, (FIRST,)), scene.clock.now())
    scene.ledger.vanish(key, scene.clock.now())
    scene.clock.advance(BOUND)
    assert scene.ledger.free_count == scene.ledger.pool.size - 1
    running = asyncio.create_task(scene.read_barrier.run())
    await asyncio.sleep(0.01)
    assert scene.ledger.free_count == scene.ledger.pool.size
    running.cancel()
