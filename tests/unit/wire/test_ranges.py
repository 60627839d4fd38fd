import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire.strategies import TEXTS

from kubemacpool.core.addresses import format_address
from kubemacpool.wire.config import RANGE_CONFIG_MAP, RangeError, decode_config_map, parse_pool
from kubemacpool.wire.objects import Decoded, ObjectIdentity


def _data(start: str, end: str) -> dict[str, str]:
    return {"RANGE_START": start, "RANGE_END": end}


GOOD = {
    "as shipped": ("02:00:00:00:00:00", "FD:FF:FF:FF:FF:FF", 126 * 2**40 - 1),
    "mixed spellings": ("02-00-00-00-00-01", "0200.0000.00ff", 255),
    "digits only": ("020000000001", "02000000000A", 10),
    "blanks around": (" 02:00:00:00:00:01\n", "\t02:00:00:00:00:02 ", 2),
    "one address": ("02:00:00:00:00:07", "02:00:00:00:00:07", 1),
    "multicast in the middle": ("02:ff:ff:ff:ff:ff", "04:00:00:00:00:00", 2),
    "multicast at the ends": ("01:00:00:00:00:00", "03:ff:ff:ff:ff:ff", 2**40 - 1),
    "everything": ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", 2**47 - 2),
    "the last octet alone decides": ("02:00:00:00:00:09", "02:00:00:00:00:0a", 2),
    "the first octet alone decides": ("02:ff:ff:ff:ff:ff", "0a:00:00:00:00:00", 3 * 2**40 + 2),
}


@pytest.mark.parametrize(("start", "end", "size"), GOOD.values(), ids=GOOD)
def test_a_range_gives_a_pool_of_its_unicast_addresses(start: str, end: str, size: int) -> None:
    assert parse_pool({**_data(start, end), "unknown": "x"}).size == size


FAULTS = {
    "nothing": ({}, "RANGE_START is missing; set it to an address such as 02:00:00:00:00:00"),
    "no start": ({"RANGE_END": "02:00:00:00:00:01"}, "RANGE_START is missing; set it to an address such as"),
    "no end": ({"RANGE_START": "02:00:00:00:00:01"}, "RANGE_END is missing; set it to an address such as"),
    "an empty end": (_data("02:00:00:00:00:01", " "), "RANGE_END is missing; set it to an address such as"),
    "not an address": (
        _data("hello", "02:00:00:00:00:01"),
        'RANGE_START "hello" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01',
    ),
    "too short": (
        _data("02:00:00:00:00:01", "02:00:00:00:01"),
        'RANGE_END "02:00:00:00:01" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01',
    ),
    "eight bytes": (_data("02:00:00:00:00:00:00:00", "x"), 'RANGE_START "02:00:00:00:00:00:00:00" is not'),
    "two spellings in one": (_data("02:00-00:00:00:01", "x"), 'RANGE_START "02:00-00:00:00:01" is not'),
    "the wrong way round": (
        _data("0A:00:00:00:00:00", "02:ff:ff:ff:ff:ff"),
        "RANGE_START 0a:00:00:00:00:00 is greater than RANGE_END 02:ff:ff:ff:ff:ff; swap the two",
    ),
    "the wrong way round in the last octet": (
        _data("02:00:00:00:00:02", "02:00:00:00:00:01"),
        "RANGE_START 02:00:00:00:00:02 is greater than RANGE_END 02:00:00:00:00:01; swap the two",
    ),
    "multicast only": (
        _data("03:00:00:00:00:00", "03:ff:ff:ff:ff:ff"),
        (
            "RANGE_START 03:00:00:00:00:00 to RANGE_END 03:ff:ff:ff:ff:ff: no unicast address in it may be handed out "
            "(multicast addresses, whose first octet is odd, 00:00:00:00:00:00, 02:00:00:00:00:00 and those in EXCLUDE "
            "are left out); "
            "choose a range with unicast addresses, such as 02:00:00:00:00:00 to 02:00:00:ff:ff:ff"
        ),
    ),
    "the address that is never handed out": (
        _data("02:00:00:00:00:00", "02:00:00:00:00:00"),
        "RANGE_START 02:00:00:00:00:00 to RANGE_END 02:00:00:00:00:00: no unicast address",
    ),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS)
def test_a_mistake_is_told_with_key_value_and_remedy(data: dict[str, str], message: str) -> None:
    with pytest.raises(RangeError) as caught:
        parse_pool(data)
    assert str(caught.value).startswith(message)


def test_a_huge_value_is_quoted_in_part() -> None:
    with pytest.raises(RangeError) as caught:
        parse_pool(_data("x" * 1_000_000, ""))
    assert len(str(caught.value)) < 200


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_start_and_end_are_compared_as_numbers_of_48_bits(start: int, end: int) -> None:
    try:
        pool = parse_pool(_data(format_address(start).upper(), format_address(end)))
    except RangeError as error:
        assert ("swap" in str(error)) == (start > end)  # noqa: PT017 (which error it is depends on the numbers)
        return
    assert start <= end
    assert start <= pool.address_at(0) <= pool.address_at(pool.size - 1) <= end


@given(st.dictionaries(st.sampled_from(["RANGE_START", "RANGE_END", "x"]), TEXTS))
def test_no_data_raises_anything_but_the_error_told(data: dict[str, str]) -> None:
    with pytest.raises(RangeError):
        parse_pool(data)


def _config_map(**fields: object) -> bytes:
    metadata = {"name": RANGE_CONFIG_MAP, "namespace": "kubemacpool-system", "uid": "u1", "resourceVersion": "9"}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"data": {"RANGE_START": "a"}}, {"RANGE_START": "a"}),
        ({}, {}),
        ({"data": None, "binaryData": {"a": "AA=="}}, {}),
    ],
)
def test_a_config_map_is_read(fields: dict[str, object], data: dict[str, str]) -> None:
    identity = ObjectIdentity("kubemacpool-system", RANGE_CONFIG_MAP, "u1")
    assert decode_config_map(_config_map(**fields)) == Decoded(identity, 9, data)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"metadata":{"name":"a"}}', _config_map(data={"RANGE_START": 5})])
def test_what_is_not_a_config_map_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_config_map(raw)
