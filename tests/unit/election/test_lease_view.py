"""What a replica knows of the Lease."""

import pytest
from tests.unit.doubles import BOUND, ManualClock
from tests.unit.election.candidates import HELD

from kubemacpool.election.lease_view import LeaseView
from kubemacpool.election.timing import LEASE_SECONDS


def test_a_lease_that_is_read_as_it_was_is_no_earlier_one_and_no_news() -> None:
    subject = LeaseView("ours", BOUND, ManualClock())
    known = HELD._replace(resource_version="7")
    subject.note(known)
    read = [known._replace(resource_version=version) for version in ("6", "7", "8")]
    assert [subject.is_rewound(each) for each in read] == [True, False, False]
    assert [subject.is_news(each) for each in read] == [False, False, True]


@pytest.mark.parametrize("holder_may_return", [None, False, True])
def test_what_was_lost_is_waited_for_unless_its_holder_has_come_back(*, holder_may_return: bool | None) -> None:
    clock = ManualClock()
    subject = LeaseView("ours", BOUND, clock)
    subject.note(HELD._replace(resource_version="7"))
    how = {} if holder_may_return is None else {"holder_may_return": holder_may_return}
    assert subject.lose("it does not exist", clock.now(), **how)
    assert not subject.lose("it does not exist", clock.now(), **how), "it was lost already"
    clock.advance(1.0)
    subject.note(HELD._replace(resource_version="8"))
    assert (subject.lost_left > 0) is (not holder_may_return)


def _knowledge() -> LeaseView:
    """Of a replica whose clock has just begun."""
    clock = ManualClock()
    clock.time = 0.0
    return LeaseView("ours", BOUND, clock)


@pytest.mark.parametrize("begun", ["started", "held again", "taken over"])
def test_what_was_not_lost_is_not_waited_for_be_the_clock_as_young_as_it_may(begun: str) -> None:
    subject = _knowledge()
    if begun != "started":
        subject.lose("it is silent", 0.0, holder_may_return=True)
        assert subject.lost_left == BOUND
    if begun == "held again":
        subject.note(HELD._replace(resource_version="8"))
    elif begun == "taken over":
        subject.acquire()
    assert subject.lost_left == 0.0


@pytest.mark.parametrize(("transitions", "known"), [(0, False), (1, True)], ids=["nobody yet", "the first holder"])
def test_what_was_allocated_is_known_again_from_a_lease_that_somebody_has_held(
    transitions: int, *, known: bool
) -> None:
    """Be it the first Lease that this replica sees."""
    subject = _knowledge()
    subject.lose("it does not exist", 0.0)
    subject.note(HELD._replace(resource_version="8", transitions=transitions))
    assert (subject.lost_since is None) is known


@pytest.mark.parametrize(("holder", "ended"), [("other", True), ("ours", False), ("", False)])
def test_who_had_handed_the_lease_over_did_not_end_by_losing_it(holder: str, *, ended: bool) -> None:
    subject = _knowledge()
    subject.note(HELD._replace(resource_version="7", holder=holder))
    assert subject.is_end_of_another(HELD._replace(resource_version="8", holder="third", transitions=4)) is ended


def test_nobody_is_asked_from_the_moment_at_which_the_lease_is_over() -> None:
    clock = ManualClock()
    subject = LeaseView("ours", BOUND, clock)
    subject.note(HELD._replace(resource_version="7", duration=int(LEASE_SECONDS)))
    assert subject.others_endpoint == HELD.endpoint
    clock.advance(LEASE_SECONDS)
    assert subject.others_left == 0
    assert subject.others_endpoint is None
