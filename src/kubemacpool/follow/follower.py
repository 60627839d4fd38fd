"""The ledger follows the cluster: what a watch on one kind sees, told to it as holders."""

import structlog

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Clock, Measures
from kubemacpool.progress import ViewProgress
from kubemacpool.wire.objects import CarriedAddresses, ObjectIdentity

_log = structlog.get_logger(__name__)


class Follower:
    """Tells which objects of one kind carry which addresses (implements `WatchListener[CarriedAddresses]`)."""

    def __init__(
        self, kind: str, population: Population, readiness: Readiness, measures: Measures, clock: Clock
    ) -> None:
        self.progress = ViewProgress()
        self._kind = kind
        self._population = population
        self._readiness = readiness
        self._measures = measures
        self._clock = clock
        self._faults: dict[str, str] = {}  # by uid, so that each is told once
        self._released = False  # whether an address was, since the view came to where it is
        self._entering: tuple[ObjectKey, tuple[int, ...]] | None = None  # what was known of whoever is being taken in

    def begin(self) -> None:
        """The kind is there, and what there is of it is not known yet: nobody may decide."""
        self._readiness.hinder(self._kind, f"the list of objects of kind {self._kind} is not complete yet")

    def end(self) -> None:
        """The kind is not there any more, and so nothing of it is; every object was told as gone."""
        self.progress.begin_anew()
        self._readiness.clear(self._kind)
        _log.info("following no longer", kind=self._kind)

    def present(self, identity: ObjectIdentity, item: CarriedAddresses, resource_version: int) -> None:
        """An object carries addresses, or something that should have been one; or it is one that others belong to."""
        key = self._key(identity)
        self._entering = (key, self._population.known(key))
        holder = Holder(key, identity.uid, Party(*key), item.addresses, attached=item.attached)
        self._population.see(holder, item.owner, self._clock.now(), resource_version)
        if item.fault:
            if self._faults.get(identity.uid) != item.fault:
                self._faults[identity.uid] = item.fault
                self.unreadable(identity, item.fault)
        elif self._faults:
            self._faults.pop(identity.uid, None)
        self._entering = None

    def pass_over(self, identity: ObjectIdentity, item: CarriedAddresses) -> None:
        """An object could not be taken in: what it carries, and what it carried before, is kept from others."""
        key = self._key(identity)
        entering, self._entering = self._entering, None
        before = entering[1] if entering is not None and entering[0] == key else self._population.known(key)
        claimed = (*item.addresses, *(item.attached or ()))
        self._population.withhold(key, identity.uid, before, claimed, self._clock.now())

    def gone(self, identity: ObjectIdentity) -> None:
        """An object was deleted, has completed, or carries nothing any more."""
        self._faults.pop(identity.uid, None)
        if self._population.gone(self._key(identity), self._clock.now()):
            self._released = True

    def reached(self, resource_version: int) -> None:
        """The view has come this far; after the first list all are known."""
        if self._released:
            self._released = False
            self._population.ledger.sight(self._kind, resource_version)
        if not self.progress.resource_version:
            self._readiness.clear(self._kind)
            held = self._population.ledger.held_count
            _log.info("following the cluster", kind=self._kind, resource_version=resource_version, held=held)
        self.progress.reached(resource_version)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """An object's addresses cannot be read: they may be in use without our knowing."""
        self._measures.unreadable(self._kind)
        _log.warning(
            "object passed over: its addresses cannot be read",
            kind=self._kind,
            namespace=identity.namespace,
            name=identity.name,
            reason=reason,
        )

    def _key(self, identity: ObjectIdentity) -> ObjectKey:
        return ObjectKey(self._kind, identity.namespace, identity.name)
