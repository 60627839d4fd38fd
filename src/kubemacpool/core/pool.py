"""The pool: which addresses may be handed out, and in which order.

A pool is a sorted row of segments (runs of neighbouring addresses), so a pool of 2^46 costs no more than one of two.
The *position* of an address is its index in the pool, 0-based.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from kubemacpool.core.addresses import format_address

CHUNK: Final = 512
"""Positions a chunk. 20,000 addresses that lie far apart cost 13 MB (4,096 a chunk: 85 MB), and a full pool of 65,536
addresses is passed over in 128 steps, which take 8 µs."""

_FREE: Final = b"\x00"


class Occupancy:
    """A set of taken positions out of `size`, made for finding what is not in it."""

    __slots__ = ("_chunks", "_size", "_taken", "taken")

    def __init__(self, size: int) -> None:
        self._size = size
        self._chunks: dict[int, bytearray] = {}
        self._taken: dict[int, int] = {}
        self.taken = 0

    def take(self, position: int) -> None:
        """Mark a position as taken; taking it again changes nothing."""
        index, offset = divmod(position, CHUNK)
        chunk = self._chunks.get(index)
        if chunk is None:
            chunk = self._chunks[index] = bytearray(self._length(index))
            self._taken[index] = 0
        if not chunk[offset]:
            chunk[offset] = 1
            self._taken[index] += 1
            self.taken += 1

    def free(self, position: int) -> None:
        """Mark a position as free; freeing it again changes nothing."""
        index, offset = divmod(position, CHUNK)
        chunk = self._chunks.get(index)
        if chunk is None or not chunk[offset]:
            return
        chunk[offset] = 0
        self.taken -= 1
        self._taken[index] -= 1
        if self._taken[index] == 0:
            del self._chunks[index], self._taken[index]

    def taken_before(self, positions: Iterable[int]) -> Iterator[int]:
        """For each of these positions, which ascend, how many before it are marked as taken."""
        before = reached = 0
        indexes = sorted(self._taken)
        for position in positions:
            index, offset = divmod(position, CHUNK)
            while reached < len(indexes) and indexes[reached] < index:
                before += self._taken[indexes[reached]]
                reached += 1
            chunk = self._chunks.get(index)
            yield before if chunk is None else before + offset - chunk.count(_FREE, 0, offset)

    def is_taken(self, position: int) -> bool:
        """Whether a position is marked as taken."""
        index, offset = divmod(position, CHUNK)
        chunk = self._chunks.get(index)
        return chunk is not None and chunk[offset] != 0

    def next_free(self, start: int) -> int | None:
        """The first free position at or after `start`, searched cyclically; None when every position is taken."""
        if self.taken >= self._size:
            return None
        index, offset = divmod(start, CHUNK)
        last = (self._size - 1) // CHUNK
        while True:
            chunk = self._chunks.get(index)
            if chunk is None:
                return index * CHUNK + offset
            if self._taken[index] < len(chunk):
                found = chunk.find(_FREE, offset)
                if found >= 0:
                    return index * CHUNK + found
            index, offset = (index + 1 if index < last else 0), 0

    def _length(self, index: int) -> int:
        return min(CHUNK, self._size - index * CHUNK)


_OCTET: Final = 1 << 40
"""Addresses that share one first octet, the octet in which the multicast bit is, and the one that tells who assigns."""

_LOCAL_BIT: Final = 0x02 * _OCTET
"""The U/L bit of an IEEE 802 address: the second lowest bit of the first octet, set where no vendor has assigned it."""


class AddressRange(NamedTuple):
    """The addresses from `first` to `last`, both included; none where `last` is the smaller."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{format_address(self.first)}-{format_address(self.last)}"


NEVER_ALLOCATED: Final = (
    AddressRange(0, 0),  # the all-zero address belongs to no interface
    AddressRange(0x02_00_00_00_00_00, 0x02_00_00_00_00_00),  # KubeVirt gives it to its masquerade bridge
)


class EmptyPoolError(ValueError):
    """The ranges hold no address that may be handed out."""


