import time

import pytest
from tests.unit.core.subjects import BOUND, COOL_DOWN, at, holder, key, ledger, machine, numbers, pod, pool, unreserved

from kubemacpool.core.allocations import Allocation, Cooling
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey
from kubemacpool.core.pool import AddressRange, Pool


def free(of: Ledger) -> set[int]:
    """Positions that a search can find."""
    return {position for position in range(of.pool.size) if of.next_free(position) == position}


def names(of: Ledger, number: int) -> list[str]:
    return [each.key.name for each in of.holders_of(at(number))]


def test_an_address_goes_from_free_to_in_flight_to_held_to_cooling_and_is_free_again() -> None:
    subject = ledger()
    subject.allocate(at(2), pod("web"), 10.0)
    assert subject.latest_allocation(at(2)) == Allocation(pod("web"), 10.0, 1)
    assert (subject.in_flight_count, subject.held_count, subject.cooling_count, subject.free_count) == (1, 0, 0, 3)

    subject.observe(holder("web", 2), 11.0)
    assert names(subject, 2) == ["web"]
    assert (subject.in_flight_count, subject.held_count, subject.cooling_count, subject.free_count) == (0, 1, 0, 3)

    subject.vanish(key("web"), 12.0)
    assert names(subject, 2) == []
    assert (subject.in_flight_count, subject.held_count, subject.cooling_count, subject.free_count) == (0, 0, 1, 3)
    assert list(subject.coolest()) == [(at(2), Cooling(12.0, "Pod"))]

    subject.end_cooling(12.0 + COOL_DOWN)
    assert (subject.in_flight_count, subject.held_count, subject.cooling_count, subject.free_count) == (0, 0, 0, 4)
    assert free(subject) == {0, 1, 2, 3}


def test_an_address_that_no_longer_belongs_to_its_object_is_released_and_the_others_stay() -> None:
    subject = ledger()
    for said in ((1, 2), (2, 3)):
        subject.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), tuple(map(at, said))), 2.0)
    assert [names(subject, number) for number in (1, 2, 3)] == [[], ["vm"], ["vm"]]
    assert subject.cooling_count == 1
    assert free(subject) == {3}


def test_an_object_without_addresses_holds_nothing() -> None:
    subject = ledger()
    for said in ((1,), ()):
        subject.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), tuple(map(at, said))), 2.0)
    subject.observe(holder("db"), 2.0)
    assert list(subject.holders()) == []
    assert subject.cooling_count == 1


def test_telling_the_same_again_changes_nothing() -> None:
    subject = ledger()
    for now in (1.0, 2.0):
        subject.observe(holder("web", 1, 2), now)
    assert names(subject, 1) == ["web"]
    subject.vanish(key("web"), 3.0)
    subject.vanish(key("web"), 4.0)
    assert list(subject.coolest()) == [(at(1), Cooling(3.0, "Pod")), (at(2), Cooling(3.0, "Pod"))]


def test_an_object_that_was_never_seen_may_vanish() -> None:
    subject = ledger()
    subject.vanish(key("web"), 1.0)
    assert subject.cooling_count == 0


def test_an_object_that_carries_an_address_twice_holds_it_once() -> None:
    """Nobody who went through us does; whoever did not must not stop the view."""
    subject = ledger()
    subject.observe(holder("web", 1, 1, 2), 1.0)
    assert names(subject, 1) == ["web"]
    assert [each.addresses for each in subject.holders()] == [(at(1), at(2))]
    subject.observe(holder("web", 2, 2), 2.0)
    subject.vanish(key("web"), 3.0)
    assert (subject.held_count, subject.cooling_count) == (0, 2)


def test_an_address_of_two_parties_is_held_until_the_last_of_them_goes() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0)
    subject.observe(holder("db", 1), 2.0)
    assert names(subject, 1) == ["web", "db"]
    subject.vanish(key("web"), 3.0)
    assert names(subject, 1) == ["db"]
    assert (subject.cooling_count, free(subject)) == (0, {1, 2, 3})
    subject.vanish(key("db"), 4.0)
    assert list(subject.coolest()) == [(at(1), Cooling(4.0, "Pod"))]


