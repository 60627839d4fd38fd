import asyncio

import pytest
from tests.unit.doubles import FIRST, ManualClock, ReservingAtOnce, need, new_allocator

from kubemacpool.admission.allocation import MOST_RESERVATIONS, AddressAllocation, Resolution
from kubemacpool.core.budgets import COMMON, SHARE
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Allocated, Decision, Limit, OverLimit, Refused, Unreserved
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import RetryLaterError

ELSEWHERE = 0x0A_00_00_00_00_01
A, B = Party("Pod", "default", "a"), Party("Pod", "default", "b")


class Scene:
    """A leader whose Lease is ours."""

    def __init__(self, size: int = 10) -> None:
        self.core = new_allocator(size)
        self.clock = ManualClock()
        self.reserving = ReservingAtOnce(self.core)
        self.allocation = AddressAllocation(self.core, self.reserving, lambda _: None, self.clock)

    async def decide(self, *wanted: int | None, party: Party = A, dry_run: bool = False) -> Decision:
        """One request."""
        request = AddressRequest(party, wanted, dry_run=dry_run)
        return (await self.allocation.allocate(request, Resolution.REFUSE)).decision


async def test_while_another_replica_leads_nothing_is_allocated() -> None:
    scene = Scene()
    scene.reserving.obstacle = "another replica leads"
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        await scene.decide(None)
    assert scene.core.ledger.in_flight_count == 0
    assert scene.reserving.reserved == []


async def test_an_address_of_the_users_choice_is_named_before_it_is_allocated_at_the_time_of_the_allocation() -> None:
    scene = Scene()
    scene.clock.advance(5.0)
    assert await scene.decide(ELSEWHERE) == Allocated((ELSEWHERE,))
    assert scene.reserving.reserved == [((ELSEWHERE,), 0)]
    allocation = scene.core.ledger.latest_allocation(ELSEWHERE)
    assert allocation is not None
    assert allocation.allocated_at == scene.clock.now()


async def test_an_allocation_counts_from_when_it_was_made_however_long_its_naming_took() -> None:
    """From an earlier moment its bound would end before its admission must have."""
    scene = Scene()

    async def slowly(unreserved: Unreserved) -> None:
        await ReservingAtOnce.reserve(scene.reserving, unreserved)
        scene.clock.advance(4.0)

    scene.reserving.reserve = slowly  # type: ignore[method-assign]  # the API server takes its time
    asked_at = scene.clock.now()
    assert await scene.decide(ELSEWHERE) == Allocated((ELSEWHERE,))
    allocation = scene.core.ledger.latest_allocation(ELSEWHERE)
    assert allocation is not None
    assert allocation.allocated_at == asked_at + 4.0


async def test_what_is_set_aside_already_is_allocated_without_a_write() -> None:
    scene = Scene(size=64)
    await scene.reserving.reserve(need((), 2))
    scene.reserving.reserved.clear()
    assert await scene.decide(None) == Allocated((FIRST,))
    assert scene.reserving.reserved == []


async def test_that_the_block_is_nearly_used_up_is_told_with_the_allocation() -> None:
    scene = Scene(size=64)
    await scene.reserving.reserve(need((), 4))
    for name, told in (("a", 0), ("b", 0), ("c", 1)):
        await scene.decide(None, party=Party("Pod", "default", name))
        assert scene.reserving.extensions == told


async def test_a_dry_run_has_nothing_named() -> None:
    scene = Scene()
    assert await scene.decide(ELSEWHERE, None, dry_run=True) == Allocated((ELSEWHERE, FIRST))
    assert scene.reserving.reserved == []
    assert scene.core.ledger.in_flight_count == 0


