"""What a running pod holds, whatever its annotation says later (rule 8)."""

import pytest
from tests.unit.core.subjects import allocator, at, decide, key, ledger, numbers, pod, refusals, request

from kubemacpool.core.allocations import Terms
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.holders import FEW
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Fault, Refusal
from kubemacpool.core.retention import MOST_KEPT

UID = "uid-1"


def tell(of: Ledger, *said: int, reported: tuple[int, ...] | None = None, uid: str = UID, name: str = "web") -> None:
    """A pod's annotation says these; its interfaces are reported to have those."""
    attached = None if reported is None else tuple(map(at, reported))
    of.observe(Holder(key(name), uid, pod(name), tuple(map(at, said)), attached=attached), 5.0)


def held(of: Ledger) -> set[int]:
    """What anybody has, of the first few addresses."""
    return {number for number in range(10) if any(of.holders_of(at(number)))}


def colliding(of: Ledger) -> list[int]:
    """What is told as a collision."""
    return numbers(of.collisions())


# What was there at first sight, or was allocated


@pytest.mark.parametrize("later", [(), (2,)], ids=["emptied", "edited"])
def test_a_running_pod_holds_what_it_was_first_seen_with_whatever_its_annotation_says_later(
    later: tuple[int, ...],
) -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    tell(subject.ledger, *later)
    assert held(subject.ledger) == {1, *later}
    assert refusals(subject, request("db", 1)) == (Refusal(0, at(1), Fault.HELD, pod("web")),)
    assert not subject.ledger.is_free(at(1))
    subject.ledger.vanish(key("web"), 6.0)
    assert held(subject.ledger) == set()
    assert subject.ledger.cooling_count == 1 + len(later)


def test_what_a_pod_holds_without_saying_so_collides_with_whoever_comes_to_carry_it() -> None:
    subject = ledger()
    tell(subject, 1)
    tell(subject)
    tell(subject, 1, name="thief", uid="uid-2")
    assert colliding(subject) == [1]
    assert {holder.key.name for holder in subject.colliding(at(1))} == {"web", "thief"}


def test_a_successor_of_its_name_holds_its_own() -> None:
    subject = ledger()
    tell(subject, 1)
    tell(subject)
    tell(subject, 2, uid="uid-2")
    assert held(subject) == {2}


def test_what_was_allocated_to_a_running_pod_is_held_like_what_it_began_with() -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    assert decide(subject, AddressRequest(pod("web"), (at(1), at(2)), frozenset({at(1)}), uid=UID), 2.0) == Allocated(
        (at(1), at(2))
    )
    tell(subject.ledger, 1, 2)
    assert subject.ledger.in_flight_count == 0
    tell(subject.ledger, 1)
    assert held(subject.ledger) == {1, 2}


@pytest.mark.parametrize("who", ["in doubt", "one that does not decide"])
def test_what_may_have_been_allocated_by_another_replica_is_held_too(who: str) -> None:
    subject = Allocator(ledger())
    if who == "in doubt":
        subject.acquire([at(2)], None, 1.0)
    tell(subject.ledger, 1)
    tell(subject.ledger, 1, 2)
    tell(subject.ledger, 1)
    assert held(subject.ledger) == {1, 2}


# What was written past us


def test_an_address_that_was_only_written_into_a_running_pod_is_held_for_as_long_as_it_is_written_there() -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    tell(subject.ledger, 1, 2)
    assert refusals(subject, request("db", 2)) == (Refusal(0, at(2), Fault.HELD, pod("web")),)
    tell(subject.ledger, 2)
    assert held(subject.ledger) == {1, 2}, "it is not taken for what was there from the beginning"
    tell(subject.ledger)
    assert held(subject.ledger) == {1}


@pytest.mark.parametrize("decides", [True, False])
def test_whoever_writes_anothers_address_into_a_pod_and_takes_it_away_has_ended_the_collision(*, decides: bool) -> None:
    subject = allocator() if decides else Allocator(ledger())
    tell(subject.ledger, 1, name="victim", uid="uid-2")
    tell(subject.ledger, 2)
    tell(subject.ledger, 1)
    assert colliding(subject.ledger) == [1]
    tell(subject.ledger)
    assert colliding(subject.ledger) == []
    assert held(subject.ledger) == {1, 2}


def test_a_pod_that_has_let_go_of_all_is_known_still() -> None:
    """What is written into it later is not what it was first seen with."""
    subject = allocator()
    tell(subject.ledger, 1, reported=(1,))
    tell(subject.ledger, reported=())
    assert subject.ledger.holder(key("web")) is None
    tell(subject.ledger, 2)
    tell(subject.ledger)
    assert held(subject.ledger) == set()


# What its interfaces are reported to have


