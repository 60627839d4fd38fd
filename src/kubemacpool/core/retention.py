"""Retention: what a running pod holds, whatever its annotation says later (rule 8).

Its interfaces are made when it starts, or plugged in by what its annotation says at some moment, and they keep their
addresses until they are unplugged. So it holds::

    said            what its annotation says
    kept            what that has said, and an interface may have still: until it is reported to have been unplugged
    attached        what its interfaces are reported to have and its annotation has never said

An address that was only written into the annotation of a pod that runs, past us, is let go when it is taken away.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

MOST_KEPT: Final = 256
"""Addresses that one object holds beyond what its annotation says: as many as it may have interfaces. A pod whose
annotation is changed again and again could hold the pool otherwise."""

_NONE: Final[frozenset[int]] = frozenset()


class Tenure(NamedTuple):
    """What one pod holds, and why.

    Attributes:
        uid: the pod's.
        said: what the annotation says.
        kept: what it has said before and is held still, the oldest first.
        reported: what its interfaces are reported to have, as far as that is known.
        unplugged: which of `said` were reported before and are so no more: not kept.
        loose: which of `said` were written while the pod ran, neither allocated nor reported since: not kept.
    """

    uid: str
    said: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    reported: tuple[int, ...] = ()
    unplugged: frozenset[int] = _NONE
    loose: frozenset[int] = _NONE

    @property
    def carried(self) -> tuple[int, ...]:
        """What it holds by its annotation, of now or of before."""
        return self.said + self.kept if self.kept else self.said

    @property
    def attached(self) -> tuple[int, ...]:
        """What it holds by its interfaces alone."""
        if not self.reported or self.reported == self.said:
            return ()
        carried = frozenset(self.carried)
        return tuple(address for address in self.reported if address not in carried)

    def after(
        self, said: tuple[int, ...], reported: tuple[int, ...] | None, is_allocated: Callable[[int], bool]
    ) -> "Tenure":
        """The same pod is observed again.

        Args:
            said: what its annotation says now.
            reported: what its interfaces are reported to have now; None where nothing is known.
            is_allocated: whether an address that the annotation did not say before may have been allocated to the pod.
        """
        if reported is None:
            reported = self.reported
        if said == self.said and reported == self.reported:
            return self
        says, reports = frozenset(said), frozenset(reported)
        known = frozenset(self.said + self.kept + self.reported)
        loose = frozenset(
            each
            for each in said
            if each not in reports and (each in self.loose or (each not in known and not is_allocated(each)))
        )
        were_reported = self.unplugged.union(self.reported)
        kept = (
            each
            for each in self.kept + self.said
            if each not in says and each not in self.loose and (each in reports or each not in were_reported)
        )
        unplugged = (were_reported - reports) & says
        return Tenure(self.uid, said, tuple(islice(kept, MOST_KEPT)), reported, unplugged or _NONE, loose or _NONE)


def first_sight(uid: str, said: tuple[int, ...], reported: tuple[int, ...] | None) -> Tenure:
    """A pod is observed for the first time; a replica that has just started knows no more of it than this."""
    return Tenure(uid, said, (), reported or ())
