"""The rules, each left out once in the simulated services: what finds no duplicate then would find none ever."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from tests.sim import replica

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.reservations import Reservations
from kubemacpool.election import leadership
from kubemacpool.election.elector import Elector
from kubemacpool.election.leadership import HeldLease
from kubemacpool.follow.read_barrier import ReadBarrier
from kubemacpool.kube.reflector import Reflector

Sabotage = Callable[[], AbstractContextManager[object]]


def without_naming() -> AbstractContextManager[object]:
    """Whatever is free is allocated, whether the Lease lists it or not (rule 1)."""
    return patch.object(Reservations, "__contains__", lambda *_: True)


def without_suspects() -> AbstractContextManager[object]:
    """A new leader takes what the Lease lists for free (rule 4)."""
    inherit = Ledger.inherit

    def forget(self: Ledger, in_doubt: Iterable[int], now: float, *, first: bool = False) -> None:
        del in_doubt
        inherit(self, (), now, first=first)

    return patch.object(Ledger, "inherit", forget)


def without_catching_up() -> AbstractContextManager[object]:
    """A new leader decides with the view that it has (rule 4)."""

    async def at_once(*_: object) -> None:
        """Nothing is waited for."""

    return patch.object(leadership, "_catch_up", at_once)


def without_proof() -> AbstractContextManager[object]:
    """What was never seen ends with the bound, however far the watch has come (rule 5)."""

    async def pass_barrier(self: ReadBarrier) -> None:
        self._ledger.pass_barrier(self._clock.now())

    return patch.object(ReadBarrier, "prove_if_due", pass_barrier)


def with_a_short_bound() -> AbstractContextManager[object]:
    """What was never seen ends while it may still come (rule 5)."""
    return patch.object(replica, "BOUND", 3)


def without_fencing() -> AbstractContextManager[object]:
    """A leader allocates for as long as it believes that the Lease is its own (rule 6)."""

    def hindrance(self: HeldLease) -> str:
        return "" if self._caught_up else "not up to date yet"

    return patch.object(HeldLease, "hindrance", hindrance)


def without_loss() -> AbstractContextManager[object]:
    """A Lease made anew by hand is believed to be the old one (the last part of the rules)."""
    return patch.object(Elector, "_lose", lambda *_: None)


@contextmanager
def without_rewinding() -> Iterator[None]:
    """That resourceVersions have fallen is not noticed (rule 4)."""

    async def confirm(self: Reflector[object]) -> None:
        self._broken = False

    with (
        patch.object(Reflector, "_confirm_position", confirm),
        patch.object(Reflector, "_compare", lambda *_: None),
        patch.object(Elector, "rewound", lambda *_: None),
    ):
        yield


def leaving_unseen() -> AbstractContextManager[object]:
    """An address leaves the Lease though its object has not been seen (rule 3)."""
    return patch.object(Ledger, "unseen", lambda _: iter(()))


@contextmanager
def without_departures() -> Iterator[None]:
    """What a machine's objects have left is on its way to nobody (rule 4)."""
    inherit = Ledger.inherit

    def forget(self: Ledger, in_doubt: Iterable[int], now: float, *, first: bool = False) -> None:
        for address, party in list(self._departures):
            self._departures.forget(address, party)
        inherit(self, in_doubt, now, first=first)

    with patch.object(Ledger, "inherit", forget):
        yield
