"""One MAC address: a 48-bit integer inside the program, `02:00:00:00:00:01` in text."""

import re
from typing import Final

ADDRESS_BITS: Final = 48
LARGEST_ADDRESS: Final = (1 << ADDRESS_BITS) - 1

_GROUP_BIT: Final = 1 << 40
"""The I/G bit of an IEEE 802 address: the lowest bit of the first octet, set for multicast and broadcast."""

_SPELLINGS: Final = re.compile(
    r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"  # 02:00:00:00:00:01
    r"|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}"  # 02-00-00-00-00-01 (IEEE 802)
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"  # 0200.0000.0001 (switch consoles)
    r"|[0-9a-f]{12}",  # 020000000001
    re.IGNORECASE | re.ASCII,
)
_SEPARATORS: Final = str.maketrans("", "", ":-.")


class AddressError(ValueError):
    """A text that is not the address of one interface; its message says why, and what would be."""


def parse_address(text: str) -> int:
    """Read an address in any of its four common spellings, in upper or lower case.

    Raises:
        AddressError: when the text is not six bytes in one of these spellings.
    """
    if _SPELLINGS.fullmatch(text) is None:
        raise AddressError("not a MAC address of 6 bytes; write it like 02:00:00:00:00:01")
    return int(text.translate(_SEPARATORS), 16)


def format_address(address: int) -> str:
    """The text form used in everything we write: lower case, colons."""
    return address.to_bytes(6, "big").hex(":")


def is_multicast(address: int) -> bool:
    """Whether the address names a group of interfaces rather than one (IEEE 802, I/G bit)."""
    return address & _GROUP_BIT != 0


def check_interface_address(address: int) -> None:
    """Make sure that an interface may have this address at all.

    Raises:
        AddressError: for a multicast address (broadcast included) and for the all-zero one.
    """
    if is_multicast(address):
        raise AddressError("a multicast address, which no interface may have; the first octet must be even")
    if address == 0:
        raise AddressError("the all-zero address, which no interface may have")
