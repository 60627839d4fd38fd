import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import ADDRESSES, ranges, small_ranges

from kubemacpool.core.addresses import LARGEST_ADDRESS, is_multicast, parse_address
from kubemacpool.core.pool import NEVER_ALLOCATED, AddressRange, EmptyPoolError, Pool


def span(text: str) -> AddressRange:
    """A range, written as an address or as two with a dash."""
    first, _, last = text.partition("-")
    return AddressRange(parse_address(first), parse_address(last or first))


def pool(*texts: str, excluded: tuple[str, ...] = ()) -> Pool:
    return Pool(map(span, texts), map(span, excluded))


def addresses(of: Pool) -> list[int]:
    return [of.address_at(position) for position in range(of.size)]


CASES = {
    "one address": (("02:00:00:00:00:05",), (), ["02:00:00:00:00:05"]),
    "both ends belong to a range": (
        ("02:00:00:00:00:05-02:00:00:00:00:07",),
        (),
        ["02:00:00:00:00:05", "02:00:00:00:00:06", "02:00:00:00:00:07"],
    ),
    "multicast octets are skipped": (
        ("02:ff:ff:ff:ff:fe-04:00:00:00:00:01",),
        (),
        ["02:ff:ff:ff:ff:fe", "02:ff:ff:ff:ff:ff", "04:00:00:00:00:00", "04:00:00:00:00:01"],
    ),
    "a range may begin in a multicast octet": (
        ("03:ff:ff:ff:ff:ff-04:00:00:00:00:01",),
        (),
        ["04:00:00:00:00:00", "04:00:00:00:00:01"],
    ),
    "and end in one": (("04:ff:ff:ff:ff:ff-05:00:00:00:00:01",), (), ["04:ff:ff:ff:ff:ff"]),
    "ranges may overlap": (
        ("02:00:00:00:00:05-02:00:00:00:00:07", "02:00:00:00:00:06-02:00:00:00:00:08"),
        (),
        ["02:00:00:00:00:05", "02:00:00:00:00:06", "02:00:00:00:00:07", "02:00:00:00:00:08"],
    ),
    "one range may lie in another": (
        ("02:00:00:00:00:05-02:00:00:00:00:08", "02:00:00:00:00:06"),
        (),
        ["02:00:00:00:00:05", "02:00:00:00:00:06", "02:00:00:00:00:07", "02:00:00:00:00:08"],
    ),
    "ranges may come in any order": (
        ("04:00:00:00:00:01", "02:00:00:00:00:01"),
        (),
        ["02:00:00:00:00:01", "04:00:00:00:00:01"],
    ),
    "ranges may touch": (
        ("02:00:00:00:00:01", "02:00:00:00:00:02"),
        (),
        ["02:00:00:00:00:01", "02:00:00:00:00:02"],
    ),
    "an exclusion at the first address": (
        ("02:00:00:00:00:05-02:00:00:00:00:07",),
        ("02:00:00:00:00:05",),
        ["02:00:00:00:00:06", "02:00:00:00:00:07"],
    ),
    "an exclusion at the last address": (
        ("02:00:00:00:00:05-02:00:00:00:00:07",),
        ("02:00:00:00:00:07",),
        ["02:00:00:00:00:05", "02:00:00:00:00:06"],
    ),
    "an exclusion between": (
        ("02:00:00:00:00:05-02:00:00:00:00:07",),
        ("02:00:00:00:00:06",),
        ["02:00:00:00:00:05", "02:00:00:00:00:07"],
    ),
    "exclusions reach over both ends": (
        ("02:00:00:00:00:05-02:00:00:00:00:08",),
        ("02:00:00:00:00:01-02:00:00:00:00:05", "02:00:00:00:00:08-02:00:00:00:00:09"),
        ["02:00:00:00:00:06", "02:00:00:00:00:07"],
    ),
    "one exclusion reaches over several ranges": (
        ("02:00:00:00:00:05-02:00:00:00:00:06", "02:00:00:00:00:08-02:00:00:00:00:09"),
        ("02:00:00:00:00:06-02:00:00:00:00:08",),
        ["02:00:00:00:00:05", "02:00:00:00:00:09"],
    ),
    "an exclusion beside a range": (
        ("02:00:00:00:00:05",),
        ("02:00:00:00:00:04", "02:00:00:00:00:06"),
        ["02:00:00:00:00:05"],
    ),
    "an exclusion of the other ranges": (
        ("02:00:00:00:00:05",),
        ("0a:00:00:00:00:00-0a:00:00:00:00:ff",),
        ["02:00:00:00:00:05"],
    ),
    "zero is never handed out": (("00:00:00:00:00:00-00:00:00:00:00:01",), (), ["00:00:00:00:00:01"]),
    "KubeVirt's masquerade address is never handed out": (
        ("02:00:00:00:00:00-02:00:00:00:00:01",),
        (),
        ["02:00:00:00:00:01"],
    ),
    "a range that ends before it begins holds nothing": (
        ("02:00:00:00:00:09-02:00:00:00:00:01", "02:00:00:00:00:05"),
        (),
        ["02:00:00:00:00:05"],
    ),
    "an exclusion that ends before it begins excludes nothing": (
        ("02:00:00:00:00:05-02:00:00:00:00:07",),
        ("02:00:00:00:00:07-02:00:00:00:00:05",),
        ["02:00:00:00:00:05", "02:00:00:00:00:06", "02:00:00:00:00:07"],
    ),
}


