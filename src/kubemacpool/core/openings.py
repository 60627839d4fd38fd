"""The open addresses: which may be granted without having been seen, because the Lease names them (rule 1).

What the Lease names is known for sure only after a write that was confirmed. While a write is under way, or after one
whose answer was lost, an address that it leaves out may be named or not: it is treated as not named.
"""

from collections.abc import Collection, Iterable


class Openings:
    """What the Lease names, as far as this decider knows it."""

    def __init__(self) -> None:
        self._named: frozenset[int] = frozenset()
        self._doubtful: frozenset[int] = frozenset()

    def begin_write(self, names: Collection[int]) -> None:
        """A write that names exactly these is about to be sent; from now on it may take effect at any moment."""
        self._doubtful |= self._named.difference(names)

    def confirm(self, names: Iterable[int]) -> None:
        """The Lease names exactly these, and no earlier write can change that any more."""
        self._named = frozenset(names)
        self._doubtful = frozenset()

    def close(self) -> None:
        """Nothing is open to this replica."""
        self.confirm(())

    def __contains__(self, address: int) -> bool:
        return address in self._named and address not in self._doubtful

    def __len__(self) -> int:
        return len(self._named)
