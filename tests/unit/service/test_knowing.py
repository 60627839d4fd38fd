"""What a replica knows of the Lease."""

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