@pytest.mark.parametrize(("texts", "excluded", "expected"), CASES.values(), ids=CASES)
def test_a_pool_is_the_unicast_addresses_of_its_ranges_less_the_exclusions(
    texts: tuple[str, ...], excluded: tuple[str, ...], expected: list[str]
) -> None:
    built = pool(*texts, excluded=excluded)
    assert built.size == len(expected)
    assert addresses(built) == list(map(parse_address, expected))
    assert [built.position_of(address) for address in addresses(built)] == list(range(built.size))


@pytest.mark.parametrize(
    ("texts", "excluded"),
    [
        ((), ()),
        (("00:00:00:00:00:00",), ()),
        (("02:00:00:00:00:00",), ()),
        (("01:00:00:00:00:00-01:ff:ff:ff:ff:ff",), ()),
        (("02:00:00:00:00:05",), ("02:00:00:00:00:05",)),
        (("02:00:00:00:00:05-02:00:00:00:00:06",), ("02:00:00:00:00:00-02:00:00:00:00:09",)),
        (("02:00:00:00:00:06-02:00:00:00:00:05",), ()),
        (("02:00:00:00:00:09-02:00:00:00:00:05",), ()),
    ],
)
def test_a_pool_without_an_address_is_refused(texts: tuple[str, ...], excluded: tuple[str, ...]) -> None:
    with pytest.raises(EmptyPoolError, match=r"^no unicast address in it may be handed out$"):
        pool(*texts, excluded=excluded)


def test_the_whole_space_is_half_of_it_less_the_two_that_are_never_allocated() -> None:
    whole = Pool([AddressRange(0, LARGEST_ADDRESS)])
    assert whole.size == 2**47 - 2
    assert whole.address_at(0) == 1
    assert whole.address_at(2**40 - 2) == 2**40 - 1  # the last one of octet 00
    assert whole.address_at(2**40 - 1) == 0x02_00_00_00_00_01
    assert whole.address_at(whole.size - 1) == 0xFE_FF_FF_FF_FF_FF
    assert whole.position_of(0xFE_FF_FF_FF_FF_FF) == whole.size - 1
    assert whole.position_of(LARGEST_ADDRESS) is None