async def test_a_replica_that_stops_leading_while_an_address_is_named_allocations_nothing() -> None:
    scene = Scene()

    async def lost(unreserved: Unreserved) -> None:
        await ReservingAtOnce.reserve(scene.reserving, unreserved)
        scene.reserving.obstacle = "another replica leads"

    scene.reserving.reserve = lost  # type: ignore[method-assign]  # it is lost meanwhile
    with pytest.raises(RetryLaterError, match="another replica leads"):
        await scene.decide(ELSEWHERE)
    assert scene.core.ledger.in_flight_count == 0


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_namespace_with_too_much_on_its_way_is_told_how_much_and_what_the_limit_is(*, dry_run: bool) -> None:
    scene = Scene(size=5_000)
    for number in range(SHARE):
        scene.core.ledger.allocate(ELSEWHERE + number, B, 0.0)
    with pytest.raises(RetryLaterError) as told:
        await scene.decide(None, None, dry_run=dry_run)
    assert str(told.value).startswith(
        "1250 addresses are on their way to namespace default, and this object needs 2 more; the limit of a namespace "
        "is 1250; an address is on its way until its object has been seen"
    )
    assert scene.reserving.reserved == []


async def test_who_comes_when_all_namespaces_have_too_much_on_its_way_is_told_who_is_served_still() -> None:
    scene = Scene(size=5_000)
    for number in range(COMMON):
        scene.core.ledger.allocate(ELSEWHERE + number, Party("Pod", f"ns-{number % 9}", "a"), 0.0)
    with pytest.raises(RetryLaterError, match=r"^7500 addresses are on their way to the cluster, and this") as told:
        await scene.decide(ELSEWHERE - 1)
    assert "object in namespace default needs 1 more; the limit is 7500, beyond which only objects" in str(told.value)
    assert isinstance(await scene.decide(None), Allocated)


async def test_everything_is_asked_again_after_naming_so_of_two_who_want_one_address_one_is_refused() -> None:
    scene = Scene()
    first, second = await asyncio.gather(scene.decide(ELSEWHERE, party=A), scene.decide(ELSEWHERE, party=B))
    assert first == Allocated((ELSEWHERE,))
    assert isinstance(second, Refused)
    assert len(scene.reserving.reserved) == 2


async def test_who_loses_what_was_named_for_it_again_and_again_is_asked_to_come_later() -> None:
    scene = Scene()
    count = 0

    async def in_vain(unreserved: Unreserved) -> None:  # noqa: ARG001 (as the port has it)
        nonlocal count
        count += 1

    scene.reserving.reserve = in_vain  # type: ignore[method-assign]  # others take what it names
    with pytest.raises(RetryLaterError, match=r"^too many ask for the same addresses at once$"):
        await scene.decide(ELSEWHERE)
    assert count == MOST_RESERVATIONS


@pytest.mark.parametrize(
    ("in_doubt", "wanted", "what"),
    [
        ((ELSEWHERE,), (ELSEWHERE,), "may have allocated 0a:00:00:00:00:01 just before it ended"),
        (
            (FIRST, ELSEWHERE),
            (ELSEWHERE, FIRST),
            "may have allocated 0a:00:00:00:00:01, 02:00:00:00:00:01 just before it ended",
        ),
        ((FIRST, FIRST + 1), (None,), "may have allocated every address that may be free just before it ended"),
    ],
    ids=["an address of the user's choice", "two of them", "all that is free"],
)
async def test_what_an_earlier_leader_may_have_allocated_is_to_be_asked_for_later(
    in_doubt: tuple[int, ...], wanted: tuple[int | None, ...], what: str
) -> None:
    scene = Scene(size=2)
    scene.core.acquire(in_doubt, None, scene.clock.now())
    with pytest.raises(RetryLaterError, match=what):
        await scene.decide(*wanted)
    assert scene.core.ledger.in_flight_count == 0


def test_an_obstacle_told_again_replaces_its_sentence_and_keeps_its_place() -> None:
    readiness = Readiness()
    assert list(readiness.obstacles) == []
    readiness.hinder("a", "first")
    readiness.hinder("b", "second")
    readiness.hinder("a", "third")
    assert list(readiness.obstacles) == ["third", "second"]
    readiness.clear("a")
    readiness.clear("never there")
    assert list(readiness.obstacles) == ["second"]


async def test_the_limit_is_that_of_the_namespace_of_the_party() -> None:
    scene = Scene()
    none = Limit(0, "by a label")
    scene.allocation = AddressAllocation(
        scene.core, scene.reserving, lambda namespace: none if namespace == A.namespace else None, scene.clock
    )
    decision = await scene.decide(None)
    assert isinstance(decision, OverLimit)
    assert decision.limit == none
    assert isinstance(await scene.decide(None, party=A._replace(namespace="elsewhere")), Allocated)
