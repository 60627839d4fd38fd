import pytest
from hypothesis import given
from tests.strategies import ADDRESSES

from kubemacpool.core.addresses import (
    LARGEST_ADDRESS,
    AddressError,
    check_interface_address,
    format_address,
    is_multicast,
    parse_address,
)

SPELLINGS = [
    "02:0a:bc:00:00:01",
    "02:0A:BC:00:00:01",
    "02:0a:BC:00:00:01",
    "02-0a-bc-00-00-01",
    "02-0A-BC-00-00-01",
    "020a.bc00.0001",
    "020A.BC00.0001",
    "020abc000001",
    "020ABC000001",
]

NOT_ADDRESSES = [
    "",
    " ",
    "02",
    "02:0a:bc:00:00",  # five bytes
    "02:0a:bc:00:00:01:02",  # seven
    "02:0a:bc:ff:fe:00:00:01",  # EUI-64
    "02:0a:bc:00:00:0g",
    "02:0a:bc:00:00:1",  # one digit
    "2:a:bc:0:0:1",
    "002:0a:bc:00:00:01",
    "02:0a:bc-00-00-01",  # two separators
    "02 0a bc 00 00 01",
    "02::0a:bc:00:00",
    "020a:bc00:0001",  # groups of four go with dots
    "02.0a.bc.00.00.01",  # groups of two do not
    "020a.bc00.001",
    "020abc00000",
    "020abc0000011",
    "0x020abc000001",
    " 02:0a:bc:00:00:01",
    "02:0a:bc:00:00:01 ",
    "02:0a:bc:00:00:01\n",
    ":02:0a:bc:00:00:01",
    "02:0a:bc:00:00:01:",
    "+2:0a:bc:00:00:01",
    "0_:0a:bc:00:00:01",
    "\uff102:0a:bc:00:00:01",  # a full-width digit, which int() would take
    "\u06602:0a:bc:00:00:01",  # an Arabic-Indic digit, likewise
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_common_spelling_is_read_as_the_same_address(text: str) -> None:
    assert parse_address(text) == 0x02_0A_BC_00_00_01


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_not_six_bytes_in_one_spelling_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"^not a MAC address of 6 bytes; write it like 02:00:00:00:00:01$"):
        parse_address(text)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0, "00:00:00:00:00:00"),
        (1, "00:00:00:00:00:01"),
        (0x02_00_00_00_00_01, "02:00:00:00:00:01"),
        (0xFE_DC_BA_98_76_54, "fe:dc:ba:98:76:54"),
        (LARGEST_ADDRESS, "ff:ff:ff:ff:ff:ff"),
    ],
)
def test_an_address_is_written_in_lower_case_with_colons_and_all_its_zeros(address: int, text: str) -> None:
    assert format_address(address) == text


@given(ADDRESSES)
def test_what_is_written_is_read_as_the_same_address(address: int) -> None:
    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    ("text", "multicast"),
    [
        ("00:ff:ff:ff:ff:ff", False),
        ("01:00:00:00:00:00", True),
        ("01:ff:ff:ff:ff:ff", True),
        ("02:00:00:00:00:00", False),
        ("03:00:00:00:00:00", True),
        ("fe:ff:ff:ff:ff:ff", False),
        ("ff:ff:ff:ff:ff:ff", True),
    ],
)
def test_an_address_is_multicast_when_its_first_octet_is_odd(text: str, *, multicast: bool) -> None:
    assert is_multicast(parse_address(text)) is multicast


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("01:00:5e:00:00:01", "a multicast address, which no interface may have; the first octet must be even"),
        ("ff:ff:ff:ff:ff:ff", "a multicast address, which no interface may have; the first octet must be even"),
        ("00:00:00:00:00:00", "the all-zero address, which no interface may have"),
    ],
)
def test_an_address_that_no_interface_may_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        check_interface_address(parse_address(text))
    assert str(caught.value) == reason


@pytest.mark.parametrize("text", ["00:00:00:00:00:01", "02:00:00:00:00:00", "fe:ff:ff:ff:ff:ff"])
def test_any_other_address_may_be_an_interfaces(text: str) -> None:
    check_interface_address(parse_address(text))