def test_a_large_pool_costs_about_as_much_as_a_small_one() -> None:
    """One looks through 128 runs of neighbours where the other looks through one."""

    def cost(built: Pool) -> float:
        began = time.process_time()
        for position in range(0, built.size, max(1, built.size // 10_000)):
            built.position_of(built.address_at(position))
        return time.process_time() - began

    small = pool("02:00:00:00:00:01-02:00:00:00:27:10")
    whole = Pool([AddressRange(0, LARGEST_ADDRESS)])
    assert min(cost(whole) for _ in range(3)) < 10 * min(cost(small) for _ in range(3))


@pytest.mark.parametrize(
    "text", ["02:00:00:00:00:04", "02:00:00:00:00:07", "03:00:00:00:00:05", "00:00:00:00:00:00", "0a:00:00:00:00:01"]
)
def test_an_address_outside_has_no_position(text: str) -> None:
    built = pool("02:00:00:00:00:05-02:00:00:00:00:06", "02:00:00:00:00:08")
    assert built.position_of(parse_address(text)) is None
    assert parse_address(text) not in built


def test_an_address_inside_is_in_the_pool() -> None:
    assert parse_address("02:00:00:00:00:05") in pool("02:00:00:00:00:05")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("00:00:00:00:00:01", 0),  # before the pool
        ("02:00:00:00:00:05", 1),
        ("02:00:00:00:00:06", 2),  # the last one of a run: on to the next
        ("02:00:00:00:00:07", 2),  # between runs
        ("02:00:00:00:00:08", 3),
        ("02:00:00:00:00:09", 0),  # the last one of all: round to the first
        ("04:00:00:00:00:00", 0),  # behind the pool
    ],
)
def test_the_cycle_goes_on_with_the_next_greater_address(text: str, position: int) -> None:
    built = pool("02:00:00:00:00:05-02:00:00:00:00:06", "02:00:00:00:00:08-02:00:00:00:00:09")
    assert built.position_after(parse_address(text)) == position


def test_a_pool_is_shown_as_the_ranges_that_it_was_given() -> None:
    built = pool("04:00:00:00:00:00-04:00:00:00:00:ff", "02:00:00:00:00:00-02:00:00:00:00:0f")
    assert str(built) == "04:00:00:00:00:00-04:00:00:00:00:ff, 02:00:00:00:00:00-02:00:00:00:00:0f"
    built = pool("04:00:00:00:00:00-04:00:00:00:00:ff", excluded=("04:00:00:00:00:01-04:00:00:00:00:02",))
    assert str(built) == "04:00:00:00:00:00-04:00:00:00:00:ff (less 1 excluded)"


@given(st.lists(small_ranges(), max_size=4), st.lists(small_ranges(), max_size=3))
def test_a_pool_is_what_a_set_of_addresses_says(wanted: list[AddressRange], excluded: list[AddressRange]) -> None:
    expected = {
        address
        for each in wanted
        for address in range(each.first, each.last + 1)
        if not is_multicast(address)
        and not any(hole.first <= address <= hole.last for hole in (*NEVER_ALLOCATED, *excluded))
    }
    try:
        built = Pool(wanted, excluded)
    except EmptyPoolError:
        assert not expected
        return
    assert addresses(built) == sorted(expected)


@given(st.lists(small_ranges(), min_size=1, max_size=4), st.lists(small_ranges(), max_size=3), small_ranges())
def test_the_positions_of_a_range_are_those_of_its_addresses(
    wanted: list[AddressRange], excluded: list[AddressRange], asked: AddressRange
) -> None:
    try:
        built = Pool(wanted, excluded)
    except EmptyPoolError:
        return
    for within in (*wanted, asked):
        expected = [place for place, each in enumerate(addresses(built)) if within.first <= each <= within.last]
        assert list(built.positions_of(within)) == expected


@given(st.lists(ranges(), min_size=1, max_size=4), st.lists(ranges(), max_size=3), ADDRESSES)
def test_positions_and_addresses_are_each_others_inverse_in_pools_of_any_size(
    wanted: list[AddressRange], excluded: list[AddressRange], address: int
) -> None:
    try:
        built = Pool(wanted, excluded)
    except EmptyPoolError:
        return
    position = built.position_of(address)
    assert position is None or built.address_at(position) == address
    after = built.position_after(address)
    if after:
        assert built.address_at(after - 1) <= address < built.address_at(after)
    else:
        assert address < built.address_at(0) or address >= built.address_at(built.size - 1)


