"""What mutation testing showed that nobody had checked (see `mutation`): one small mistake each."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster, machine
from tests.unit.core.subjects import BOUND, COOL_DOWN, at, decide, holder, key, ledger, numbers, pod

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.holders import Latecomers
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Fault, Refusal, Refused
from kubemacpool.core.reservations import Block

VM = ObjectKey("VirtualMachine", "ns", "vm")
VMI = ObjectKey("VirtualMachineInstance", "ns", "vm")
INSTANCE = Party(*VMI)


def _of_machine(at_key: ObjectKey, *positions: int, uid: str = "u") -> Holder:
    return Holder(at_key, uid, machine(), tuple(map(at, positions)))


# What may be on its way to a machine from before an acquisition


def test_what_is_on_its_way_from_before_an_acquisition_ends_before_what_was_allocated_since() -> None:
    """Though it is recorded later: the machine left the address when something else had been allocated."""
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed(now=3.0)
    cluster.ledger.allocate(at(9), pod("web"), 5.0)
    for kind, name in (("VirtualMachine", "vm"), ("VirtualMachineInstance", "vm"), ("Pod", "virt-launcher-vm-1")):
        cluster.gone(kind, name, now=6.0)
    assert cluster.ledger.oldest_unseen() == 3.0
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.ledger.latest_allocation(at(1)) is None
    assert cluster.ledger.latest_allocation(at(9)) is not None


def test_what_is_on_its_way_from_before_an_acquisition_counts_once_and_need_not_be_named() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    for kind, name in (("VirtualMachine", "vm"), ("VirtualMachineInstance", "vm"), ("Pod", "virt-launcher-vm-1")):
        cluster.gone(kind, name, now=4.0)
    assert cluster.ledger.in_flight_count == 1
    assert (cluster.ledger.used_in("ns"), cluster.ledger.unseen_count) == (1, 0)
    assert numbers(cluster.ledger.unseen()) == []
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.ledger.used_in("ns") == 0


def test_nothing_is_on_its_way_to_a_machine_that_one_of_its_objects_has_left() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    cluster.gone("Pod", "virt-launcher-vm-1", now=4.0)
    assert cluster.ledger.in_flight_count == 0


@pytest.mark.parametrize("again", [False, True], ids=["as it is", "allocated once more"])
def test_what_we_allocated_a_machine_is_not_settled_by_one_sight_when_more_may_be_on_its_way(*, again: bool) -> None:
    """The leader before us may have allocated as much to its other objects."""
    subject = ledger()
    subject.inherit([at(4)], 0.0)
    subject.allocate(at(1), machine(), 1.0)
    subject.observe(_of_machine(VMI, 1), 2.0)
    subject.vanish(VMI, 3.0)
    if again:
        subject.allocate(at(1), machine(), 4.0)
    subject.observe(_of_machine(VM, 1, uid="new"), 5.0)
    assert subject.latest_allocation(at(1)) is not None


# Cool-downs


@pytest.mark.parametrize("cool_down", [0.5, 1.0])
@pytest.mark.parametrize("withheld", [False, True], ids=["in the books", "not in the books"])
def test_a_cool_down_of_less_than_a_second_is_one(cool_down: float, *, withheld: bool) -> None:
    subject = ledger(cool_down=cool_down)
    if withheld:
        subject.withhold(key("web"), "u", (), (at(1),), 0.0)
    else:
        subject.observe(holder("web", 1), 0.0)
    subject.vanish(key("web"), 0.0)
    assert subject.cooling_count == 1


# Objects that are not in the books


def test_nothing_is_on_its_way_to_a_pod_that_was_not_in_the_books_when_it_went() -> None:
    subject = ledger()
    subject.withhold(key("web"), "u", (), (at(1),), 0.0)
    subject.vanish(key("web"), 1.0)
    subject.inherit([at(4)], 2.0)
    assert subject.latest_allocation(at(1)) is None


@pytest.mark.parametrize("own", [True, False], ids=["another object of the machine", "somebody else"])
def test_what_a_machine_leaves_that_was_not_in_the_books_is_on_its_way_unless_its_party_has_it(*, own: bool) -> None:
    subject = ledger()
    subject.observe(_of_machine(VMI, 1) if own else holder("web", 1), 0.0)
    subject.withhold(VM, "u", (), (at(1),), 0.0)
    subject.vanish(VM, 1.0)
    subject.inherit([at(4)], 2.0)
    assert (subject.latest_allocation(at(1)) is None) is own


# Latecomers


def test_one_of_two_latecomers_goes_and_the_other_stays_one() -> None:
    late = Latecomers()
    late.add(at(1), pod("a"))
    late.add(at(1), pod("b"))
    late.remove(at(1), pod("a"))
    assert (late.are_to(at(1), pod("a")), late.are_to(at(1), pod("b"))) == (False, True)
    late.remove(at(1), pod("b"))
    assert late.any_of(at(1)) is None


def _late(cluster: Cluster) -> None:
    """An instance whose machine is gone comes to carry what a pod has, and so does its launcher pod."""
    cluster.see("Pod", "web", 1)
    cluster.see("VirtualMachineInstance", "vm", 1, owner=OwnerReference("VirtualMachine", "vm", "uid-gone"))
    cluster.launcher("vm", "1", 1)


def test_a_latecomer_is_one_for_as_long_as_any_of_its_objects_has_the_address() -> None:
    cluster = Cluster()
    _late(cluster)
    refused = Refused((Refusal(0, at(1), Fault.HELD, pod("web")),))
    assert cluster.ask(INSTANCE, 1, dependent=LAUNCHER) == refused
    cluster.gone("Pod", "virt-launcher-vm-1")
    assert cluster.ask(INSTANCE, 1, dependent=LAUNCHER) == refused
    cluster.gone("VirtualMachineInstance", "vm")
    assert not cluster.ledger._latecomers.are_to(at(1), INSTANCE)


def test_a_latecomer_that_a_policy_has_let_in_has_the_address_when_nobody_else_does() -> None:
    cluster = Cluster()
    for name in ("web", "late"):
        cluster.see("Pod", name, 1)
    asked = AddressRequest(pod("late"), (at(1),), shared=frozenset({at(1)}))
    assert decide(cluster.allocator, asked, 3.0) == Allocated((at(1),))
    cluster.gone("Pod", "web")
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    assert cluster.ask(pod("late"), 1) == Allocated((at(1),))


def test_whoever_comes_to_carry_what_may_be_on_its_way_from_before_is_no_latecomer() -> None:
    """Nobody knows whether it is on its way at all."""
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    for kind, name in (("VirtualMachine", "vm"), ("VirtualMachineInstance", "vm"), ("Pod", "virt-launcher-vm-1")):
        cluster.gone(kind, name, now=4.0)
    cluster.see("Pod", "web", 1)
    assert not cluster.ledger._latecomers.are_to(at(1), pod("web"))


# What is withheld, and from whom


def test_what_is_withheld_for_an_object_is_anothers_to_everybody_but_its_party() -> None:
    subject = ledger()
    subject.withhold(key("web"), "u", (), (at(1),), 0.0)
    assert subject.other_holder(at(1), pod("db")) == pod("web")
    assert subject.other_holder(at(1), pod("web")) is None


def test_what_an_object_is_taken_in_without_cools_from_then_on() -> None:
    subject = ledger()
    subject.withhold(key("web"), "uid-1", (at(1),), (), 0.0)
    subject.observe(holder("web", 2), 5.0)
    subject.end_cooling(5.0 + COOL_DOWN - 0.1)
    assert not subject.is_free(at(1))
    subject.end_cooling(5.0 + COOL_DOWN)
    assert subject.is_free(at(1))


@pytest.mark.parametrize("allocated", [False, True], ids=["never allocated", "allocated before"])
def test_a_latecomer_that_comes_to_another_party_is_none_if_that_had_the_address(*, allocated: bool) -> None:
    subject = ledger()
    if allocated:
        subject.allocate(at(1), machine(), 0.0)
    for name in ("web", "late"):
        subject.observe(holder(name, 1, uid=name), 1.0)
    subject.move(key("late"), machine())
    subject.pass_barrier(1.0 + BOUND)
    assert subject.latest_allocation(at(1)) is None
    assert subject.is_entitled(at(1), machine()) is allocated


# What is set aside


def test_two_of_five_that_are_left_are_less_than_half() -> None:
    subject = Block(ledger(10))
    subject.resize(5)
    for number in (1, 2, 3):
        assert not subject.is_short
        subject.give(at(number))
    assert subject.is_short
