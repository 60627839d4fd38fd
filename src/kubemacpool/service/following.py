"""The ledger follows the cluster: what a watch on one kind sees, told to the ledger as holders."""

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.measures import Measures
from kubemacpool.service.progress import ViewProgress
from kubemacpool.service.readiness import Readiness
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.pods import CarriedAddresses

POD = "Pod"
_log = structlog.get_logger(__name__)


class PodFollower:
    """Tells the ledger which pods carry which addresses (implements `WatchListener[CarriedAddresses]`)."""

    def __init__(self, ledger: Ledger, readiness: Readiness, measures: Measures, clock: Clock) -> None:
        self.progress = ViewProgress()
        self._ledger = ledger
        self._readiness = readiness
        self._measures = measures
        self._clock = clock
        self._faults: dict[str, str] = {}  # by uid, so that each is told once
        readiness.hinder(POD, "the list of the cluster's pods is not complete yet")

    def present(self, identity: ObjectIdentity, item: CarriedAddresses, resource_version: int) -> None:
        """A pod carries addresses, or something that should have been one."""
        key = ObjectKey(POD, identity.namespace, identity.name)
        holder = Holder(key, identity.uid, Party(*key), item.addresses)
        self._ledger.observe(holder, self._clock.now(), resource_version)
        if item.fault:
            if self._faults.get(identity.uid) != item.fault:
                self._faults[identity.uid] = item.fault
                self.unreadable(identity, item.fault)
        elif self._faults:
            self._faults.pop(identity.uid, None)

    def gone(self, identity: ObjectIdentity) -> None:
        """A pod was deleted, has completed, or carries nothing any more."""
        self._faults.pop(identity.uid, None)
        self._ledger.vanish(ObjectKey(POD, identity.namespace, identity.name), self._clock.now())

    def reached(self, resource_version: int) -> None:
        """The view has come this far; after the first list the ledger is complete."""
        if not self.progress.resource_version:
            self._readiness.clear(POD)
            _log.info(
                "following the cluster", kind=POD, resource_version=resource_version, held=self._ledger.held_count
            )
        self.progress.reached(resource_version)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """A pod's addresses cannot be read: they may be in use without our knowing."""
        self._measures.unreadable(POD)
        _log.warning(
            "object passed over: its addresses cannot be read",
            kind=POD,
            namespace=identity.namespace,
            name=identity.name,
            reason=reason,
        )
