"""Migrations from one namespace to another: source and target are one party for as long as the migration lasts.

KubeVirt's decentralised live migration has an object on each side, and both name the same migration.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Party
from kubemacpool.service.progress import ViewProgress
from kubemacpool.wire.migrations import Migration
from kubemacpool.wire.objects import ObjectIdentity

_log = structlog.get_logger(__name__)


class _Side(NamedTuple):
    """One side of a migration."""

    migration: str
    namespace: str
    name: str
    sends: bool


class MigrationFollower:
    """Tells the ledger which parties are one (implements `WatchListener[Migration]`)."""

    def __init__(self, ledger: Ledger) -> None:
        self.progress = ViewProgress()
        self._ledger = ledger
        self._sides: dict[tuple[str, str], _Side] = {}

    def begin(self) -> None:
        """Migrations are to be followed: until they are, none is known, which hinders nobody."""

    def end(self) -> None:
        """There are no migrations any more."""
        self.progress.begin_anew()

    def present(self, identity: ObjectIdentity, item: Migration, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """A side of a migration is there."""
        self._sides[identity.namespace, identity.name] = _Side(item.id, identity.namespace, item.vmi, item.sends)
        self._unite()

    def gone(self, identity: ObjectIdentity) -> None:
        """It has ended."""
        if self._sides.pop((identity.namespace, identity.name), None) is not None:
            self._unite()

    def reached(self, resource_version: int) -> None:
        """The view has come this far."""
        self.progress.reached(resource_version)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """A migration cannot be read: its sides count as two parties."""
        _log.warning("migration passed over", namespace=identity.namespace, name=identity.name, reason=reason)

    def _unite(self) -> None:
        self._ledger.unite(dict(self._pairs()))

    def _pairs(self) -> Iterator[tuple[Party, Party]]:
        """By party, the one as which it counts: the source's machine."""
        for _, group in groupby(sorted(self._sides.values()), key=lambda side: side.migration):
            sides = list(group)
            source = next((side for side in sides if side.sends), None)
            if source is None or all(side.sends for side in sides):
                continue
            one = Party(VIRTUAL_MACHINE, source.namespace, source.name)
            for side in sides:
                for kind in (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE):
                    yield Party(kind, side.namespace, side.name), one
