"""What may be in flight: a share for each namespace, and a part that is left for those with little."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster
from tests.unit.core.machines import machine as a_machine
from tests.unit.core.subjects import BOUND, at, decide, everything, in_office, ledger, write

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.budgets import COMMON, LITTLE, MOST_RESERVED, SHARE
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated, OverBudget, Unreserved

ELSEWHERE = 100_000


def pod_of(namespace: str, name: str = "web") -> Party:
    return Party("Pod", namespace, name)


def busy(**in_flight: int) -> Allocator:
    """One with so many addresses in flight to pods of each namespace."""
    subject = in_office(ledger(200_000))
    number = ELSEWHERE
    for namespace, count in in_flight.items():
        for each in range(number, number + count):
            subject.ledger.allocate(at(each), pod_of(namespace, f"pod-{each}"), 1.0)
        number += count
    return subject


def wish(namespace: str, *numbers: int | None) -> AddressRequest:
    return AddressRequest(pod_of(namespace), tuple(None if each is None else at(each) for each in numbers))


def chosen(count: int, first: int = 1) -> tuple[int, ...]:
    """Numbers of a user's choice."""
    return tuple(range(first, first + count))


def over(of: Allocator, request: AddressRequest) -> OverBudget:
    decision = decide(of, request, 2.0)
    assert isinstance(decision, OverBudget), decision
    return decision


def test_a_namespace_may_have_its_share_in_flight_and_others_do_not_notice() -> None:
    subject = busy(greedy=SHARE - 2)
    assert over(subject, wish("greedy", 1, 2, 3)) == OverBudget("greedy", 3, SHARE - 2, SHARE)
    assert over(subject, wish("greedy", *[None] * 3)) == OverBudget("greedy", 3, SHARE - 2, SHARE)
    assert isinstance(decide(subject, wish("other", *chosen(200, 10)), 2.0), Allocated)
    assert isinstance(decide(subject, wish("greedy", 1, None), 2.0), Allocated)
    assert subject.ledger.in_flight() == {"greedy": SHARE, "other": 200}
    assert over(subject, wish("greedy", None)) == OverBudget("greedy", 1, SHARE, SHARE)


def test_a_dry_run_is_told_the_same_and_changes_nothing() -> None:
    subject = busy(greedy=SHARE - 2)
    before = everything(subject)
    for numbers in ((1, 2, 3), (None, None, None)):
        request = wish("greedy", *numbers)._replace(dry_run=True)
        assert subject.decide(request, 2.0) == OverBudget("greedy", 3, SHARE - 2, SHARE)
    assert isinstance(subject.decide(wish("greedy", 1, None)._replace(dry_run=True), 2.0), Allocated)
    assert everything(subject) == before


def test_what_was_seen_or_has_ended_is_in_flight_no_more() -> None:
    subject = busy(greedy=SHARE)
    key = ObjectKey("Pod", "greedy", f"pod-{ELSEWHERE}")
    subject.ledger.observe(Holder(key, "uid", Party(*key), (at(ELSEWHERE),)), 2.0)
    assert subject.ledger.in_flight() == {"greedy": SHARE - 1}
    assert isinstance(decide(subject, wish("greedy", 1), 2.0), Allocated)
    subject.ledger.pass_barrier(1.0 + BOUND)
    assert subject.ledger.in_flight() == {"greedy": 1}
    subject.ledger.renounce()
    assert (subject.ledger.in_flight(), subject.ledger.unseen_count) == ({}, 0)


def test_what_a_party_was_allocated_already_counts_once() -> None:
    subject = busy(greedy=SHARE - 1)
    assert isinstance(decide(subject, wish("greedy", 1), 2.0), Allocated)
    assert isinstance(decide(subject, wish("greedy", 1), 3.0), Allocated), "the API server asks again"
    assert subject.ledger.in_flight() == {"greedy": SHARE}
    assert over(subject, wish("greedy", 1, 2)) == OverBudget("greedy", 1, SHARE, SHARE)