def test_a_collision_is_an_address_that_several_parties_carry() -> None:
    subject = ledger()
    subject.observe(holder("web", 1, 2, 3), 1.0)
    subject.observe(holder("db", 2, 3), 1.0)
    subject.observe(holder("cache", 3), 1.0)
    assert dict(subject.collisions()) == {at(2): 2, at(3): 3}
    subject.vanish(key("web"), 2.0)
    assert dict(subject.collisions()) == {at(3): 2}
    subject.vanish(key("cache"), 3.0)
    assert dict(subject.collisions()) == {}


def test_a_collision_that_has_changed_is_told_once_however_often_it_did() -> None:
    subject = ledger()
    subject.inherit((), 0.0, first=True)
    assert subject.take_changed_collisions() == []
    subject.observe(holder("web", 1, 2, 3), 1.0)
    subject.observe(holder("db", 2, 3), 1.0)
    subject.observe(holder("cache", 3), 1.0)
    assert numbers(subject.take_changed_collisions()) == [2, 3]
    assert subject.take_changed_collisions() == []
    subject.observe(holder("web", 1, 2, 3), 2.0)
    assert subject.take_changed_collisions() == [], "telling it again changes nothing"
    subject.vanish(key("db"), 2.0)
    subject.observe(holder("queue", 3), 2.0)
    subject.observe(holder("web", 1, 3), 2.0)
    assert numbers(subject.take_changed_collisions()) == [2, 3]
    assert dict(subject.collisions()) == {at(3): 3}, "as many as before, and others"


def test_after_an_acquisition_whatever_collides_has_changed_once_and_nobody_else_notes_anything() -> None:
    subject = ledger()
    subject.observe(holder("web", 1, 2), 1.0)
    subject.observe(holder("db", 1, 2), 1.0)
    assert subject.take_changed_collisions() == []
    subject.inherit((), 2.0)
    subject.vanish(key("db"), 2.0)
    subject.observe(holder("db", 2), 2.0)
    assert numbers(subject.take_changed_collisions()) == [1, 2]
    subject.observe(holder("cache", 2), 3.0)
    subject.renounce()
    subject.observe(holder("queue", 2), 3.0)
    assert subject.take_changed_collisions() == []
    subject.inherit((), 4.0)
    assert numbers(subject.take_changed_collisions()) == [2]
    assert subject.take_changed_collisions() == []


def test_whoever_has_had_an_address_for_longest_is_named_to_others() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0)
    subject.observe(holder("db", 1), 1.0)
    assert subject.other_holder(at(1), pod("cache")) == pod("web")
    assert subject.other_holder(at(1), pod("web")) == pod("db")
    assert subject.other_holder(at(2), pod("web")) is None
    assert subject.held_by(at(1), pod("db"))
    assert not subject.held_by(at(1), pod("cache"))


def test_objects_of_one_party_that_share_an_address_do_not_collide() -> None:
    subject = ledger()
    for kind in ("VirtualMachine", "VirtualMachineInstance"):
        subject.observe(Holder(key("vm", kind), f"uid-{kind}", machine("vm"), (at(1),)), 1.0)
    assert dict(subject.collisions()) == {}
    subject.observe(holder("web", 1), 2.0)
    assert dict(subject.collisions()) == {at(1): 2}, "a VirtualMachine that is stopped disturbs nobody"


def test_an_object_that_comes_back_under_its_name_without_a_delete_holds_what_it_carries_now() -> None:
    """A relist shows only the last of several that had the name."""
    subject = ledger()
    subject.observe(holder("web", 1, 2, uid="uid-1"), 1.0)
    subject.observe(holder("web", 2, 3, uid="uid-2"), 2.0)
    assert [(each.uid, each.addresses) for each in subject.holders()] == [("uid-2", (at(2), at(3)))]
    assert names(subject, 2) == ["web"]
    assert subject.cooling_count == 1


def test_addresses_outside_the_pool_are_held_and_cool_down_as_well() -> None:
    subject = ledger()
    subject.allocate(at(9), pod("web"), 1.0)
    subject.observe(holder("web", 9), 1.0)
    assert names(subject, 9) == ["web"]
    assert subject.free_count == 4
    subject.vanish(key("web"), 2.0)
    assert subject.cooling_count == 1
    assert list(subject.coolest()) == []  # the automatic path never gives it
    subject.end_cooling(2.0 + COOL_DOWN)
    assert subject.cooling_count == 0


