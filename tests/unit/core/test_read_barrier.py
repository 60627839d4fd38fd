"""What a successor must have seen after something unseen has ended (rules 3 and 5)."""

import pytest
from tests.unit.core.subjects import BOUND, at, holder, ledger, pod


@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_successor_must_have_seen_as_much_as_the_proof_by_which_an_address_left(*, in_doubt: bool) -> None:
    """Its object may have come and gone between two lists; who sees it come later must not take it for a new one."""
    subject = ledger()
    if in_doubt:
        subject.inherit([at(1)], 10.0)
    else:
        subject.allocate(at(1), pod("web"), 10.0)
    subject.pass_barrier(10.0 + BOUND, {"Pod": 7})
    assert subject.sighted == {"Pod": 7}


def test_a_proof_that_ends_nothing_asks_nothing_of_a_successor() -> None:
    """Its view would have to wait for something that does not matter."""
    subject = ledger()
    subject.allocate(at(1), pod("web"), 10.0)
    subject.pass_barrier(10.0 + BOUND - 0.001, {"Pod": 7})
    assert subject.sighted == {}


def test_a_proof_that_is_older_than_a_sighting_takes_nothing_back() -> None:
    """What a successor must have seen only grows."""
    subject = ledger()
    subject.allocate(at(1), pod("web"), 10.0)
    subject.observe(holder("db", 2), 20.0, 9)
    subject.pass_barrier(10.0 + BOUND, {"Pod": 7})
    assert subject.sighted == {"Pod": 9}


def test_after_a_restore_from_a_backup_a_successor_need_not_have_seen_what_was_lost() -> None:
    subject = ledger()
    subject.observe(holder("db", 2), 20.0, 9)
    subject.rewind("Pod", 12)
    assert subject.sighted == {"Pod": 9}
    subject.rewind("Pod", 5)
    subject.rewind("VirtualMachine", 5)
    assert subject.sighted == {"Pod": 5}
