"""Migrations from one namespace to another: source and target are one party for as long as the migration lasts.

KubeVirt's decentralised live migration has an object on each side, and both name the same migration. The name is chosen
by users, so two migrations may come to have the same one, and whoever is united with another may have its addresses. So
only one source and one target are united that have a name to themselves, while neither has a part in another migration;
whatever the order in which their objects are seen. A change costs the same however many migrations there are.
"""

from typing import NamedTuple

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Party
from kubemacpool.progress import ViewProgress
from kubemacpool.wire.migrations import Migration
from kubemacpool.wire.objects import ObjectIdentity

_log = structlog.get_logger(__name__)


_Key = tuple[str, str]


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


class _Pair(NamedTuple):
    """The two machines of a migration."""

    source: Party
    target: Party

    @property
    def movable(self) -> bool:
        """Whether there are two."""
        return self.source != self.target


class MigrationFollower:
    """Tells the ledger which parties are one (implements `WatchListener[Migration]`)."""

    def __init__(self, ledger: Ledger) -> None:
        self.progress = ViewProgress()
        self._ledger = ledger
        self._sides: dict[_Key, _Side] = {}
        self._named: dict[str, dict[_Key, None]] = {}  # by the migration's name, its sides
        self._pairs: dict[str, _Pair] = {}  # by the migration's name, where it is one source's and one target's
        self._parts: dict[Party, dict[str, None]] = {}  # by machine, in which of these it has a part
        self._united: set[str] = set()

    def begin(self) -> None:
        """Migrations are to be followed: until they are, none is known, which hinders nobody."""

    def end(self) -> None:
        """There are no migrations any more; `gone` was called for each."""
        self.progress.begin_anew()

    def present(self, identity: ObjectIdentity, item: Migration, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """A side of a migration is there."""
        key = (identity.namespace, identity.name)
        side = _Side(item.id, identity.namespace, item.vmi, item.sends)
        if self._sides.get(key) == side:
            return
        self._leave(key)
        self._sides[key] = side
        self._named.setdefault(side.migration, {})[key] = None
        self._look_at(side.migration)

    def gone(self, identity: ObjectIdentity) -> None:
        """It has ended."""
        self._leave((identity.namespace, identity.name))

    def pass_over(self, identity: ObjectIdentity, item: Migration) -> None:  # noqa: ARG002 (the listener's signature)
        """A migration could not be taken in: its sides count as two parties."""
        self._leave((identity.namespace, identity.name))

    def forget(self) -> None:
        """What is known may be wrong, and everything is about to be listed again."""
        for known in (self._sides, self._named, self._pairs, self._parts, self._united):
            known.clear()

    def reached(self, resource_version: int) -> None:
        """The view has come this far."""
        self.progress.reached(resource_version)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """A migration cannot be read: its sides count as two parties."""
        _log.warning("migration passed over", namespace=identity.namespace, name=identity.name, reason=reason)

    def _leave(self, key: _Key) -> None:
        side = self._sides.pop(key, None)
        if side is None:
            return
        named = self._named[side.migration]
        del named[key]
        if not named:
            del self._named[side.migration]
        self._look_at(side.migration)

    def _look_at(self, migration: str) -> None:
        """The sides of a migration are others than before."""
        before, now = self._pairs.get(migration), self._pair(migration)
        if before == now:
            return
        if before is not None:
            self._part(migration, before)
        if now is not None:
            self._join(migration, now)

    def _pair(self, migration: str) -> _Pair | None:
        """The machines of a migration, where it is one source's and one target's."""
        named = self._named.get(migration, {})
        if len(named) != 2:  # noqa: PLR2004 (a source and a target)
            return None
        sides = [self._sides[key] for key in named]
        if sides[0].sends == sides[1].sends:
            return None
        source, target = sides if sides[0].sends else reversed(sides)
        return _Pair(source.machine, target.machine)

    def _join(self, migration: str, pair: _Pair) -> None:
        """Two machines have a part in another migration."""
        self._pairs[migration] = pair
        for machine in set(pair):
            parts = self._parts.setdefault(machine, {})
            for other in parts if len(parts) == 1 else ():
                self._divide(other)
            parts[migration] = None
        self._unite(migration)

    def _part(self, migration: str, pair: _Pair) -> None:
        """Two machines have a part in one migration less."""
        self._divide(migration)
        del self._pairs[migration]
        for machine in set(pair):
            parts = self._parts[machine]
            del parts[migration]
            if not parts:
                del self._parts[machine]
        for machine in set(pair):
            left = self._parts.get(machine, {})
            for other in tuple(left) if len(left) == 1 else ():
                self._unite(other)

    def _unite(self, migration: str) -> None:
        """The two are one, if there is nothing else in which either has a part."""
        pair = self._pairs[migration]
        if migration in self._united or not pair.movable or any(len(self._parts[each]) > 1 for each in pair):
            return
        self._united.add(migration)
        self._ledger.unite(dict.fromkeys(_parties(pair), pair.source))

    def _divide(self, migration: str) -> None:
        """The two are two."""
        if migration in self._united:
            self._united.remove(migration)
            self._ledger.unite(dict.fromkeys(_parties(self._pairs[migration])))


def _parties(pair: _Pair) -> list[Party]:
    """The machines and their instances."""
    return [party for machine in pair for party in (machine, machine._replace(kind=VIRTUAL_MACHINE_INSTANCE))]
