"""How many addresses a namespace may have: held and in flight, each of them once."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster
from tests.unit.core.machines import machine as a_machine
from tests.unit.core.subjects import BOUND, at, decide, everything, holder, in_office, key, ledger, pod, request

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Limit, OverLimit

LIMIT = Limit(3, "somewhere")


def limited(name: str, *wanted: int | None, most: int = 3) -> AddressRequest:
    return request(name, *wanted)._replace(limit=LIMIT._replace(most=most))


def used(of: Allocator) -> int:
    return of.ledger.used_in("ns")


def test_what_is_held_and_what_is_in_flight_count_once_each() -> None:
    subject = in_office(ledger(64))
    assert isinstance(decide(subject, limited("web", 1, None), 1.0), Allocated)
    assert used(subject) == 2
    assert decide(subject, limited("db", 10, None), 2.0) == OverLimit("ns", 2, 2, LIMIT)
    allocated = decide(subject, limited("db", 10), 2.0)
    assert isinstance(allocated, Allocated)
    subject.ledger.observe(holder("db", 10), 3.0)
    subject.ledger.observe(holder("copy", 10), 3.0)
    assert used(subject) == 3
    assert decide(subject, limited("cache", None), 4.0) == OverLimit("ns", 1, 3, LIMIT)
    assert isinstance(decide(subject, limited("cache", None, most=4), 4.0), Allocated)


def test_other_namespaces_have_a_limit_of_their_own_and_those_without_one_have_none() -> None:
    subject = in_office(ledger(64))
    assert isinstance(decide(subject, request("web", *[None] * 10), 1.0), Allocated)
    elsewhere = limited("web", *[None] * 3)._replace(party=Party("Pod", "elsewhere", "web"))
    assert isinstance(decide(subject, elsewhere, 1.0), Allocated)
    assert (used(subject), subject.ledger.used_in("elsewhere"), subject.ledger.used_in("nowhere")) == (10, 3, 0)


def test_a_dry_run_is_told_the_same() -> None:
    subject = in_office(ledger(64))
    before = everything(subject)
    dry = limited("web", 1, 2, None, None)._replace(dry_run=True)
    assert subject.decide(dry, 1.0) == OverLimit("ns", 4, 0, LIMIT)
    assert everything(subject) == before


def test_what_asks_for_nothing_new_is_let_through_however_much_there_is() -> None:
    subject = in_office(ledger(64))
    subject.ledger.observe(holder("web", 1, 2, 3, 4), 1.0)
    assert isinstance(decide(subject, limited("web", 1, 2, 3, 4), 2.0), Allocated), "it is created again"
    changed = limited("web", 1, 5)._replace(carried=frozenset({at(1), at(5)}))
    assert isinstance(decide(subject, changed, 2.0), Allocated), "it carried that"
    assert decide(subject, limited("web", 1, 6), 2.0) == OverLimit("ns", 1, 4, LIMIT)


def test_what_has_gone_or_come_to_nothing_counts_no_more() -> None:
    subject = in_office(ledger(64))
    decide(subject, limited("web", 1), 1.0)
    decide(subject, limited("db", 2), 1.0)
    subject.ledger.observe(holder("web", 1), 2.0)
    assert used(subject) == 2
    subject.ledger.vanish(key("web"), 3.0)
    assert used(subject) == 1
    subject.ledger.pass_barrier(1.0 + BOUND)
    assert used(subject) == 0
    decide(subject, limited("db", 2), 200.0)
    subject.step_down()
    assert used(subject) == 0


def test_a_machine_with_its_instance_and_launcher_pods_has_each_address_once() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1, 2)
    assert cluster.ledger.used_in("ns") == 2
    launcher = AddressRequest(a_machine(), (at(1), at(2)), dependent=LAUNCHER, limit=LIMIT._replace(most=1))
    assert cluster.allocator.decide(launcher, 3.0) == Allocated((at(1), at(2)))
    assert cluster.ledger.used_in("ns") == 2
    for kind, name in (("Pod", "virt-launcher-vm-1"), ("VirtualMachineInstance", "vm"), ("VirtualMachine", "vm")):
        assert cluster.ledger.used_in("ns") == 2
        cluster.gone(kind, name)
    assert cluster.ledger.used_in("ns") == 2, "its launcher pod is on its way"
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.ledger.used_in("ns") == 0


@pytest.mark.parametrize("holders", [2, 20])
def test_an_address_that_objects_of_several_namespaces_carry_counts_in_each(holders: int) -> None:
    subject = ledger(64)
    for number in range(holders):
        for namespace in ("ns", "elsewhere"):
            one = ObjectKey("Pod", namespace, f"pod-{number}")
            subject.observe(Holder(one, f"uid-{one}", Party(*one), (at(1),)), 1.0)
    assert (subject.used_in("ns"), subject.used_in("elsewhere")) == (1, 1)
    for number in range(holders):
        assert subject.used_in("ns") == 1
        subject.vanish(ObjectKey("Pod", "ns", f"pod-{number}"), 2.0)
    assert (subject.used_in("ns"), subject.used_in("elsewhere")) == (0, 1)


def test_what_another_party_of_the_namespace_has_is_nothing_new() -> None:
    subject = in_office(ledger(64))
    subject.ledger.observe(holder("web", 1, 2, 3), 1.0)
    shared = limited("db", 1)._replace(shared=frozenset({at(1)}))
    assert isinstance(decide(subject, shared, 2.0), Allocated)
    assert subject.ledger.is_named_for(at(1), pod("db"))
    assert used(subject) == 3
