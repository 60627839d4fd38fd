"""EXCLUDE and START in the ConfigMap."""

import pytest

from kubemacpool.core.addresses import parse_address
from kubemacpool.wire import config
from kubemacpool.wire.config import LONGEST_EXCLUSION, MOST_EXCLUSIONS, RangeError, parse_pool

RANGE = {"RANGE_START": "02:00:00:00:00:01", "RANGE_END": "02:00:00:00:01:00"}
SIZE = 256

EXCLUDED = {
    "nothing": ("", SIZE),
    "blanks": (" \n ,, ", SIZE),
    "an address": ("02:00:00:00:00:10", SIZE - 1),
    "an address with hyphens": ("02-00-00-00-00-10", SIZE - 1),
    "a range": ("02:00:00:00:00:10-02:00:00:00:00:1f", SIZE - 16),
    "a range whose addresses have hyphens": ("02-00-00-00-00-10-02-00-00-00-00-1F", SIZE - 16),
    "a range of digits": ("020000000010-02000000001f", SIZE - 16),
    "several, however separated": ("02:00:00:00:00:10,02:00:00:00:00:11\n02:00:00:00:00:12  0200.0000.0013", SIZE - 4),
    "overlapping": ("02:00:00:00:00:10-02:00:00:00:00:1f,02:00:00:00:00:1f-02:00:00:00:00:20", SIZE - 17),
    "outside the range": ("0a:00:00:00:00:10", SIZE),
}


@pytest.mark.parametrize(("text", "size"), EXCLUDED.values(), ids=EXCLUDED)
def test_what_is_excluded_is_not_in_the_pool(text: str, size: int) -> None:
    pool = parse_pool({**RANGE, "EXCLUDE": text})
    assert pool.size == size
    assert (parse_address("02:00:00:00:00:10") in pool) == (size == SIZE)


FAULTS = {
    "no address": ("hello", 'EXCLUDE "hello" is neither an address nor a range of two; write it like'),
    "hyphens": ("-" * LONGEST_EXCLUSION, "is neither an address nor a range of two"),
    "too long": ("02:00:00:00:00:10-02:00:00:00:00:101", "is neither an address nor a range of two"),
    "half a range": ("02:00:00:00:00:10-", 'EXCLUDE "02:00:00:00:00:10-" is neither'),
    "three in a row": ("020000000010-020000000011-020000000012", "is neither an address nor a range of two"),
    "the wrong way round": (
        "02:00:00:00:00:11-02:00:00:00:00:10",
        'EXCLUDE "02:00:00:00:00:11-02:00:00:00:00:10" ends before it begins; swap the two addresses',
    ),
    "too many": ("020000000010," * (MOST_EXCLUSIONS + 1), "EXCLUDE has 10001 entries; give at most 10000"),
    "everything": ("02:00:00:00:00:00-02:00:00:00:01:00", "and those in EXCLUDE are left out"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_exclusion_is_told_with_its_remedy(text: str, message: str) -> None:
    with pytest.raises(RangeError) as error:
        parse_pool({**RANGE, "EXCLUDE": text})
    assert message in str(error.value)


def test_a_pool_says_that_something_is_excluded_and_not_all_of_it() -> None:
    assert str(parse_pool({**RANGE, "EXCLUDE": "02:00:00:00:00:10,02:00:00:00:00:11"})) == (
        "02:00:00:00:00:01-02:00:00:00:01:00 (less 2 excluded)"
    )


@pytest.mark.parametrize("start", [{}, {"START": ""}, {"START": "range"}, {"START": " range\n"}])
def test_the_search_begins_at_the_first_address_where_nothing_else_is_said(start: dict[str, str]) -> None:
    assert parse_pool({**RANGE, **start}, "uid-1").beginning == 0


def test_a_cluster_begins_at_a_place_of_its_own_and_always_at_the_same() -> None:
    beginnings = [parse_pool({**RANGE, "START": "cluster"}, f"uid-{number}").beginning for number in range(64)]
    assert beginnings == [parse_pool({**RANGE, "START": "cluster"}, f"uid-{number}").beginning for number in range(64)]
    assert len(set(beginnings)) > 48, "64 clusters in 256 places rarely meet"
    assert all(0 <= beginning < SIZE for beginning in beginnings)


def test_another_word_for_start_is_told_with_its_remedy() -> None:
    with pytest.raises(RangeError, match='START is "anywhere"; write range'):
        parse_pool({**RANGE, "START": "anywhere"})


def test_a_pool_with_other_exclusions_or_another_beginning_is_another_pool() -> None:
    pool = parse_pool(RANGE, "uid-1")
    assert pool.is_the_same_as(parse_pool(dict(RANGE), "uid-2"))
    assert not pool.is_the_same_as(parse_pool({**RANGE, "EXCLUDE": "02:00:00:00:00:10"}, "uid-1"))
    assert not pool.is_the_same_as(parse_pool({**RANGE, "START": "cluster"}, "uid-1"))


@pytest.mark.parametrize("length", [LONGEST_EXCLUSION, LONGEST_EXCLUSION + 1, 900_000])
def test_an_exclusion_of_hyphens_is_read_at_as_many_places_as_an_entry_has_characters(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(text: str) -> int:
        read.append(text)
        return parse_address(text)

    data = {**RANGE, "EXCLUDE": "-" * length}
    monkeypatch.setattr(config, "parse_address", counting)
    with pytest.raises(RangeError):
        parse_pool(data)
    assert len(read) <= 2 + 1 + LONGEST_EXCLUSION
