"""An object whose taking in fails is set aside by name; everything else is followed on.

What fails may have left half of its work behind, so what is derived from the cluster counts as torn from then on and
is rebuilt (`service/rebuilding.py`). The object that it failed at is not tried again before it changes, and what it
carries is withheld meanwhile. Each rebuild costs everybody a moment without decisions: so a namespace may cause a few
of them, and then whatever is new or changes in it is set aside untried for a while.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol

import structlog

from kubemacpool.ports.clock import Clock
from kubemacpool.ports.measures import Measures
from kubemacpool.ports.watching import ItemT_contra, WatchListener
from kubemacpool.service.rationing import TokenBucket
from kubemacpool.wire.objects import ObjectIdentity

MOST_SET_ASIDE: Final = 4096
"""Objects of one kind that are remembered as set aside. With more, the oldest may be tried again; what it carries stays
withheld."""

REBUILDS_AT_ONCE: Final = 3
SECONDS_A_REBUILD: Final = 600.0
"""That a namespace may cause: an object that is mended by its user may fail twice on the way. A rebuild takes a second
at 20,000 pods, so one namespace costs the others three seconds, and then one in ten minutes."""

NAMESPACES: Final = 1024
"""Whose failures are remembered."""

UNTRIED: Final = "too many objects of its namespace have failed lately"

_log = structlog.get_logger(__name__)


class ForgivingListener(WatchListener[ItemT_contra], Protocol[ItemT_contra]):
    """A listener that can keep of an object what is needed for safety, when taking it in has failed."""

    def pass_over(self, identity: ObjectIdentity, item: ItemT_contra) -> None:
        """The object is there and is not taken in."""
        ...


class Trials:
    """Whether an object of a namespace may be tried, by how many rebuilds it has caused lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, TokenBucket] = OrderedDict()

    def may(self, namespace: str) -> bool:
        """Whether another rebuild can be borne for the sake of a namespace."""
        bucket = self._failures.get(namespace)
        return bucket is None or bucket.ready_in(self._clock.now()) == 0

    def failed(self, namespace: str) -> None:
        """An object of the namespace has failed, and so a rebuild is needed."""
        bucket = self._failures.get(namespace)
        if bucket is None:
            bucket = self._failures[namespace] = TokenBucket(1 / SECONDS_A_REBUILD, REBUILDS_AT_ONCE)
        bucket.take(self._clock.now())
        self._failures.move_to_end(namespace)
        if len(self._failures) > NAMESPACES:
            self._failures.popitem(last=False)


@dataclass
class _Aside:
    """One object that is set aside."""

    uid: str
    resource_version: int
    reason: str
    tried: bool


class SettingAside(Generic[ItemT_contra]):
    """Stands before a listener, and keeps what fails in there from whoever tells it (implements `WatchListener`)."""

    def __init__(
        self,
        kind: str,
        listener: ForgivingListener[ItemT_contra],
        on_torn: Callable[[], bool],
        trials: Trials,
        measures: Measures,
    ) -> None:
        """Set nothing aside yet.

        Args:
            kind: of the objects, for people.
            listener: who takes them in.
            on_torn: called when that has failed; says whether that costs a rebuild which was not needed before.
            trials: shared by all kinds.
            measures: told how many are set aside.
        """
        self._kind = kind
        self._listener = listener
        self._on_torn = on_torn
        self._trials = trials
        self._measures = measures
        self._aside: OrderedDict[tuple[str, str], _Aside] = OrderedDict()
        self._taken: dict[str, int] = {}  # by uid, the resourceVersion of what was taken in: it can be so again

    def present(self, identity: ObjectIdentity, item: ItemT_contra, resource_version: int) -> None:
        """The object exists: take it in, or set it aside."""
        aside = self._aside.get((identity.namespace, identity.name)) if self._aside else None
        if aside is not None and aside == _Aside(identity.uid, resource_version, aside.reason, tried=True):
            return
        if self._taken.get(identity.uid) != resource_version and not self._trials.may(identity.namespace):
            self._set_aside(identity, item, _Aside(identity.uid, resource_version, UNTRIED, tried=False))
            return
        try:
            self._listener.present(identity, item, resource_version)
        except Exception as error:  # noqa: BLE001 (whatever it is: that is what this module is for)
            self._set_aside(identity, item, _Aside(identity.uid, resource_version, _text(error), tried=True), error)
            self._tear(identity)
            return
        self._taken[identity.uid] = resource_version
        if aside is not None:
            self._take_back(identity)

    def gone(self, identity: ObjectIdentity) -> None:
        """The object is gone; what fails now is not set aside, since it is not there."""
        self._take_back(identity)
        self._taken.pop(identity.uid, None)
        try:
            self._listener.gone(identity)
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("an object that is gone could not be taken out", **self._names(identity))
            self._tear(identity)

    def reached(self, resource_version: int) -> None:
        """The view has come this far."""
        self._listener.reached(resource_version)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """The object could not be understood."""
        self._listener.unreadable(identity, reason)

    def _set_aside(
        self, identity: ObjectIdentity, item: ItemT_contra, aside: _Aside, error: Exception | None = None
    ) -> None:
        key = (identity.namespace, identity.name)
        before = self._aside.get(key)
        self._taken.pop(identity.uid, None)
        self._aside[key] = aside
        self._aside.move_to_end(key)
        if len(self._aside) > MOST_SET_ASIDE:
            self._aside.popitem(last=False)
        self._measures.set_aside(self._kind, len(self._aside))
        if before is None or (before.uid, before.reason) != (aside.uid, aside.reason):
            _log.error(
                "an object was set aside: it could not be taken in",
                **self._names(identity),
                resource_version=aside.resource_version,
                reason=aside.reason,
                exc_info=error,
            )
        try:
            self._listener.pass_over(identity, item)
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("an object that is set aside could not be passed over", **self._names(identity))
            self._tear(identity)

    def _tear(self, identity: ObjectIdentity) -> None:
        if self._on_torn():
            self._trials.failed(identity.namespace)

    def _take_back(self, identity: ObjectIdentity) -> None:
        if self._aside.pop((identity.namespace, identity.name), None) is not None:
            self._measures.set_aside(self._kind, len(self._aside))

    def _names(self, identity: ObjectIdentity) -> dict[str, str]:
        return {"kind": self._kind, "namespace": identity.namespace, "name": identity.name, "uid": identity.uid}


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
