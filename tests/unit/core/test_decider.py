import copy

import pytest
from tests.model.frozen import freeze
from tests.unit.core.subjects import BOUND, COOL_DOWN, at, holder, key, ledger, machine, pod, pool, unnamed

from kubemacpool.core.addresses import parse_address
from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Exhausted, Fault, Granted, Refusal, Refused
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, Party
from kubemacpool.core.pool import AddressRange, Pool


def decider(addresses: int = 4, *, cool_down: float = COOL_DOWN) -> Decider:
    return Decider(ledger(addresses, cool_down=cool_down))


def ask(of: Decider, name: str, *numbers: int | None, now: float = 10.0) -> list[int] | None:
    """The numbers of the addresses that a pod is granted; None when there are none left."""
    wanted = tuple(None if number is None else at(number) for number in numbers)
    decision = of.decide(AddressRequest(pod(name), wanted), now)
    match decision:
        case Granted(addresses):
            return [address - at(0) for address in addresses]
        case Exhausted():
            return None
        case Refused(refusals):
            raise AssertionError(refusals)


def refusals(of: Decider, request: AddressRequest, now: float = 10.0) -> tuple[Refusal, ...]:
    decision = of.decide(request, now)
    assert isinstance(decision, Refused)
    return decision.refusals


def fill_and_release(of: Decider, *names: str) -> None:
    """Let each pod take an address and go again, at moments 1.0, 2.0 and so on."""
    for now, name in enumerate(names, start=1):
        granted = ask(of, name, None, now=float(now))
        assert granted
        of.ledger.observe(holder(name, *granted), float(now))
    for now, name in enumerate(names, start=1):
        of.ledger.vanish(key(name), float(now))


def test_every_interface_gets_an_address_of_its_own_in_the_pools_order() -> None:
    subject = decider()
    assert ask(subject, "web", None, None) == [1, 2]
    assert ask(subject, "db", None) == [3]


def test_an_object_without_interfaces_is_granted_nothing() -> None:
    assert ask(decider(), "web") == []


def test_what_is_granted_is_pending_for_its_party_from_that_moment_on() -> None:
    subject = decider()
    ask(subject, "web", None, 9, now=7.0)
    for number in (1, 9):
        grant = subject.ledger.pending(at(number))
        assert grant is not None
        assert (grant.party, grant.granted_at) == (pod("web"), 7.0)


def test_automatic_addresses_pass_over_those_that_the_same_request_names() -> None:
    assert ask(decider(5), "web", None, 1, None, 3, None) == [2, 1, 4, 3, 5]


def test_held_pending_and_cooling_addresses_are_passed_over() -> None:
    subject = decider(6)
    subject.ledger.observe(holder("held", 1), 1.0)
    subject.ledger.grant(at(3), pod("pending"), 1.0)
    subject.ledger.observe(holder("cooling", 4), 1.0)
    subject.ledger.vanish(key("cooling"), 1.0)
    assert ask(subject, "web", None, None) == [2, 5]


REFUSALS = {
    "held by another pod": ((1,), [(0, 1, Fault.HELD, pod("held"))]),
    "held by another pod, outside the range": ((77,), [(0, 77, Fault.HELD, pod("far"))]),
    "on its way to another pod": ((2,), [(0, 2, Fault.PENDING, pod("pending"))]),
    "on its way to a pod without a name": ((3,), [(0, 3, Fault.PENDING, unnamed("new-"))]),
    "given twice": ((4, None, 4), [(2, 4, Fault.TWICE, 0)]),
    "given three times": ((4, 4, 4), [(1, 4, Fault.TWICE, 0), (2, 4, Fault.TWICE, 0)]),
    "all that is wrong is named": (
        (None, 2, 4, 1, 4),
        [(1, 2, Fault.PENDING, pod("pending")), (3, 1, Fault.HELD, pod("held")), (4, 4, Fault.TWICE, 2)],
    ),
}