def test_without_a_cool_down_an_address_is_free_at_once() -> None:
    subject = ledger(cool_down=0)
    subject.observe(holder("web", 1), 1.0)
    subject.vanish(key("web"), 2.0)
    assert (subject.cooling_count, free(subject)) == (0, {0, 1, 2, 3})


def test_a_cool_down_ends_when_it_has_passed_and_not_before() -> None:
    subject = ledger()
    for number, now in ((1, 10.0), (2, 20.0), (3, 20.0), (4, 30.0)):
        subject.observe(holder(f"web-{number}", number), 0.0)
        subject.vanish(key(f"web-{number}"), now)
    subject.end_cooling(10.0 + COOL_DOWN - 0.001)
    assert free(subject) == set()
    subject.end_cooling(20.0 + COOL_DOWN)
    assert free(subject) == {0, 1, 2}


def test_the_cool_down_starts_afresh_with_every_release() -> None:
    subject = ledger()
    for now in (10.0, 20.0):
        subject.observe(holder("web", 1), now)
        subject.vanish(key("web"), now)
    subject.end_cooling(10.0 + COOL_DOWN)
    assert 0 not in free(subject)
    subject.end_cooling(20.0 + COOL_DOWN)
    assert 0 in free(subject)


def test_an_address_released_again_cools_behind_those_released_before() -> None:
    subject = ledger()
    for name, number, now in (("web", 1, 10.0), ("db", 2, 12.0), ("web", 1, 20.0)):
        subject.observe(holder(name, number), now)
        subject.vanish(key(name), now)
    assert [address for address, _ in subject.coolest()] == [at(2), at(1)]
    subject.end_cooling(12.0 + COOL_DOWN)
    assert free(subject) == {1, 2, 3}


def test_a_cool_down_of_less_than_a_second_is_one() -> None:
    subject = ledger(cool_down=0.5)
    subject.observe(holder("web", 1), 1.0)
    subject.vanish(key("web"), 2.0)
    assert 0 not in free(subject)
    subject.end_cooling(2.5)
    assert 0 in free(subject)


def test_the_longest_cooled_comes_first_and_only_what_waits_for_nothing_else() -> None:
    subject = ledger(8)
    for number in (5, 3, 1, 2, 4):
        subject.observe(holder(f"web-{number}", number), 0.0)
        subject.vanish(key(f"web-{number}"), float(number))
    subject.observe(holder("db", 3), 6.0)  # held again
    subject.allocate(at(1), pod("db"), 6.0)  # on its way
    assert [address for address, _ in subject.coolest()] == [at(5), at(2), at(4)]
    subject.pass_barrier(6.0 + BOUND)  # what never came cools on, in the last place
    assert [address for address, _ in subject.coolest()] == [at(5), at(2), at(4), at(1)]


@pytest.mark.parametrize("name", ["vm", "virt-launcher-vm-x7k2p"])
def test_a_virtual_machines_address_is_not_given_early_whichever_of_its_objects_goes_last(name: str) -> None:
    """The launcher pod is of kind Pod, but its party is the machine."""
    subject = ledger()
    kind = "VirtualMachine" if name == "vm" else "Pod"
    subject.observe(Holder(key(name, kind), "uid-1", machine("vm"), (at(1),)), 1.0)
    subject.vanish(key(name, kind), 2.0)
    assert list(subject.coolest()) == []
    assert 0 not in free(subject)
    subject.end_cooling(2.0 + COOL_DOWN)
    assert 0 in free(subject)


SETTLING = {
    "its own object, by name": (pod("web"), holder("web", 1), True),
    "an object with its prefix": (unreserved("web-"), holder("web-x7k2p", 1), True),
    "an object with what is left of a long prefix": (unreserved("w" * 70), holder("w" * 58 + "x7k2p", 1), True),
    "another pod": (pod("web"), holder("db", 1), False),
    "an object without its prefix": (unreserved("web-"), holder("db-x7k2p", 1), False),
    "a machine's launcher pod": (
        machine("vm"),
        Holder(key("virt-launcher-vm"), "uid-1", machine("vm"), (at(1),)),
        False,
    ),
    "the machine itself": (machine("vm"), Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(1),)), True),
    "its object, with another address": (pod("web"), holder("web", 2), False),
}


