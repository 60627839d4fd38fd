"""Which pool: from flags, or from a ConfigMap."""

from collections.abc import Mapping, Sequence
from typing import Final

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.pool import Pool
from kubemacpool.wire.config import EXCLUDE, RANGE_END, RANGE_START, RangeError, parse_pool

SHIPPED: Final = {RANGE_START: "02:00:00:00:00:00", RANGE_END: "FD:FF:FF:FF:FF:FF"}
"""The range of the release manifest."""


class PoolFlagError(ValueError):
    """A flag that describes no pool."""


def pool_of_flags(given: str, excluded: Sequence[str]) -> Pool:
    """The pool from an address to another.

    Args:
        given: FIRST-LAST.
        excluded: addresses and ranges that it is without.

    Raises:
        PoolFlagError: it is none.
    """
    first, last = split_range(given)
    return pool_of({RANGE_START: first, RANGE_END: last}, excluded)


def pool_of(data: Mapping[str, str], excluded: Sequence[str], cluster_uid: str = "") -> Pool:
    """The pool that a ConfigMap's data describe, less some more addresses.

    Raises:
        PoolFlagError: they describe none.
    """
    together = ",".join(filter(None, (data.get(EXCLUDE, ""), *excluded)))
    try:
        return parse_pool({**data, EXCLUDE: together}, cluster_uid)
    except RangeError as error:
        told = str(error).replace(RANGE_START, "the range's beginning").replace(RANGE_END, "the range's end")
        raise PoolFlagError(told.replace(EXCLUDE, "--exclude") if excluded else str(error)) from error


def split_range(given: str) -> tuple[str, str]:
    """The two addresses of FIRST-LAST, either of which may have hyphens of its own.

    Raises:
        PoolFlagError: there are not two.
    """
    for index, letter in enumerate(given):
        if letter == "-":
            try:
                parse_address(given[:index].strip())
                parse_address(given[index + 1 :].strip())
            except AddressError:
                continue
            return given[:index].strip(), given[index + 1 :].strip()
    raise PoolFlagError(f"--range {given!r} is no range; write it like 02:00:00:00:00:00-02:00:00:ff:ff:ff")
