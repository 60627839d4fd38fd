import asyncio

import pytest
from tests.unit.doubles import FIRST, ManualClock, NamingAtOnce, need, new_decider

from kubemacpool.admission.allocation import ATTEMPTS, LocalDecider
from kubemacpool.core.budgets import COMMON, SHARE
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Decision, Granted, Limit, OverLimit, Refused, Unnamed
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import NotDecidingError

ELSEWHERE = 0x0A_00_00_00_00_01
A, B = Party("Pod", "default", "a"), Party("Pod", "default", "b")


class Scene:
    """A decider whose Lease is ours."""

    def __init__(self, size: int = 10) -> None:
        self.core = new_decider(size)
        self.clock = ManualClock()
        self.naming = NamingAtOnce(self.core)
        self.decider = LocalDecider(self.core, self.naming, lambda _: None, self.clock)

    async def decide(self, *wanted: int | None, party: Party = A, dry_run: bool = False) -> Decision:
        """One request."""
        return await self.decider.decide(AddressRequest(party, wanted, dry_run=dry_run))


async def test_while_another_replica_decides_nothing_is_granted() -> None:
    scene = Scene()
    scene.naming.obstacle = "another replica decides"
    with pytest.raises(NotDecidingError, match=r"^another replica decides$"):
        await scene.decide(None)
    assert scene.core.ledger.pending_count == 0
    assert scene.naming.named == []


async def test_an_address_of_the_users_choice_is_named_before_it_is_granted_at_the_time_of_the_grant() -> None:
    scene = Scene()
    scene.clock.advance(5.0)
    assert await scene.decide(ELSEWHERE) == Granted((ELSEWHERE,))
    assert scene.naming.named == [((ELSEWHERE,), 0)]
    grant = scene.core.ledger.pending(ELSEWHERE)
    assert grant is not None
    assert grant.granted_at == scene.clock.now()


async def test_a_grant_counts_from_when_it_was_made_however_long_its_naming_took() -> None:
    """From an earlier moment its bound would end before its admission must have."""
    scene = Scene()

    async def slowly(unnamed: Unnamed) -> None:
        await NamingAtOnce.name(scene.naming, unnamed)
        scene.clock.advance(4.0)

    scene.naming.name = slowly  # type: ignore[method-assign]  # the API server takes its time
    asked_at = scene.clock.now()
    assert await scene.decide(ELSEWHERE) == Granted((ELSEWHERE,))
    grant = scene.core.ledger.pending(ELSEWHERE)
    assert grant is not None
    assert grant.granted_at == asked_at + 4.0


async def test_what_is_set_aside_already_is_granted_without_a_write() -> None:
    scene = Scene(size=64)
    await scene.naming.name(need((), 2))
    scene.naming.named.clear()
    assert await scene.decide(None) == Granted((FIRST,))
    assert scene.naming.named == []


async def test_that_the_stretch_is_nearly_used_up_is_told_with_the_grant() -> None:
    scene = Scene(size=64)
    await scene.naming.name(need((), 4))
    for name, told in (("a", 0), ("b", 0), ("c", 1)):
        await scene.decide(None, party=Party("Pod", "default", name))
        assert scene.naming.extensions == told


async def test_a_dry_run_has_nothing_named() -> None:
    scene = Scene()
    assert await scene.decide(ELSEWHERE, None, dry_run=True) == Granted((ELSEWHERE, FIRST))
    assert scene.naming.named == []
    assert scene.core.ledger.pending_count == 0


async def test_a_replica_that_stops_deciding_while_an_address_is_named_grants_nothing() -> None:
    scene = Scene()

    async def lost(unnamed: Unnamed) -> None:
        await NamingAtOnce.name(scene.naming, unnamed)
        scene.naming.obstacle = "another replica decides"

    scene.naming.name = lost  # type: ignore[method-assign]  # it is lost meanwhile
    with pytest.raises(NotDecidingError, match="another replica decides"):
        await scene.decide(ELSEWHERE)
    assert scene.core.ledger.pending_count == 0


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_namespace_with_too_much_on_its_way_is_told_how_much_and_what_the_limit_is(*, dry_run: bool) -> None:
    scene = Scene(size=5_000)
    for number in range(SHARE):
        scene.core.ledger.grant(ELSEWHERE + number, B, 0.0)
    with pytest.raises(NotDecidingError) as told:
        await scene.decide(None, None, dry_run=dry_run)
    assert str(told.value).startswith(
        "1250 addresses are on their way to namespace default, and this object needs 2 more; the limit of a namespace "
        "is 1250; an address is on its way until its object has been seen"
    )
    assert scene.naming.named == []


async def test_who_comes_when_all_namespaces_have_too_much_on_its_way_is_told_who_is_served_still() -> None:
    scene = Scene(size=5_000)
    for number in range(COMMON):
        scene.core.ledger.grant(ELSEWHERE + number, Party("Pod", f"ns-{number % 9}", "a"), 0.0)
    with pytest.raises(NotDecidingError, match=r"^7500 addresses are on their way to the cluster, and this") as told:
        await scene.decide(ELSEWHERE - 1)
    assert "object in namespace default needs 1 more; the limit is 7500, beyond which only objects" in str(told.value)
    assert isinstance(await scene.decide(None), Granted)


async def test_everything_is_asked_again_after_naming_so_of_two_who_want_one_address_one_is_refused() -> None:
    scene = Scene()
    first, second = await asyncio.gather(scene.decide(ELSEWHERE, party=A), scene.decide(ELSEWHERE, party=B))
    assert first == Granted((ELSEWHERE,))
    assert isinstance(second, Refused)
    assert len(scene.naming.named) == 2


async def test_who_loses_what_was_named_for_it_again_and_again_is_asked_to_come_later() -> None:
    scene = Scene()
    count = 0

    async def in_vain(unnamed: Unnamed) -> None:  # noqa: ARG001 (as the port has it)
        nonlocal count
        count += 1

    scene.naming.name = in_vain  # type: ignore[method-assign]  # others take what it names
    with pytest.raises(NotDecidingError, match=r"^too many ask for the same addresses at once$"):
        await scene.decide(ELSEWHERE)
    assert count == ATTEMPTS


@pytest.mark.parametrize(
    ("suspects", "wanted", "what"),
    [
        ((ELSEWHERE,), (ELSEWHERE,), "may have granted 0a:00:00:00:00:01 just before it ended"),
        (
            (FIRST, ELSEWHERE),
            (ELSEWHERE, FIRST),
            "may have granted 0a:00:00:00:00:01, 02:00:00:00:00:01 just before it ended",
        ),
        ((FIRST, FIRST + 1), (None,), "may have granted every address that may be free just before it ended"),
    ],
    ids=["an address of the user's choice", "two of them", "all that is free"],
)
async def test_what_an_earlier_decider_may_have_granted_is_to_be_asked_for_later(
    suspects: tuple[int, ...], wanted: tuple[int | None, ...], what: str
) -> None:
    scene = Scene(size=2)
    scene.core.take_over(suspects, None, scene.clock.now())
    with pytest.raises(NotDecidingError, match=what):
        await scene.decide(*wanted)
    assert scene.core.ledger.pending_count == 0


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
    scene.decider = LocalDecider(
        scene.core, scene.naming, lambda namespace: none if namespace == A.namespace else None, scene.clock
    )
    decision = await scene.decide(None)
    assert isinstance(decision, OverLimit)
    assert decision.limit == none
    assert isinstance(await scene.decide(None, party=A._replace(namespace="elsewhere")), Granted)
