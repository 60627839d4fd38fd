"""The program, with faults of ours in it, for which others can call: nobody knows of a real one that is left.

- What follows the cluster tears what is known, and fails, at every object whose name begins with `poison`.
- The election fails when SIGUSR2 has been received.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from kubemacpool.cli.main import main
from kubemacpool.core.population import Population
from kubemacpool.election.elector import Elector

if TYPE_CHECKING:
    from types import FrameType

    from kubemacpool.core.families import OwnerReference
    from kubemacpool.core.parties import Holder

_see = Population.see
_account = Elector._account
_called: list[int] = []


class FaultOfOursError(Exception):
    """Nobody foresaw this."""


def _tear(self: Population, holder: Holder, owner: OwnerReference | None, now: float, version: int) -> None:
    if not holder.key.name.startswith("poison"):
        _see(self, holder, owner, now, version)
        return
    self.ledger._holders[holder.key] = holder
    self.ledger._carriers._of.clear()
    self.families.forget()
    raise FaultOfOursError(holder.key.name)


def _fail(self: Elector) -> None:
    if _called:
        _called.clear()
        raise FaultOfOursError("the election")
    _account(self)


def _call(number: int, _frame: FrameType | None) -> None:
    _called.append(number)


Population.see = _tear  # type: ignore[method-assign]
Elector._account = _fail  # type: ignore[method-assign]
signal.signal(signal.SIGUSR2, _call)
main()
