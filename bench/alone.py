"""The webhook alone: the program's own wiring, with an election that always holds and no cluster.

What is left out is what talks to the cluster. The Lease says at once what it should; in the place of the watch, every
pod is observed a moment after its addresses were allocated. None is deleted: the ledger grows as under a storm of new
pods.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from tests.support.outside import NoPeer

from kubemacpool.admission.machines import KnownMachines
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import Allocated
from kubemacpool.follow.readiness import Readiness
from kubemacpool.runtime import MonotonicClock
from kubemacpool.settings import DEFAULT_WAIT_TIME, Settings
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wiring import Known, new_webhooks, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kubemacpool.admission.webhook import Webhook
    from kubemacpool.core.requests import AddressRequest, Decision, Undecided, Unreserved
    from kubemacpool.ports import Clock

# The range as shipped.
RANGE = AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)


class CertainLeadership:
    """This replica leads, always (implements `Leadership`)."""

    leading = True
    leader_endpoint = None
    out_of_touch = False

    def __init__(self, allocator: Allocator) -> None:
        """Reserve nothing yet."""
        self._allocator = allocator

    @property
    def seconds_since_renewal(self) -> float:
        """The Lease is as new as it can be."""
        return 0.0

    async def until_changed(self, seconds: float) -> None:
        """Nothing ever changes."""
        await asyncio.sleep(seconds)

    def check(self) -> None:
        """It may allocate."""

    def extend_soon(self) -> None:
        """Write the Lease after this request, as the real election does in a task of its own."""
        asyncio.get_running_loop().call_soon(self._extend)

    async def reserve(self, unreserved: Unreserved) -> None:
        """Write the Lease at once."""
        self._write(unreserved.addresses, unreserved.automatic)

    def _extend(self) -> None:
        if self._allocator.is_short:
            self._write((), 0)

    def _write(self, addresses: Iterable[int], automatic: int) -> None:
        self._allocator.reservations.confirm(self._allocator.next_update(addresses, automatic).reserved)


class QuickAllocator(Allocator):
    """An allocator after which every pod is observed at once.

    Args:
        ledger: what it decides from.
        clock: by which pods are observed.
        at_once: whether that happens after each decision; else with `observe`.
    """

    def __init__(self, ledger: Ledger, clock: Clock, *, at_once: bool) -> None:
        super().__init__(ledger)
        self._clock = clock
        self._at_once = at_once
        self._uids = count()
        self._unseen: list[tuple[Party, tuple[int, ...]]] = []

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        """Decide, and have the pod observed as soon as it was answered."""
        decision = super().decide(request, now)
        if isinstance(decision, Allocated):
            self._unseen.append((request.party, decision.addresses))
            if self._at_once:
                asyncio.get_running_loop().call_soon(self.observe)
        return decision

    def observe(self) -> None:
        """Every pod that was admitted until now is there."""
        unseen, self._unseen = self._unseen, []
        for party, addresses in unseen:
            key = ObjectKey(party.kind, party.namespace, party.name)
            self.ledger.observe(Holder(key, str(next(self._uids)), party, addresses), self._clock.now())


class Alone(NamedTuple):
    """The parts.

    Attributes:
        webhooks: by path, what answers there.
        allocator: by which pods can be observed.
    """

    webhooks: Mapping[str, Webhook]
    allocator: QuickAllocator


def alone(*, at_once: bool = True) -> Alone:
    """Put it together; `at_once`: whether pods are observed by themselves."""
    clock, metrics, settings = MonotonicClock(), Metrics(), Settings()
    ledger = Ledger(Pool([RANGE]), in_flight_bound=DEFAULT_WAIT_TIME, cool_down=DEFAULT_WAIT_TIME)
    metrics.show_ledger(ledger)
    allocator = QuickAllocator(ledger, clock, at_once=at_once)
    leadership = CertainLeadership(allocator)
    policies = NamespacePolicies(ConflictPolicy.REJECT, Readiness(), lambda: None)
    machines = KnownMachines(complete=lambda: True, look_soon=lambda: None)
    known = Known(allocator, leadership, policies, Families(), machines, "", lambda _: None)
    answering = new_webhooks(Readiness(), metrics, clock)
    serve(answering, known, settings, NoPeer(), metrics, clock)
    return Alone(answering, allocator)