@pytest.mark.parametrize(("numbers", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_an_address_that_somebody_else_has_is_refused_and_the_answer_names_them(
    numbers: tuple[int | None, ...], expected: list[tuple[int, int, Fault, Party | int]]
) -> None:
    subject = decider(6)
    subject.ledger.observe(holder("held", 1), 1.0)
    subject.ledger.observe(holder("far", 77), 1.0)
    subject.ledger.grant(at(2), pod("pending"), 1.0)
    subject.ledger.grant(at(3), unnamed("new-"), 1.0)
    before = freeze(subject)
    wanted = tuple(None if number is None else at(number) for number in numbers)
    found = refusals(subject, AddressRequest(pod("web"), wanted))
    assert found == tuple(
        Refusal(interface, at(number), fault, detail) for interface, number, fault, detail in expected
    )
    assert freeze(subject) == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00:00:00:00:00:00", "the all-zero address, which no interface may have"),
        ("01:00:5e:00:00:01", "a multicast address, which no interface may have; the first octet must be even"),
        ("ff:ff:ff:ff:ff:ff", "a multicast address, which no interface may have; the first octet must be even"),
    ],
)
def test_an_address_that_no_interface_may_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    address = parse_address(text)
    found = refusals(decider(), AddressRequest(pod("web"), (None, address)))
    assert found == (Refusal(1, address, Fault.UNUSABLE, reason),)


def test_a_free_address_may_be_asked_for_inside_and_outside_the_range() -> None:
    subject = decider()
    assert ask(subject, "web", 3, 77) == [3, 77]
    assert ask(subject, "db", None, None, None) == [1, 2, 4]


def test_an_address_asked_for_does_not_move_the_search() -> None:
    subject = decider()
    assert ask(subject, "web", 3) == [3]
    assert ask(subject, "db", None) == [1]


def test_an_address_that_cools_down_is_granted_to_who_asks_for_it() -> None:
    subject = decider()
    fill_and_release(subject, "web")
    assert ask(subject, "db", 1) == [1]


def test_the_same_name_is_the_same_party_while_its_last_object_is_still_known() -> None:
    subject = decider()
    assert ask(subject, "web", 2) == [2]
    assert ask(subject, "web", 2) == [2]  # its first admission may still be under way
    grant = subject.ledger.pending(at(2))
    assert grant is not None
    assert grant.admissions == 2
    subject.ledger.observe(holder("web", 2), 11.0)
    assert ask(subject, "web", 2) == [2]


def test_an_address_granted_again_is_pending_until_the_new_object_is_seen() -> None:
    subject = decider()
    subject.ledger.observe(holder("web", 2, uid="uid-1"), 1.0)
    assert ask(subject, "web", 2) == [2]
    subject.ledger.vanish(key("web"), 11.0)
    found = refusals(subject, AddressRequest(pod("db"), (at(2),)))
    assert found == (Refusal(0, at(2), Fault.PENDING, pod("web")),)
    subject.ledger.observe(holder("web", 2, uid="uid-2"), 12.0)
    assert subject.ledger.pending(at(2)) is None


