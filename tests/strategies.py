"""Hypothesis strategies for what the core speaks of."""

from hypothesis import strategies as st

from kubemacpool.core.addresses import LARGEST_ADDRESS
from kubemacpool.core.parties import Party
from kubemacpool.core.pool import AddressRange

ADDRESSES: st.SearchStrategy[int] = st.integers(0, LARGEST_ADDRESS)
"""Any 48 bits, multicast and zero included."""


def ranges(
    first: int = 0, last: int = LARGEST_ADDRESS, longest: int = LARGEST_ADDRESS
) -> st.SearchStrategy[AddressRange]:
    """Ranges that begin between two addresses and go no further; as often as not of few addresses."""
    beginnings = st.integers(first, last)
    lengths = st.one_of(st.integers(0, 3), st.integers(0, longest - 1))
    return st.builds(lambda begin, length: AddressRange(begin, min(begin + length, last)), beginnings, lengths)


def small_ranges() -> st.SearchStrategy[AddressRange]:
    """Ranges of up to 20 addresses, close to each other, where a pool has holes of its own."""
    return st.sampled_from([0x01_FF_FF_FF_FF_F0, 0x02_FF_FF_FF_FF_F0, 0]).flatmap(lambda at: ranges(at, at + 40, 20))


def parties() -> st.SearchStrategy[Party]:
    """Pods with a name, and pods that have yet to get one."""
    names = st.sampled_from(["web", "web-", "web-1", "db"])
    named = st.builds(Party, st.just("Pod"), st.just("ns"), names)
    unreserved = st.builds(Party, st.just("Pod"), st.just("ns"), st.just(""), names, st.uuids().map(str))
    return st.one_of(named, unreserved)
