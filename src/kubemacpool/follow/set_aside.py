"""An object whose taking in fails is set aside by name, and what it may have torn is rebuilt."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, Protocol

import structlog

from kubemacpool.follow.readiness import Readiness
from kubemacpool.pacing import Backoff, TokenBucket
from kubemacpool.ports import Clock, ItemT_contra, Measures, WatchListener
from kubemacpool.wire.objects import ObjectIdentity

OBSTACLE: Final = "rebuilding"

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
"""Seconds before a list that follows another one: the first failure is mended at once."""

QUIET_SECONDS: Final = 120.0
"""Without a failure, after which the next one is the first one again."""

_log = structlog.get_logger(__name__)


class Rebuilder:
    """Forgets what may be wrong, at once, and has it listed again.

    Args:
        forget: what is derived is empty afterwards; in one step, so that nothing is decided by what is torn.
        relists: for each kind what lists it afresh, and returns when all of it has been told.
        readiness: hindered meanwhile.
        now: monotonic seconds.
        sleep: how to wait.
        draw: a random number between 0 and 1.
    """

    def __init__(
        self,
        forget: Callable[[], None],
        relists: Callable[[], Iterable[Callable[[], Awaitable[None]]]],
        readiness: Readiness,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._forget = forget
        self._relists = relists
        self._readiness = readiness
        self._now = now
        self._sleep = sleep
        self._draw = draw
        self._backoff = Backoff(FIRST_DELAY, LONGEST_DELAY)
        self._listed_at: float | None = None
        self._whole = True
        self._torn = asyncio.Event()

    def tear(self) -> bool:
        """Something has failed half-way; says whether all was whole until now, so that this costs a rebuild."""
        was_whole, self._whole = self._whole, False
        self._readiness.hinder(
            OBSTACLE, "what is known of the cluster is being rebuilt, because an object could not be taken in (see log)"
        )
        self._torn.set()
        try:
            self._forget()
        except Exception:  # noqa: BLE001 (it is tried again, by whoever is watched)
            _log.exception("what is known of the cluster could not be forgotten, trying again")
        return was_whole

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._torn.wait()
            await self._pause()
            self._torn.clear()
            try:
                self._forget()
                await asyncio.gather(*(relist() for relist in self._relists()))
            except BaseException:
                self._torn.set()  # whoever runs this again goes on
                raise
            if not self._torn.is_set():
                self._whole = True
                self._readiness.clear(OBSTACLE)
                _log.info("what is known of the cluster was rebuilt")

    async def _pause(self) -> None:
        now = self._now()
        if self._listed_at is None or now - self._listed_at >= QUIET_SECONDS:
            self._backoff.succeeded()
        else:
            await self._sleep(self._backoff.next_delay(self._draw()))
        self._listed_at = self._now()


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
    """Stands before a listener, and keeps what fails in there from the reflector (implements `WatchListener`)."""

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
            measures: learns how many are set aside.
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
