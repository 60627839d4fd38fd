"""Migrations from one namespace to another: source and target are one party for as long as the migration lasts.

KubeVirt's decentralised live migration has an object on each side, and both name the same migration. The name is chosen
by users, so two migrations may come to have the same one, and whoever is united with another may have its addresses. So
only one source and one target are united that have a name to themselves, while neither has a part in another migration;
whatever the order in which their objects are seen.
"""

from collections import Counter
from collections.abc import Iterator
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

    @property
    def machine(self) -> Party:
        """Whose side it is; an instance without a machine goes by the same name."""
        return Party(VIRTUAL_MACHINE, self.namespace, self.name)


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

    def pass_over(self, identity: ObjectIdentity, item: Migration) -> None:  # noqa: ARG002 (the listener's signature)
        """A migration could not be taken in: its sides count as two parties."""
        self._sides.pop((identity.namespace, identity.name), None)

    def forget(self) -> None:
        """What is known may be wrong, and everything is about to be told again."""
        self._sides.clear()

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
        migrations: dict[str, list[_Side]] = {}
        for side in self._sides.values():
            migrations.setdefault(side.migration, []).append(side)
        pairs = [sides for sides in migrations.values() if sorted(side.sends for side in sides) == [False, True]]
        parts = Counter(side.machine for sides in pairs for side in sides)
        for sides in pairs:
            if any(parts[side.machine] > 1 for side in sides):
                continue
            (source,) = (side.machine for side in sides if side.sends)
            for side in sides:
                yield side.machine, source
                yield side.machine._replace(kind=VIRTUAL_MACHINE_INSTANCE), source
