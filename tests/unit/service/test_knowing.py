"""What a replica knows of the Lease."""

import pytest
from tests.unit.service.doubles import BOUND, ManualClock
from tests.unit.service.electing.candidates import HELD

from kubemacpool.service.knowing import Knowledge


def test_a_lease_that_is_read_as_it_was_is_no_earlier_one_and_no_news() -> None:
    subject = Knowledge("ours", BOUND, ManualClock())
    known = HELD._replace(resource_version="7")
    subject.note(known)
    read = [known._replace(resource_version=version) for version in ("6", "7", "8")]
    assert [subject.is_rewound(each) for each in read] == [True, False, False]
    assert [subject.is_news(each) for each in read] == [False, False, True]


@pytest.mark.parametrize("holder_may_return", [None, False, True])
def test_what_was_lost_is_waited_for_unless_its_holder_has_come_back(*, holder_may_return: bool | None) -> None:
    clock = ManualClock()
    subject = Knowledge("ours", BOUND, clock)
    subject.note(HELD._replace(resource_version="7"))
    how = {} if holder_may_return is None else {"holder_may_return": holder_may_return}
    assert subject.lose("it does not exist", clock.now(), **how)
    assert not subject.lose("it does not exist", clock.now(), **how), "it was lost already"
    clock.advance(1.0)
    subject.note(HELD._replace(resource_version="8"))
    assert (subject.lost_left > 0) is (not holder_may_return)