class Pool:
    """The unicast addresses of some ranges, less exclusions, in ascending order. Immutable."""

    __slots__ = ("_ends", "_firsts", "_local", "_local_ends", "_starts", "beginning", "excluded", "ranges", "size")

    def __init__(self, ranges: Iterable[AddressRange], excluded: Iterable[AddressRange] = (), *, seed: int = 0) -> None:
        """Build a pool; ranges may overlap, and `NEVER_ALLOCATED` is always excluded.

        Args:
            ranges: what it is made of.
            excluded: what it is without.
            seed: a number from which the address is derived at which the first search begins (`derived`); 0 for the
                first one.

        Raises:
            EmptyPoolError: when nothing is left to hand out.
        """
        self.ranges = tuple(ranges)
        self.excluded = tuple(excluded)
        segments = list(_without(_merged(_unicast(self.ranges)), _merged((*NEVER_ALLOCATED, *self.excluded))))
        sizes = [segment.last - segment.first + 1 for segment in segments]
        self._firsts = [segment.first for segment in segments]
        self._ends = list(accumulate(sizes))
        self._starts = [0, *self._ends[:-1]]
        self.size = sum(sizes)
        if self.size == 0:
            raise EmptyPoolError("no unicast address in it may be handed out")
        # A segment lies within one first octet, so all of its addresses are locally administered, or none is.
        self._local = [index for index, segment in enumerate(segments) if segment.first & _LOCAL_BIT]
        self._local_ends = list(accumulate(sizes[index] for index in self._local))
        self.beginning = self._derived_position(seed) if seed else 0

    def address_at(self, position: int) -> int:
        """The address at a position from 0 to `size - 1`."""
        index = bisect_right(self._starts, position) - 1
        return self._firsts[index] + position - self._starts[index]

    def derived(self, number: int) -> int:
        """The address that is derived from a number: a locally administered one where the pool has any.

        The same number gives the same address for as long as the pool has the same addresses. Others, from which
        somebody might conclude which vendor an interface is of, are for those who ask for any.
        """
        return self.address_at(self._derived_position(number))

    def _derived_position(self, number: int) -> int:
        if not self._local_ends:
            return number % self.size
        place = number % self._local_ends[-1]
        index = bisect_right(self._local_ends, place)
        segment = self._local[index]
        return self._ends[segment] - (self._local_ends[index] - place)

    def position_of(self, address: int) -> int | None:
        """The position of an address, or None where it is not in the pool."""
        index = bisect_right(self._firsts, address) - 1
        if index < 0:
            return None
        position = self._starts[index] + address - self._firsts[index]
        return position if position < self._ends[index] else None

    def position_after(self, address: int) -> int:
        """The position of the first address greater than `address`; 0, the next in the cycle, when there is none."""
        index = bisect_right(self._firsts, address) - 1
        if index < 0:
            return 0
        position = min(self._starts[index] + address - self._firsts[index] + 1, self._ends[index])
        return position if position < self.size else 0

    def positions_of(self, within: AddressRange) -> range:
        """The positions of those addresses of a range that are in the pool."""
        return range(self._number_below(within.first), self._number_below(within.last + 1))

    def _number_below(self, address: int) -> int:
        """How many addresses of the pool are smaller."""
        index = bisect_left(self._firsts, address) - 1
        return 0 if index < 0 else min(self._starts[index] + address - self._firsts[index], self._ends[index])

    def __contains__(self, address: int) -> bool:
        return self.position_of(address) is not None

    def is_the_same_as(self, other: "Pool") -> bool:
        """Whether both have the same addresses, and the first search begins at the same one."""
        return (self.ranges, self.excluded, self.beginning) == (other.ranges, other.excluded, other.beginning)

    def __str__(self) -> str:
        text = ", ".join(map(str, self.ranges))
        return f"{text} (less {len(self.excluded)} excluded)" if self.excluded else text


def _unicast(ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
    """Split ranges at the first octet and leave out the odd ones, which are multicast."""
    for wanted in ranges:
        for octet in range(wanted.first // _OCTET, wanted.last // _OCTET + 1):
            if octet % 2 == 0:
                first = octet * _OCTET
                yield AddressRange(max(first, wanted.first), min(first + _OCTET - 1, wanted.last))


def _merged(ranges: Iterable[AddressRange]) -> list[AddressRange]:
    """Sort ranges and join those that overlap; one that ends before it begins holds nothing."""
    merged: list[AddressRange] = []
    for each in sorted(each for each in ranges if each.first <= each.last):
        if merged and each.first <= merged[-1].last:
            merged[-1] = AddressRange(merged[-1].first, max(merged[-1].last, each.last))
        else:
            merged.append(each)
    return merged


def _without(ranges: list[AddressRange], excluded: list[AddressRange]) -> Iterator[AddressRange]:
    """Cut exclusions out of ranges; both sorted and free of overlap."""
    lasts = [each.last for each in excluded]
    for wanted in ranges:
        first = wanted.first
        for hole in excluded[bisect_left(lasts, first) :]:
            if hole.first > wanted.last:
                break
            if first < hole.first:
                yield AddressRange(first, hole.first - 1)
            first = hole.last + 1
        if first <= wanted.last:
            yield AddressRange(first, wanted.last)
