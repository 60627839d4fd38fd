"""Which positions of a pool are taken, and where the next free one is.

A byte per position, kept in chunks that exist only while something in them is taken: a huge pool costs nothing for
being huge. A chunk that is full is passed over in one step, and `bytearray.find` runs at memory speed in the others.
"""

from typing import Final

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
