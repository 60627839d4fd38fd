"""Collisions are reported to people: an Event on every object concerned, once for each collision.

A collision is none of our doing (an object was created past the webhook, or in a namespace that is left alone), so it
is reported and nothing else. A tenant who makes thousands of them must not make us write thousands of texts: an object
that joins a collision gets an Event, and the others had theirs when they joined; one with many addresses that collide
gets the first ones, and how many more there are.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from kubemacpool.core.addresses import format_address
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE, Holder
from kubemacpool.ports import Events, Regarding
from kubemacpool.wire.objects import KUBEVIRT

MAC_COLLISION: Final = "MACCollision"

PAUSE: Final = 1.0
"""Seconds between two looks; a look costs as much as has changed."""

FEW_OBJECTS: Final = 10
"""That a text names. With names of usual length that is half of what an Event may say."""

FEW_ADDRESSES: Final = 3
"""Of one object that are reported with an Event each, at a time; how many more there are is one more."""

MOST_TOLD: Final = 128
"""Objects that share one address and get an Event; with so many everybody knows."""

FEW_LINES: Final = 50
"""In the log, at a time; how many more there are is one more."""

SLICE: Final = 256
"""Objects that are looked at before others get their turn: half a millisecond."""

_API_VERSIONS: Final[Mapping[str, str]] = {POD: "v1", VIRTUAL_MACHINE_INSTANCE: f"{KUBEVIRT}/v1"}

_SHORT: Final[Mapping[str, str]] = {POD: "pod", VIRTUAL_MACHINE_INSTANCE: "vmi"}
"""As users know the kinds from the messages of the Go implementation."""

_log = structlog.get_logger(__name__)


@dataclass
class _News:
    """What is reported on one object at a time."""

    holder: Holder
    addresses: int = 0
    last: str = ""


class CollisionReporter:
    """The leader reports the collisions that are new to it.

    So one that outlasts a leader is reported again by the next: better twice than not at all.
    """

    def __init__(
        self, ledger: Ledger, leading: Callable[[], bool], events: Events, *, hides_foreign: bool = False
    ) -> None:
        """Know of no collision yet.

        Args:
            ledger: where they are seen.
            leading: whether this replica leads.
            events: where they are reported.
            hides_foreign: whether an object's Events do not name those in other namespaces.
        """
        self._ledger = ledger
        self._hides_foreign = hides_foreign
        self._leading = leading
        self._events = events
        self._known: dict[int, frozenset[str]] = {}  # by address, the uids of the objects that were told
        self._asleep = False
        self._news: dict[str, _News] = {}
        self._lines = 0

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """Tell of what has come since the last look, and forget what is resolved; others get their turn meanwhile."""
        if not self._leading():
            self._asleep = True
            return
        if self._asleep:  # what was resolved meanwhile was not noted
            self._asleep = False
            there = self._ledger.collisions()
            self._known = {address: known for address, known in self._known.items() if address in there}
        self._news, self._lines = {}, 0
        looked_at = 0
        for address in self._ledger.take_changed_collisions():
            looked_at += self._look_at(address)
            if looked_at >= SLICE:
                looked_at = 0
                await asyncio.sleep(0)
        self._tell_of_the_rest()

    def _look_at(self, address: int) -> int:
        """Tell those who have joined a collision; gives how many objects were looked at."""
        number = self._ledger.collisions().get(address, 0)
        known = self._known.get(address, frozenset())
        if number >= MOST_TOLD and len(known) >= MOST_TOLD:
            return 1
        holders = self._ledger.colliding(address) if number else []
        present = frozenset(holder.uid for holder in holders)
        if not present:
            self._known.pop(address, None)
            return 1
        new = present - known
        self._known[address] = present
        if new:
            self._tell(address, holders, [holder for holder in holders if holder.uid in new][:MOST_TOLD])
        return len(holders)

    def _tell(self, address: int, holders: list[Holder], newcomers: list[Holder]) -> None:
        mac = format_address(address)
        objects = sorted(map(_short, holders))
        self._lines += 1
        if self._lines <= FEW_LINES:
            _log.warning("collision", address=mac, objects=_few(objects))
        for holder in newcomers:
            news = self._news.setdefault(holder.uid, _News(holder))
            news.addresses += 1
            news.last = mac
            if news.addresses <= FEW_ADDRESSES:
                told = self._others_of(holder, holders) if self._hides_foreign else _few(objects, _short(holder))
                self._warn(holder, f"MAC {mac}: Collision between {', '.join(told)}")

    def _others_of(self, newcomer: Holder, holders: list[Holder]) -> list[str]:
        """The names that an object's Event may have, and how many others there are."""
        own = [holder for holder in holders if holder.key.namespace == newcomer.key.namespace]
        told = _few(sorted(map(_short, own)), _short(newcomer))
        foreign = len(holders) - len(own)
        return [*told, f"{foreign} of other namespaces"] if foreign else told

    def _tell_of_the_rest(self) -> None:
        if self._lines > FEW_LINES:
            _log.warning("more collisions", addresses=self._lines - FEW_LINES)
        for news in self._news.values():
            more = news.addresses - FEW_ADDRESSES
            if more > 0:
                self._warn(news.holder, f"Collisions of {more} more MAC addresses of this object, the last {news.last}")
        self._news = {}

    def _warn(self, holder: Holder, message: str) -> None:
        key = holder.key
        regarding = Regarding(_API_VERSIONS[key.kind], key.kind, key.namespace, key.name, holder.uid)
        self._events.warn(regarding, MAC_COLLISION, message)


def _short(holder: Holder) -> str:
    key = holder.key
    return f"{_SHORT[key.kind]}/{key.namespace}/{key.name}"


def _few(objects: list[str], newcomer: str = "") -> list[str]:
    """All of them, or the one that is told and some of the others, and how many more there are."""
    if len(objects) <= FEW_OBJECTS:
        return objects
    others = [each for each in objects[:FEW_OBJECTS] if each != newcomer]
    shown = [newcomer, *others][:FEW_OBJECTS] if newcomer else others
    return [*shown, f"and {len(objects) - len(shown)} more"]