def test_pods_without_a_name_are_parties_of_their_own() -> None:
    subject = decider()
    assert subject.decide(AddressRequest(unnamed("web-", "request-1"), (at(1),)), 1.0) == Granted((at(1),))
    found = refusals(subject, AddressRequest(unnamed("web-", "request-2"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.PENDING, unnamed("web-", "request-1")),)
    assert subject.decide(AddressRequest(unnamed("web-", "request-1"), (at(1),)), 2.0) == Granted((at(1),))


def test_a_pod_named_like_anothers_prefix_is_another_party() -> None:
    subject = decider()
    subject.decide(AddressRequest(unnamed("web-"), (at(1),)), 1.0)
    found = refusals(subject, AddressRequest(pod("web-"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.PENDING, unnamed("web-")),)


def test_a_pod_that_was_given_a_name_is_the_party_of_that_name_from_then_on() -> None:
    subject = decider()
    subject.decide(AddressRequest(unnamed("web-"), (None,)), 1.0)
    subject.ledger.observe(holder("web-x7k2p", 1), 2.0)
    found = refusals(subject, AddressRequest(unnamed("web-", "request-2"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.HELD, pod("web-x7k2p")),)
    assert ask(subject, "web-x7k2p", 1) == [1]


def test_of_several_holders_any_that_is_another_party_refuses() -> None:
    """Both went past us; neither may be created again with the address while the other has it."""
    subject = decider()
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.ledger.observe(holder("db", 1), 1.0)
    for name, other in (("web", "db"), ("db", "web"), ("app", "web")):
        found = refusals(subject, AddressRequest(pod(name), (at(1),)))
        assert found == (Refusal(0, at(1), Fault.HELD, pod(other)),)


def test_a_machine_may_have_the_address_that_its_launcher_pod_carries() -> None:
    subject = decider()
    subject.ledger.observe(Holder(key("virt-launcher-vm"), "uid-1", machine("vm"), (at(1),)), 1.0)
    assert subject.decide(AddressRequest(machine("vm"), (at(1),)), 2.0) == Granted((at(1),))
    assert subject.ledger.pending(at(1)) is not None


def test_what_the_object_carried_before_is_neither_judged_nor_recorded() -> None:
    subject = decider()
    subject.ledger.observe(holder("other", 1), 1.0)
    multicast = parse_address("01:00:5e:00:00:01")
    request = AddressRequest(machine("vm"), (at(1), None, multicast), frozenset({at(1), multicast}))
    assert subject.decide(request, 2.0) == Granted((at(1), at(2), multicast))
    assert subject.ledger.pending_count == 1


def test_what_the_object_carried_before_is_not_chosen_for_another_interface() -> None:
    """The ledger may not know of it; chosen, it would be granted without a record."""
    subject = decider(2)
    request = AddressRequest(machine("vm"), (None,), frozenset({at(1)}))
    assert subject.decide(request, 1.0) == Granted((at(2),))
    assert isinstance(subject.decide(request, 2.0), Exhausted)


def test_an_address_twice_in_one_object_is_refused_though_it_was_so_before() -> None:
    request = AddressRequest(machine("vm"), (at(1), at(1)), frozenset({at(1)}))
    assert refusals(decider(), request) == (Refusal(1, at(1), Fault.TWICE, 0),)


@pytest.mark.parametrize(
    "wanted",
    [(None,), (None, None), (at(1),), (None, at(3)), (at(77),), (at(2),), (at(4), at(4)), (None,) * 5],
    ids=["any", "two", "cooling", "mixed", "outside", "held", "twice", "too many"],
)
def test_a_dry_run_says_the_same_and_changes_nothing(wanted: tuple[int | None, ...]) -> None:
    """Not the grants, not the cool-downs, not the place of the search."""
    subject = decider(5)
    fill_and_release(subject, "cooling")
    subject.ledger.observe(holder("held", 2), 9.0)
    request = AddressRequest(pod("web"), wanted, dry_run=True)
    before = freeze(subject)
    decision = subject.decide(request, 10.0)
    assert freeze(subject) == before
    assert copy.deepcopy(subject).decide(request._replace(dry_run=False), 10.0) == decision
    assert subject.decide(request._replace(dry_run=False), 10.0) == decision


def test_a_full_pool_says_how_it_came_to_that_and_records_nothing() -> None:
    subject = Decider(Ledger(pool(1, 4), in_flight_bound=BOUND, cool_down=COOL_DOWN))
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(1),)), 1.0)
    subject.ledger.vanish(key("vm", "VirtualMachine"), 2.0)
    assert ask(subject, "web", None, now=3.0) == [2]
    before = freeze(subject)
    decision = subject.decide(AddressRequest(pod("db"), (None,) * 5), 4.0)
    assert decision == Exhausted("02:00:00:00:00:01-02:00:00:00:00:04", 4, needed=5, missing=3, returning=2)
    assert freeze(subject) == before


def test_when_nothing_else_is_free_the_pods_address_that_has_cooled_longest_is_given() -> None:
    subject = decider(3)
    fill_and_release(subject, "a", "b", "c")  # released at 1.0, 2.0 and 3.0
    assert ask(subject, "web", None, None, now=4.0) == [1, 2]
    assert ask(subject, "db", None, None, now=4.0) is None  # all or nothing
    assert ask(subject, "db", None, now=4.0) == [3]


def test_free_addresses_are_given_before_those_that_cool() -> None:
    subject = decider(3)
    fill_and_release(subject, "a", "b")
    assert ask(subject, "web", None, None, now=4.0) == [3, 1]


def test_an_address_that_cools_and_is_asked_for_is_not_given_early_to_the_next_interface() -> None:
    subject = decider(2)
    fill_and_release(subject, "a", "b")
    assert ask(subject, "web", None, 1, now=4.0) == [2, 1]