@pytest.mark.parametrize(("party", "seen", "settled"), SETTLING.values(), ids=SETTLING)
def test_an_allocation_is_settled_by_the_object_that_it_was_for(party: object, seen: Holder, *, settled: bool) -> None:
    subject = ledger()
    subject.allocate(at(1), party, 1.0)  # type: ignore[arg-type]
    subject.observe(seen, 2.0)
    assert (subject.latest_allocation(at(1)) is None) is settled


def test_the_object_that_was_there_at_the_allocation_does_not_settle_it() -> None:
    """Its delete event is on its way; the object that the allocation is for has a uid of its own."""
    subject = ledger()
    subject.observe(holder("web", 1, uid="uid-1"), 1.0)
    subject.allocate(at(1), pod("web"), 2.0)
    assert subject.latest_allocation(at(1)) == Allocation(pod("web"), 2.0, 1, frozenset({"uid-1"}))
    subject.observe(holder("web", 1, uid="uid-1"), 3.0)
    assert subject.in_flight_count == 1
    subject.observe(holder("web", 1, uid="uid-2"), 4.0)
    assert subject.in_flight_count == 0


def test_the_object_that_was_there_without_the_address_settles_it_by_carrying_it() -> None:
    """So it is with a VirtualMachine that is given one more interface."""
    subject = ledger()
    subject.observe(holder("web", 1, uid="uid-1"), 1.0)
    subject.allocate(at(2), pod("web"), 2.0)
    subject.observe(holder("web", 1, 2, uid="uid-1"), 3.0)
    assert subject.in_flight_count == 0


def test_one_of_several_admissions_that_is_seen_does_not_settle_the_allocation() -> None:
    subject = ledger()
    subject.allocate(at(1), pod("web"), 1.0)
    subject.allocate(at(1), pod("web"), 2.0)
    subject.observe(holder("web", 1), 3.0)
    subject.vanish(key("web"), 4.0)
    assert subject.latest_allocation(at(1)) == Allocation(pod("web"), 2.0, 2)
    subject.pass_barrier(2.0 + BOUND)
    assert subject.in_flight_count == 0


def test_an_allocation_ends_when_the_view_is_proven_past_its_bound_and_not_before() -> None:
    subject = ledger()
    for number, now in ((1, 10.0), (2, 20.0), (3, 20.0), (4, 30.0)):
        subject.allocate(at(number), pod(f"web-{number}"), now)
    subject.pass_barrier(10.0 + BOUND - 0.001)
    assert subject.in_flight_count == 4
    subject.pass_barrier(20.0 + BOUND)
    assert free(subject) == {0, 1, 2}
    assert subject.oldest_unseen() == 30.0
    subject.pass_barrier(30.0 + BOUND)
    assert subject.oldest_unseen() is None


def test_the_bound_counts_from_the_last_allocation_of_an_address() -> None:
    subject = ledger()
    subject.allocate(at(1), pod("web"), 10.0)
    subject.allocate(at(2), pod("db"), 20.0)
    subject.allocate(at(1), pod("web"), 30.0)
    assert subject.oldest_unseen() == 20.0
    subject.pass_barrier(20.0 + BOUND)
    assert subject.latest_allocation(at(1)) is not None
    assert subject.latest_allocation(at(2)) is None


def test_an_allocation_that_ends_unseen_leaves_a_held_address_held() -> None:
    """So it is when a create is refused because the pod is there already."""
    subject = ledger()
    subject.observe(holder("web", 1), 1.0)
    subject.allocate(at(1), pod("web"), 2.0)
    subject.pass_barrier(2.0 + BOUND)
    assert subject.in_flight_count == 0
    assert 0 not in free(subject)


