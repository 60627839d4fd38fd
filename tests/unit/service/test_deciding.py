import pytest
from tests.unit.service.doubles import FIRST, ManualClock, new_decider

from kubemacpool.core.decisions import AddressRequest, Granted
from kubemacpool.core.parties import Party
from kubemacpool.ports.deciding import NotDecidingError
from kubemacpool.service.deciding import LocalDecider
from kubemacpool.service.readiness import Readiness

REQUEST = AddressRequest(Party("Pod", "default", "a"), (None,))


async def test_before_it_has_a_ledger_it_does_not_decide() -> None:
    decider = LocalDecider(Readiness(), ManualClock())
    with pytest.raises(NotDecidingError, match=r"^it has just started$"):
        await decider.decide(REQUEST)


async def test_while_something_is_missing_it_does_not_decide_and_grants_nothing() -> None:
    readiness, core = Readiness(), new_decider()
    decider = LocalDecider(readiness, ManualClock())
    readiness.hinder("range", "no range")
    readiness.hinder("pods", "no pods")
    decider.start(core)
    with pytest.raises(NotDecidingError, match=r"^no range; no pods$"):
        await decider.decide(REQUEST)
    assert core.ledger.pending_count == 0


async def test_once_nothing_is_missing_it_decides_by_the_clock_given() -> None:
    readiness, core, clock = Readiness(), new_decider(), ManualClock()
    decider = LocalDecider(readiness, clock)
    readiness.hinder("pods", "no pods")
    decider.start(core)
    readiness.clear("pods")
    clock.advance(5.0)
    assert await decider.decide(REQUEST) == Granted((FIRST,))
    grant = core.ledger.pending(FIRST)
    assert grant is not None
    assert grant.granted_at == clock.now()


async def test_it_stops_deciding_when_something_is_missing_again() -> None:
    readiness = Readiness()
    decider = LocalDecider(readiness, ManualClock())
    decider.start(new_decider())
    await decider.decide(REQUEST)
    readiness.hinder("pods", "the view was lost")
    with pytest.raises(NotDecidingError, match="the view was lost"):
        await decider.decide(REQUEST)


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