def test_what_is_reported_no_more_is_free_once_the_annotation_does_not_say_it_either() -> None:
    subject = ledger()
    tell(subject, 1, 2)
    tell(subject, 1, 2, reported=(1, 2))
    tell(subject, 1, reported=(1, 2))
    assert held(subject) == {1, 2}, "it is unplugged by what the annotation says, after that"
    tell(subject, 1, reported=(1,))
    assert held(subject) == {1}
    tell(subject, 1, reported=())
    assert held(subject) == {1}, "the annotation says it"
    tell(subject, reported=())
    assert held(subject) == set()


def test_what_was_never_reported_is_not_unplugged() -> None:
    subject = ledger()
    tell(subject, 1, 2)
    tell(subject, reported=(1,))
    tell(subject, reported=())
    assert held(subject) == {2}


def test_what_is_not_known_of_interfaces_leaves_what_was_known() -> None:
    subject = ledger()
    tell(subject, 1, reported=(1, 3))
    tell(subject, reported=None)
    assert held(subject) == {1, 3}
    tell(subject, reported=())
    assert held(subject) == set()


def test_an_interface_that_was_reported_once_counts_though_nobody_allocated_its_address() -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    tell(subject.ledger, 1, 2)
    tell(subject.ledger, 1, 2, reported=(1, 2))
    tell(subject.ledger, 1, reported=(1, 2))
    assert held(subject.ledger) == {1, 2}


def test_what_only_an_interface_has_is_refused_and_not_given_to_others_and_collides_with_nobody() -> None:
    """Interfaces of the plugin ipvlan have the address of the one that they are made from, all of them."""
    subject = allocator(addresses=2)
    for name, uid in (("web", "uid-1"), ("db", "uid-2")):
        tell(subject.ledger, 1, reported=(2,), name=name, uid=uid)
    assert colliding(subject.ledger) == [1]
    assert subject.ledger.held_count == 2
    assert refusals(subject, request("app", 2)) == (Refusal(0, at(2), Fault.HELD, pod("web")),)
    assert subject.ledger.free_count == 0
    tell(subject.ledger, 1, reported=(), name="web")
    assert held(subject.ledger) == {1, 2}
    subject.ledger.vanish(key("db"), 6.0)
    assert held(subject.ledger) == {1}
    assert subject.ledger.cooling_count == 1


def test_what_only_an_interface_has_gives_no_right_to_it() -> None:
    """Whoever may edit a pod may write its network-status."""
    subject = allocator()
    tell(subject.ledger, 1, name="victim", uid="uid-2")
    tell(subject.ledger, 2, reported=(1,))
    assert refusals(subject, request("web", 1)) == (Refusal(0, at(1), Fault.HELD, pod("victim")),)
    assert decide(subject, request("victim", 1), 6.0) == Allocated((at(1),))


def test_what_an_interface_has_is_carried_once_the_annotation_says_it_and_kept_after_that() -> None:
    subject = allocator()
    tell(subject.ledger, 1, reported=(2,))
    tell(subject.ledger, 1, 2)
    tell(subject.ledger, 2, name="other", uid="uid-2")
    assert colliding(subject.ledger) == [2]
    tell(subject.ledger, 1)
    assert colliding(subject.ledger) == [2]
    tell(subject.ledger, 1, reported=())
    assert colliding(subject.ledger) == []


def test_more_than_may_be_kept_is_let_go_the_oldest_last() -> None:
    subject = ledger()
    most = range(100, 100 + MOST_KEPT)
    tell(subject, 1, *most)
    tell(subject, 1)
    tell(subject)
    assert all(any(subject.holders_of(at(number))) for number in most)
    assert held(subject) == set()


@pytest.mark.parametrize("kind", ["VirtualMachine", "VirtualMachineInstance"])
def test_machines_and_instances_hold_what_they_say(kind: str) -> None:
    subject = ledger()
    for said in ((1, 2), (2,), ()):
        subject.observe(Holder(key("vm", kind), UID, pod("vm"), tuple(map(at, said)), attached=(at(3),)), 5.0)
        assert held(subject) == set(said)


# Taken off and put back


@pytest.mark.parametrize("late", [True, False], ids=["the view is late", "the view is not late"])
def test_what_is_put_back_on_a_running_pod_is_settled_when_that_is_seen(*, late: bool) -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    if not late:
        tell(subject.ledger)
    asked = AddressRequest(pod("web"), (at(1),), uid=UID)
    assert decide(subject, asked, 2.0) == Allocated((at(1),))
    tell(subject.ledger, *((1,) if late else ()))
    assert subject.ledger.in_flight_count == 1, "that is what was there before"
    tell(subject.ledger)
    tell(subject.ledger, 1)
    assert subject.ledger.in_flight_count == 0


