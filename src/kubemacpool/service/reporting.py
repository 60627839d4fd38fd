"""Collisions are told to people: an Event on every object concerned, once for each collision.

A collision is none of our doing (an object was created past the webhook, or where we are told to leave alone), so it
is reported and nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from kubemacpool.core.addresses import format_address
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE, Holder
from kubemacpool.ports.events import Events, Regarding
from kubemacpool.wire.carrying import KUBEVIRT

MAC_COLLISION: Final = "MACCollision"

PAUSE: Final = 1.0
"""Seconds between two looks; a look costs as much as there are collisions."""

_API_VERSIONS: Final[Mapping[str, str]] = {POD: "v1", VIRTUAL_MACHINE_INSTANCE: f"{KUBEVIRT}/v1"}

_SHORT: Final[Mapping[str, str]] = {POD: "pod", VIRTUAL_MACHINE_INSTANCE: "vmi"}
"""As users know the kinds from the messages of the Go implementation."""

_log = structlog.get_logger(__name__)


class CollisionReporter:
    """The replica that decides tells of the collisions that are new to it.

    So one that outlasts a decider is told again by the next: better twice than not at all.
    """

    def __init__(self, ledger: Ledger, deciding: Callable[[], bool], events: Events) -> None:
        self._ledger = ledger
        self._deciding = deciding
        self._events = events
        self._known: dict[int, frozenset[str]] = {}  # by address, the uids of the objects that share it

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(PAUSE)

    def look(self) -> None:
        """Tell of what has come since the last look, and forget what is resolved."""
        if not self._deciding():
            self._known = {}
            return
        present: dict[int, frozenset[str]] = {}
        for address in self._ledger.collisions():
            holders = self._ledger.colliding(address)
            present[address] = frozenset(holder.uid for holder in holders)
            if present[address] - self._known.get(address, frozenset()):
                self._tell(address, holders)
        self._known = present

    def _tell(self, address: int, holders: list[Holder]) -> None:
        objects = sorted(f"{_SHORT[key.kind]}/{key.namespace}/{key.name}" for key, *_ in holders)
        message = f"MAC {format_address(address)}: Collision between {', '.join(objects)}"
        _log.warning("collision", address=format_address(address), objects=objects)
        for holder in holders:
            key = holder.key
            regarding = Regarding(_API_VERSIONS[key.kind], key.kind, key.namespace, key.name, holder.uid)
            self._events.warn(regarding, MAC_COLLISION, message)