def test_what_an_object_carried_or_its_party_holds_is_not_asked_for() -> None:
    subject = busy(greedy=SHARE)
    update = wish("greedy", 1, 2)._replace(carried=frozenset({at(1), at(2)}))
    assert isinstance(decide(subject, update, 2.0), Allocated)
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ask(a_machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    assert (cluster.ledger.in_flight(), cluster.ledger.in_flight_count) == ({}, 1)


def test_an_address_that_several_parties_are_allocated_counts_for_each_of_them() -> None:
    """Each of them is remembered until it was seen."""
    subject = busy(greedy=SHARE - 1)
    subject.ledger.allocate(at(1), pod_of("other"), 2.0)
    shared = wish("greedy", 1)._replace(shared=frozenset({at(1)}))
    assert isinstance(decide(subject, shared, 2.0), Allocated)
    assert subject.ledger.in_flight() == {"greedy": SHARE, "other": 1}
    assert subject.ledger.unseen_count == SHARE, "the Lease lists it once"
    again = shared._replace(party=pod_of("greedy", "another"))
    assert over(subject, again) == OverBudget("greedy", 1, SHARE, SHARE)


def crowd(total: int) -> Allocator:
    """Many namespaces with so much in flight together, none of them over its share."""
    shares, rest = divmod(total, SHARE)
    return busy(**{f"ns-{number}": SHARE for number in range(shares)}, rest=rest)


def test_beyond_three_quarters_only_automatic_addresses_for_those_with_little_are_allocated() -> None:
    subject = crowd(COMMON - 10)
    assert isinstance(decide(subject, wish("mine", *chosen(8)), 2.0), Allocated)
    assert over(subject, wish("mine", *chosen(3, 20))) == OverBudget("mine", 3, COMMON - 2, COMMON, overall=True)
    assert over(subject, wish("mine", 20, None, None)) == OverBudget("mine", 3, COMMON - 2, COMMON, overall=True)
    assert isinstance(decide(subject, wish("mine", *[None] * (LITTLE - 8)), 2.0), Allocated)
    assert subject.ledger.in_flight_of("mine") == LITTLE
    beyond = COMMON - 2 + LITTLE - 8
    assert over(subject, wish("mine", None)) == OverBudget("mine", 1, beyond, COMMON, overall=True)
    assert isinstance(decide(subject, wish("yours", *[None] * LITTLE), 2.0), Allocated)


def test_what_is_left_of_three_quarters_may_be_used_up_to_the_last() -> None:
    subject = crowd(COMMON - 3)
    assert isinstance(decide(subject, wish("mine", *chosen(3)), 2.0), Allocated)
    assert over(subject, wish("mine", 20)) == OverBudget("mine", 1, COMMON, COMMON, overall=True)


def test_when_all_is_used_up_nobody_is_served() -> None:
    subject = crowd(MOST_RESERVED - 3)
    write(subject, (), 3)
    assert isinstance(decide(subject, wish("mine", None, None), 2.0), Allocated)
    assert over(subject, wish("yours", None, None)) == OverBudget(
        "yours", 2, MOST_RESERVED - 1, MOST_RESERVED, overall=True
    )


def test_what_is_in_doubt_is_nobodys_and_takes_its_place_all_the_same() -> None:
    subject = in_office(ledger(200_000))
    subject.step_down()
    subject.acquire(map(at, range(ELSEWHERE, ELSEWHERE + COMMON)), None, 1.0)
    assert (subject.ledger.in_flight(), subject.ledger.unseen_count) == ({}, COMMON)
    assert over(subject, wish("mine", 1)) == OverBudget("mine", 1, COMMON, COMMON, overall=True)
    assert isinstance(decide(subject, wish("mine", None), 2.0), Allocated)
    subject.ledger.pass_barrier(1.0 + BOUND)
    assert subject.ledger.unseen_count == 1


def unreserved(namespace: str, *numbers: int, automatic: int = 0, name: str = "web") -> Unreserved:
    return Unreserved(tuple(map(at, numbers)), automatic, pod_of(namespace, name))


def test_of_those_who_wait_for_a_write_none_is_in_the_way_of_others() -> None:
    subject = busy(greedy=SHARE - 5)
    asked = [
        unreserved("greedy", *chosen(6)),
        unreserved("other", *chosen(6, 100)),
        unreserved("greedy", *chosen(4, 200)),
        unreserved("greedy", *chosen(2, 300)),
        unreserved("greedy", *chosen(1, 400)),
    ]
    share = OverBudget("greedy", 6, SHARE - 5, SHARE)
    late = OverBudget("greedy", 2, SHARE - 1, SHARE)
    assert subject.fitting([], asked) == [share, None, None, late, None]


def test_those_who_were_named_and_have_not_gone_on_yet_count_for_their_namespace() -> None:
    subject = busy(greedy=SHARE - 5)
    reserved = [unreserved("greedy", *chosen(4))]
    late = OverBudget("greedy", 2, SHARE - 1, SHARE)
    assert subject.fitting(reserved, [unreserved("greedy", *chosen(2, 100)), unreserved("greedy", 100)]) == [late, None]


@pytest.mark.parametrize("automatic", [0, 2], ids=["chosen", "automatic"])
def test_all_who_wait_leave_the_last_quarter_to_those_with_little(automatic: int) -> None:
    subject = crowd(COMMON - 3)
    asked = [unreserved(f"small-{number}", *chosen(2, 2 * number + 1), automatic=automatic) for number in range(3)]
    full = OverBudget("", 2, COMMON - 1, COMMON, overall=True)
    found = subject.fitting([], asked)
    if automatic:
        assert found == [None, None, None]
    else:
        assert found == [None, *(OverBudget(f"small-{n}", *tuple_of(full)) for n in (1, 2))]


def tuple_of(each: OverBudget) -> tuple[int, int, int, bool]:
    return each.new, each.in_flight, each.limit, each.overall