SAMENESS = {
    "the same": (("02:00:00:00:00:05",), (), 0, True),
    "other ranges": (("02:00:00:00:00:06",), (), 0, False),
    "something excluded": (("02:00:00:00:00:05",), ("02:00:00:00:00:07",), 0, False),
    "another beginning": (("02:00:00:00:00:05",), (), 3, True),  # of one address there is only one beginning
}


@pytest.mark.parametrize(("texts", "excluded", "seed", "same"), SAMENESS.values(), ids=SAMENESS)
def test_two_pools_are_the_same_when_ranges_exclusions_and_beginning_are(
    texts: tuple[str, ...], excluded: tuple[str, ...], seed: int, *, same: bool
) -> None:
    other = Pool(map(span, texts), map(span, excluded), seed=seed)
    assert pool("02:00:00:00:00:05").is_the_same_as(other) is same


def test_a_pool_that_begins_elsewhere_is_another_one() -> None:
    whole = (span("02:00:00:00:00:01-02:00:00:00:00:0a"),)
    assert not Pool(whole).is_the_same_as(Pool(whole, seed=3))
    assert Pool(whole, seed=3).is_the_same_as(Pool(whole, seed=13))


LOCAL = {
    "all": (("02:00:00:00:00:01-02:00:00:00:00:03",), ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"]),
    "none": (("04:00:00:00:00:01-04:00:00:00:00:02",), ["04:00:00:00:00:01", "04:00:00:00:00:02"]),
    "one of many": (("04:00:00:00:00:00-06:00:00:00:00:00",), ["06:00:00:00:00:00"]),
    "in several pieces, others between them": (
        (
            "02:ff:ff:ff:ff:ff-04:00:00:00:00:09",
            "06:00:00:00:00:01-06:00:00:00:00:02",
            "08:00:00:00:00:00-0a:00:00:00:00:00",
        ),
        ["02:ff:ff:ff:ff:ff", "06:00:00:00:00:01", "06:00:00:00:00:02", "0a:00:00:00:00:00"],
    ),
}


@pytest.mark.parametrize(("texts", "expected"), LOCAL.values(), ids=LOCAL)
def test_locally_administered_addresses_are_derived_each_from_some_number(
    texts: tuple[str, ...], expected: list[str]
) -> None:
    subject = pool(*texts)
    found = [subject.derived(number) for number in range(2 * len(expected))]
    assert found == 2 * [parse_address(text) for text in expected]
    assert [
        subject.address_at(Pool(map(span, texts), seed=number).beginning) for number in range(1, len(expected))
    ] == (found[1 : len(expected)])
    assert Pool(map(span, texts)).beginning == 0


@given(ranges(), st.integers(0, 2**64))
def test_what_is_derived_is_of_the_pool_and_local_where_it_has_any_such(of: AddressRange, number: int) -> None:
    try:
        subject = Pool([of])
    except EmptyPoolError:
        return
    address = subject.derived(number)
    assert address in subject
    local = (AddressRange(octet << 40, (octet << 40) + 2**40 - 1) for octet in range(2, 256, 4))
    shared = (AddressRange(max(each.first, of.first), min(each.last, of.last)) for each in local)
    exists = any(each.first < each.last or each.first == each.last != NEVER_ALLOCATED[1].first for each in shared)
    assert bool(address >> 40 & 2) == exists


def test_a_huge_pool_derives_as_fast_as_a_small_one() -> None:
    subject = pool("02:00:00:00:00:00-fd:ff:ff:ff:ff:ff")
    assert all(subject.derived(number) >> 40 & 2 for number in range(0, 2**46, 2**34 + 1))
