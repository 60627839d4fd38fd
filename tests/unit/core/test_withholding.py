"""Objects that exist and are not in the books: nobody is given what they carry."""

import pytest
from tests.unit.doubles import BOUND, FIRST, new_ledger

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party

A = ObjectKey("Pod", "ns", "a")
B = ObjectKey("Pod", "ns", "b")
VM = ObjectKey("VirtualMachine", "ns", "vm")


def _holder(key: ObjectKey, *addresses: int) -> Holder:
    return Holder(key, f"uid-{key.name}", Party(*key), addresses)


def _parties(ledger: Ledger, address: int) -> list[str]:
    return [str(holder.party) for holder in ledger.holders_of(address)]


def test_what_an_object_claims_that_is_not_in_the_books_is_nobody_elses() -> None:
    ledger = new_ledger()
    ledger.withhold(A, "u", (), (FIRST, FIRST + 1), 0.0)
    assert _parties(ledger, FIRST) == _parties(ledger, FIRST + 1) == ["Pod ns/a"]
    assert not ledger.is_free(FIRST)
    assert ledger.next_free(0) == 2
    assert ledger.held_count == 2
    assert ledger.known(A) == (FIRST, FIRST + 1)
    assert ledger.holder(A) is None


def test_what_it_had_stays_its_own_and_what_it_claims_is_what_it_claims_last() -> None:
    ledger = new_ledger()
    ledger.withhold(A, "u", (FIRST,), (FIRST + 1,), 0.0)
    ledger.withhold(A, "u", ledger.known(A), (FIRST + 2,), 0.0)
    assert [len(_parties(ledger, FIRST + number)) for number in range(4)] == [1, 0, 1, 0]
    assert ledger.cooling_count == 1


def test_several_objects_may_be_left_out_that_carry_one_address() -> None:
    ledger = new_ledger()
    for each in (A, B):
        ledger.withhold(each, f"uid-{each.name}", (), (FIRST,), 0.0)
    assert _parties(ledger, FIRST) == ["Pod ns/a", "Pod ns/b"]
    ledger.vanish(A, 1.0)
    assert _parties(ledger, FIRST) == ["Pod ns/b"]
    assert not ledger.is_free(FIRST)
    assert ledger.cooling_count == 0


def test_another_object_of_the_name_has_its_own_history() -> None:
    ledger = new_ledger()
    ledger.withhold(A, "u", (FIRST,), (), 0.0)
    ledger.withhold(A, "later", (), (FIRST + 1,), 0.0)
    assert [len(_parties(ledger, FIRST + number)) for number in range(2)] == [0, 1]


def test_when_it_is_gone_its_addresses_cool_down() -> None:
    ledger = new_ledger()
    ledger.withhold(A, "u", (), (FIRST,), 0.0)
    ledger.vanish(A, 10.0)
    assert _parties(ledger, FIRST) == []
    assert ledger.cooling_count == 1
    ledger.end_cooling(10.0 + BOUND)
    assert ledger.is_free(FIRST)


def test_when_it_is_taken_in_after_all_it_is_in_the_books_alone() -> None:
    ledger = new_ledger()
    ledger.withhold(A, "u", (FIRST,), (), 0.0)
    ledger.observe(_holder(A, FIRST + 1), 0.0)
    assert _parties(ledger, FIRST) == []
    assert _parties(ledger, FIRST + 1) == ["Pod ns/a"]
    assert not ledger._withheld
    assert list(ledger._withheld) == []


def test_what_others_have_too_does_not_cool_down() -> None:
    ledger = new_ledger()
    ledger.observe(_holder(B, FIRST), 0.0)
    ledger.withhold(A, "u", (), (FIRST,), 0.0)
    ledger.withhold(VM, "u", (), (FIRST + 1,), 0.0)
    ledger.withhold(ObjectKey("Pod", "ns", "c"), "u", (), (FIRST + 1,), 0.0)
    assert ledger.held_count == 2
    ledger.vanish(A, 0.0)
    ledger.vanish(VM, 0.0)
    assert ledger.cooling_count == 0
    assert _parties(ledger, FIRST) == ["Pod ns/b"]
    assert _parties(ledger, FIRST + 1) == ["Pod ns/c"]


def test_without_a_cool_down_it_is_free_at_once() -> None:
    ledger = new_ledger(cool_down=0.0)
    ledger.withhold(A, "u", (), (FIRST,), 0.0)
    ledger.vanish(A, 0.0)
    assert ledger.is_free(FIRST)


@pytest.mark.parametrize("inherited", [True, False])
def test_what_a_machine_leaves_may_be_on_its_way_to_it_after_an_acquisition(*, inherited: bool) -> None:
    ledger = new_ledger()
    if inherited:
        ledger.inherit([FIRST + 5], 0.0)
    ledger.withhold(VM, "u", (), (FIRST,), 0.0)
    ledger.vanish(VM, 1.0)
    if not inherited:
        ledger.inherit([FIRST + 5], 2.0)
    allocation = ledger.latest_allocation(FIRST)
    assert allocation is not None
    assert allocation.party == Party(*VM)


def test_begun_anew_nothing_is_in_the_books_and_nothing_is_given_away() -> None:
    ledger = new_ledger()
    ledger.observe(_holder(A, FIRST), 0.0)
    ledger.observe(_holder(B, FIRST), 0.0)
    ledger.withhold(VM, "u", (), (FIRST + 1,), 0.0)
    ledger.allocate(FIRST + 2, Party(*B), 0.0)
    assert list(ledger.collisions()) == [FIRST]
    ledger.begin_anew()
    assert list(ledger.holders()) == []
    assert list(ledger.collisions()) == []
    assert sorted(_parties(ledger, FIRST)) == ["Pod ns/a", "Pod ns/b"]
    assert _parties(ledger, FIRST + 1) == ["VirtualMachine ns/vm"]
    assert ledger.latest_allocation(FIRST + 2) is not None
    assert ledger.next_free(0) == 3
    ledger.begin_anew()
    assert sorted(_parties(ledger, FIRST)) == ["Pod ns/a", "Pod ns/b"]


def test_what_is_told_again_is_as_it_was_and_what_is_told_as_gone_cools_down() -> None:
    ledger = new_ledger()
    for key, address in ((A, FIRST), (B, FIRST + 1), (VM, FIRST + 2)):
        ledger.observe(_holder(key, address), 0.0)
    ledger.begin_anew()
    ledger.observe(_holder(A, FIRST), 0.0)
    ledger.vanish(B, 0.0)
    assert [holder.key for holder in ledger.holders()] == [A]
    assert ledger.cooling_count == 1
    assert _parties(ledger, FIRST + 2) == ["VirtualMachine ns/vm"], "it exists, though nobody can read it now"


def test_what_is_left_out_claims_the_same_when_everything_is_told_anew_though_it_was_in_the_books() -> None:
    ledger = new_ledger()
    ledger.observe(_holder(A, FIRST), 0.0)
    ledger.withhold(A, "uid-a", (FIRST,), (FIRST + 1,), 0.0)
    ledger.begin_anew()
    assert [_parties(ledger, FIRST + number) for number in range(2)] == [["Pod ns/a"], ["Pod ns/a"]]
    ledger.vanish(A, 1.0)
    assert ledger.held_count == 0