def test_another_object_of_the_name_does_not_settle_what_was_allocated_to_an_update() -> None:
    subject = ledger()
    subject.allocate(at(1), pod("web"), 1.0, Terms(uid=UID))
    tell(subject, 1, uid="uid-2")
    assert subject.in_flight_count == 1


def test_what_a_pod_has_kept_does_not_settle_what_was_allocated_to_its_successor() -> None:
    """An annotation that says it once more is not the successor."""
    subject = ledger()
    tell(subject, 1)
    tell(subject)
    subject.allocate(at(1), pod("web"), 1.0)
    tell(subject, 1)
    assert subject.in_flight_count == 1
    tell(subject, 1, uid="uid-2")
    assert subject.in_flight_count == 0


def test_whatever_changes_on_an_object_that_is_kept_out_of_the_books_what_its_interfaces_have_is_withheld() -> None:
    subject = ledger()
    tell(subject, 1, reported=(2,))
    assert subject.known(key("web")) == (at(1), at(2))
    subject.begin_anew()
    assert not subject.is_free(at(2))
    tell(subject)
    assert held(subject) == {1, 2}, "what was known of it is no part of what is made anew"


# Who else there is


MACHINE = ObjectKey("VirtualMachine", "ns", "vm")


def test_a_launcher_pod_that_is_told_its_machines_address_later_has_that_until_it_ends() -> None:
    subject = allocator()
    machine = Party(*MACHINE)
    subject.ledger.observe(Holder(MACHINE, "uid-vm", machine, (at(1),)), 5.0)

    def launcher(*said: int) -> None:
        subject.ledger.observe(Holder(key("web"), UID, machine, tuple(map(at, said)), owned=True), 5.0)

    launcher(2)
    launcher(2, 1)
    launcher(2)
    subject.ledger.vanish(MACHINE, 6.0)
    assert held(subject.ledger) == {1, 2}


def test_what_leaves_an_annotation_makes_no_difference_to_what_others_were_allocated_of_it() -> None:
    subject = allocator()
    tell(subject.ledger, 1)
    shared = AddressRequest(pod("db"), (at(1),), shared=frozenset({at(1)}))
    assert decide(subject, shared, 2.0) == Allocated((at(1),))
    tell(subject.ledger)
    tell(subject.ledger, 1, name="db", uid="uid-2")
    assert subject.ledger.in_flight_count == 0
    assert {each.key.name for each in subject.ledger.holders_of(at(1))} == {"web", "db"}


def test_what_interfaces_have_goes_with_a_pod_that_turns_out_to_be_a_machines() -> None:
    subject = ledger()
    tell(subject, 1, reported=(1, 2))
    subject.move(key("web"), Party(*MACHINE))
    assert subject.other_holder(at(2), pod("web")) == Party(*MACHINE)
    assert subject.other_holder(at(2), Party(*MACHINE)) is None


def test_an_interface_that_is_unplugged_frees_its_address_and_no_other() -> None:
    subject = ledger()
    tell(subject, reported=(1, 2))
    tell(subject, reported=(2,))
    assert held(subject) == {2}


@pytest.mark.parametrize("whose", [pod("web"), Party(*MACHINE)], ids=["awaited by name", "of the same party"])
def test_what_a_running_pod_was_allocated_in_another_name_is_held_like_what_it_began_with(whose: Party) -> None:
    """A launcher pod is awaited for its instance, and may be seen before that; or all of a machine may have it."""
    subject = allocator()
    party = Party(*MACHINE)
    seen_as = pod("web") if whose == pod("web") else party
    subject.ledger.observe(Holder(key("web"), UID, seen_as, (at(2),)), 5.0)
    subject.ledger.allocate(at(1), party, 5.0, Terms(dependent=whose))
    for said in ((2, 1), (2,)):
        subject.ledger.observe(Holder(key("web"), UID, seen_as, tuple(map(at, said))), 5.0)
    assert held(subject.ledger) == {1, 2}


def test_an_interface_that_is_reported_beside_others_has_its_address() -> None:
    subject = ledger()
    for reported in ((2,), (2, 3)):
        tell(subject, 1, reported=reported)
    assert held(subject) == {1, 2, 3}
    tell(subject, 1, reported=())
    assert held(subject) == {1}


def test_the_interfaces_of_a_crowd_are_of_the_party_that_their_pods_have_come_to() -> None:
    subject = ledger()
    names = [f"pod-{number}" for number in range(FEW + 1)]
    for name in names:
        tell(subject, 1, reported=(3,), uid=f"uid-{name}", name=name)
    for name in names:
        subject.move(key(name), Party(*MACHINE))
    assert subject.other_holder(at(3), Party(*MACHINE)) is None
