"""Addresses of objects that exist and are not in the books: nobody is given them.

An object is not in the books while these are made anew, or because taking it in has failed. What it carried before, and
what it says now that it carries, is kept here in the simplest way: by itself, without a family.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kubemacpool.core.parties import Holder, ObjectKey, Party


class _Entry(NamedTuple):
    """What is known of one object: `before` was in the books, `claimed` is what it says since."""

    holder: Holder
    before: tuple[int, ...]


class Withheld:
    """Objects that are not in the books, and what they carry."""

    def __init__(self) -> None:
        self._entries: dict[ObjectKey, _Entry] = {}
        self._at: dict[int, dict[ObjectKey, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, address: object) -> bool:
        return address in self._at

    def __iter__(self) -> Iterator[int]:
        """Every address that is withheld."""
        return iter(self._at)

    def holder(self, key: ObjectKey) -> Holder | None:
        """An object that is not in the books."""
        entry = self._entries.get(key)
        return None if entry is None else entry.holder

    def of(self, address: int) -> Iterator[Holder]:
        """The objects that carry an address and are not in the books."""
        return (self._entries[key].holder for key in self._at.get(address, ()))

    def keep(self, holder: Holder) -> None:
        """An object leaves the books as it is in there, unless it is known here already."""
        if holder.key not in self._entries:
            self._enter(_Entry(holder, holder.addresses))

    def claim(self, key: ObjectKey, uid: str, before: Iterable[int], claimed: Iterable[int]) -> tuple[int, ...]:
        """An object cannot be taken into the books.

        What it says counts until it says something else, and what was in the books counts for as long as it exists: its
        interfaces may have that still. So an object that changes again and again withholds no more than twice what it
        may carry.

        Args:
            key: the object.
            uid: its uid.
            before: what it carried by the books.
            claimed: what it says now.

        Returns:
            The addresses that are not withheld for its sake any more.
        """
        known = self._entries.get(key)
        kept = known.before if known is not None and known.holder.uid == uid else tuple(before)
        left = self.let_go(key)
        addresses = tuple(dict.fromkeys((*kept, *claimed)))
        self._enter(_Entry(Holder(key, uid, Party(*key), addresses), kept))
        return tuple(address for address in (left.addresses if left is not None else ()) if address not in addresses)

    def let_go(self, key: ObjectKey) -> Holder | None:
        """The object is in the books now, or is gone; gives what was known of it."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        for address in entry.holder.addresses:
            keys = self._at[address]
            del keys[key]
            if not keys:
                del self._at[address]
        return entry.holder

    def _enter(self, entry: _Entry) -> None:
        self._entries[entry.holder.key] = entry
        for address in entry.holder.addresses:
            self._at.setdefault(address, {})[entry.holder.key] = None