def test_a_machines_address_waits_for_its_cool_down() -> None:
    subject = decider(1)
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(1),)), 1.0)
    subject.ledger.vanish(key("vm", "VirtualMachine"), 2.0)
    assert ask(subject, "web", None, now=2.0 + COOL_DOWN - 0.001) is None
    assert ask(subject, "web", None, now=2.0 + COOL_DOWN) == [1]


def test_an_address_is_used_again_as_late_as_possible() -> None:
    """The search goes round, with or without a cool-down."""
    subject = decider(4, cool_down=0)
    given = []
    for number in range(8):
        given += ask(subject, f"web-{number}", None) or []
        subject.ledger.observe(holder(f"web-{number}", given[-1]), 10.0)
        subject.ledger.vanish(key(f"web-{number}"), 10.0)
    assert given == [1, 2, 3, 4, 1, 2, 3, 4]


REPLACEMENTS = {
    "a longer pool goes on behind the last": ([(1, 8)], 5),
    "and so after it had come round": ([(1, 4), (1, 8)], 5),
    "a pool with other addresses starts with the first after the last": ([(3, 3), (7, 9)], 7),
    "a pool that lies before the last starts with its first": ([(1, 2)], 1),
    "there and back again goes on where it was": ([(20, 29), (1, 8)], 5),
}


@pytest.mark.parametrize(("replacements", "expected"), REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_in_another_pool_the_search_goes_on_after_the_address_that_it_gave_last(
    replacements: list[tuple[int, int]], expected: int
) -> None:
    subject = decider(4, cool_down=0)
    assert ask(subject, "web", None, None, None, None) == [1, 2, 3, 4]
    subject.ledger.prove(10.0 + BOUND)
    for first, last in replacements:
        subject.replace_pool(pool(first, last))
    assert ask(subject, "db", None) == [expected]


def test_a_pool_replaced_before_the_first_grant_starts_with_its_first_address() -> None:
    subject = decider(4)
    subject.replace_pool(pool(3, 9))
    assert ask(subject, "web", None) == [3]


def test_those_outside_a_new_pool_keep_what_they_have() -> None:
    subject = decider(4)
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.replace_pool(pool(3, 9))
    found = refusals(subject, AddressRequest(pod("db"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.HELD, pod("web")),)


def test_grants_and_releases_of_one_moment_keep_their_order() -> None:
    """A clock may stand still between two calls."""
    subject = decider(3)
    for name in ("a", "b", "c"):
        granted = ask(subject, name, None, now=5.0)
        assert granted
        subject.ledger.observe(holder(name, *granted), 5.0)
    for name in ("b", "c", "a"):
        subject.ledger.vanish(key(name), 5.0)
    assert ask(subject, "web", None, now=5.0) == [2]
    assert ask(subject, "db", None, now=5.0) == [3]
    subject.ledger.prove(5.0 + BOUND)
    assert subject.ledger.pending_count == 0


class CountingLedger(Ledger):
    """Counts the steps of a search for addresses."""

    steps = 0

    def next_free(self, position: int) -> int | None:
        """One step."""
        self.steps += 1
        return super().next_free(position)


@pytest.mark.parametrize("missing", [0, 1, 1_000])
def test_a_request_looks_at_each_address_once_however_many_interfaces_it_has(missing: int) -> None:
    """An annotation has room for thousands of entries: a search for each of them would keep everybody else waiting."""
    counting = CountingLedger(pool(1, 1_000), in_flight_bound=BOUND, cool_down=COOL_DOWN)
    wanted = [*range(1, 500), *[None] * (501 + missing)]
    granted = ask(Decider(counting), "web", *wanted)
    assert (granted is None) is (missing > 0)
    assert counting.steps <= 1_001


def test_a_pool_of_nearly_everything_costs_no_more_than_a_small_one() -> None:
    """Both find the next address in one step of the search."""
    for each in (pool(1, 4), Pool([AddressRange(0, (1 << 48) - 1)])):
        counting = CountingLedger(each, in_flight_bound=BOUND, cool_down=COOL_DOWN)
        assert isinstance(Decider(counting).decide(AddressRequest(pod("web"), (None,)), 1.0), Granted)
        assert counting.steps == 1
        assert len(counting._occupancy._chunks) == 1