def test_another_pool_knows_what_is_held_in_flight_and_cooling() -> None:
    subject = ledger(4)
    subject.observe(holder("held", 1), 1.0)
    subject.allocate(at(2), pod("in_flight"), 1.0)
    subject.observe(holder("cooling", 3), 1.0)
    subject.vanish(key("cooling"), 2.0)
    subject.replace_pool(pool(2, 6))
    assert free(subject) == {2, 3, 4}  # the addresses 4, 5 and 6
    assert names(subject, 1) == ["held"]
    assert [address for address, _ in subject.coolest()] == [at(3)]
    subject.replace_pool(pool(4, 6))
    assert (subject.free_count, list(subject.coolest())) == (3, [])
    subject.replace_pool(pool(1, 3))
    assert subject.free_count == 0
    assert [address for address, _ in subject.coolest()] == [at(3)]


def test_a_search_starts_where_it_is_told_to_and_goes_round() -> None:
    subject = ledger(4)
    subject.observe(holder("web", 2, 3), 1.0)
    assert [subject.next_free(position) for position in range(4)] == [0, 3, 3, 3]
    subject.observe(holder("db", 4), 1.0)
    assert subject.next_free(1) == 0
    subject.observe(holder("app", 1), 1.0)
    assert subject.next_free(1) is None


def test_20000_holders_are_told_again_well_within_a_fifth_of_a_second() -> None:
    """A relist runs in slices between admissions; it takes about 10 ms in all, so this holds on any machine."""
    subject = Ledger(Pool([AddressRange(at(1), at(65_535))]), in_flight_bound=BOUND, cool_down=COOL_DOWN)
    holders = [holder(f"web-{number}", 2 * number, 2 * number + 1) for number in range(1, 20_001)]
    for each in holders:
        subject.observe(each, 1.0)
    began = time.process_time()
    for each in holders:
        subject.observe(each, 2.0)
    assert time.process_time() - began < 0.2
    assert subject.held_count == 40_000


@pytest.mark.parametrize("state", ["in_flight", "cooling"])
def test_what_ends_at_once_takes_time_in_proportion(state: str) -> None:
    """16 times as many take about 16 times as long; 256 times, if each looked past all that went before it."""

    def duration(count: int) -> float:
        subject = Ledger(Pool([AddressRange(at(1), at(count))]), in_flight_bound=BOUND, cool_down=COOL_DOWN)
        if state == "cooling":
            subject.observe(holder("web", *range(1, count + 1)), 1.0)
            subject.vanish(key("web"), 1.0)
        else:
            for number in range(1, count + 1):
                subject.allocate(at(number), pod("web"), 1.0)
        began = time.process_time()
        subject.pass_barrier(1.0 + BOUND)
        subject.end_cooling(1.0 + COOL_DOWN)
        took = time.process_time() - began
        assert subject.free_count == count
        return took

    assert duration(65_536) < 60 * min(duration(4_096) for _ in range(3))


def test_an_object_with_many_addresses_takes_time_in_proportion() -> None:
    """16 times as many take about 16 times as long to allocate, see, see again and allocate again."""

    def duration(count: int) -> float:
        subject = ledger(count)
        seen = holder("web", *range(1, count + 1))
        began = time.process_time()
        for again in (1.0, 2.0):
            for address in seen.addresses:
                subject.allocate(address, pod("web"), again)
            subject.observe(seen, again)
            subject.observe(seen, again)
        subject.vanish(key("web"), 3.0)
        return time.process_time() - began

    assert duration(8_192) < 60 * min(duration(512) for _ in range(3))


def test_what_may_be_given_early_is_found_without_passing_over_the_rest() -> None:
    """Only one of the addresses that cool is a pod's, and it came last."""
    subject = Ledger(pool(1, 1_001), in_flight_bound=BOUND, cool_down=COOL_DOWN)
    for number in range(1, 1_001):
        launcher = ObjectKey("Pod", "ns", f"virt-launcher-{number}")
        subject.observe(Holder(launcher, "uid-1", machine(f"vm-{number}"), (at(number),)), 1.0)
        subject.vanish(launcher, 2.0)
    subject.observe(holder("web", 1_001), 1.0)
    subject.vanish(key("web"), 3.0)
    assert subject.cooling_count == 1_001
    assert list(subject._given_early) == [at(1_001)]
    assert list(subject.coolest()) == [(at(1_001), Cooling(3.0, "Pod"))]
