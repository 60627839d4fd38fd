"""The range in the ConfigMap, taken up while running; a wrong or missing one never takes the last good one away."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import Exhausted
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Events, Measures, Regarding
from kubemacpool.wire.config import (
    NAMESPACE_LIMIT,
    RANGE_CONFIG_MAP,
    RANGE_END,
    RANGE_START,
    RangeError,
    parse_namespace_limit,
    parse_pool,
)
from kubemacpool.wire.objects import ObjectIdentity

INVALID_RANGE = "InvalidRange"
POOL_EXHAUSTED = "PoolExhausted"
_OBSTACLE = "range"
_log = structlog.get_logger(__name__)


class RangeFollower:
    """Keeps the pool in line with the ConfigMap (implements `WatchListener[Mapping[str, str]]`)."""

    def __init__(
        self,
        namespace: str,
        replace_pool: Callable[[Pool], None],
        readiness: Readiness,
        measures: Measures,
        events: Events,
        *,
        cluster_uid: str = "",
    ) -> None:
        """Wait for the first good range.

        Args:
            namespace: where the ConfigMap is.
            replace_pool: called with each new pool after the first.
            readiness: hindered until there is a first one.
            measures: learns whether the range in the ConfigMap is in force.
            events: where a wrong range is reported to people.
            cluster_uid: tells this cluster from all others, for a pool that begins at a place of the cluster's own.
        """
        self._where = f"ConfigMap {namespace}/{RANGE_CONFIG_MAP}"
        self._namespace = namespace
        self._replace_pool = replace_pool
        self._readiness = readiness
        self._measures = measures
        self._events = events
        self._cluster_uid = cluster_uid
        self._pool: Pool | None = None
        self._uid = ""
        """Of the ConfigMap that was seen last."""
        self.namespace_limit: int | None = None
        """How many addresses a namespace may have; None for any number."""
        self._reported = ("", "")
        """What was wrong last, with which object; empty while nothing is."""
        self._started = asyncio.Event()
        readiness.hinder(_OBSTACLE, f"{self._where} has not been read yet")

    async def first_pool(self) -> Pool:
        """The pool to start with; waits until the ConfigMap is there and good."""
        while self._pool is None:
            await self._started.wait()
        return self._pool

    def present(self, identity: ObjectIdentity, item: Mapping[str, str], resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The ConfigMap exists: take up its range, or report what is wrong with it."""
        self._uid = identity.uid
        try:
            pool = parse_pool(item, self._cluster_uid)
            limit = parse_namespace_limit(item)
        except RangeError as error:
            self._reject(str(error), identity.uid)
            return
        self._measures.range_judged(valid=True)
        mended, self._reported = any(self._reported), ("", "")
        if limit != self.namespace_limit:
            self.namespace_limit = limit
            _log.info("limit of namespaces taken up", limit=limit)
        if self._pool is not None and pool.is_the_same_as(self._pool):
            if mended:
                _log.info("range in force is good again", range=str(pool))
            return
        _log.info("range taken up", range=str(pool), addresses=pool.size)
        starting, self._pool = self._pool is None, pool
        if starting:
            self._readiness.clear(_OBSTACLE)
            self._started.set()
        else:
            self._replace_pool(pool)

    def gone(self, identity: ObjectIdentity) -> None:
        """The ConfigMap was deleted."""
        self._reject("it was deleted; apply the release manifest again to bring it back", identity.uid)

    def pass_over(self, identity: ObjectIdentity, item: Mapping[str, str]) -> None:  # noqa: ARG002 (the listener's signature)
        """The ConfigMap could not be taken up, for a fault of ours."""
        self._reject("it could not be taken up; see the log", identity.uid)

    def reached(self, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The first look is done: if there was nothing, say what is waited for."""
        if self._pool is None and not any(self._reported):
            self._reject(f"it does not exist; create it with {RANGE_START} and {RANGE_END}", "")

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """The ConfigMap is not of the expected shape."""
        self._reject(reason, identity.uid)

    def exhausted(self, full: Exhausted) -> None:
        """An object was refused because the pool is full.

        The sentence says nothing of the object: the same one reported again is counted, and written once a minute.
        """
        sentence = (
            f"{self._where}: the pool {full.pool} is exhausted, and objects that need an address of it are refused: "
            f"delete pods that are no longer needed, or widen the range ({RANGE_START}, {RANGE_END})"
        )
        self._warn(POOL_EXHAUSTED, sentence, self._uid)

    def _reject(self, fault: str, uid: str) -> None:
        if self._reported == (fault, uid):  # told again, as with every relist
            return
        self._reported = (fault, uid)
        if self._pool is None:
            sentence = f"{self._where}: {fault}"
            self._readiness.hinder(_OBSTACLE, sentence)
        else:
            limit = "" if self.namespace_limit is None else f", with {NAMESPACE_LIMIT} {self.namespace_limit}"
            sentence = f"{self._where}: {fault}. The range in force stays {self._pool}{limit}"
        self._measures.range_judged(valid=False)
        _log.warning("range not taken up", reason=sentence)
        self._warn(INVALID_RANGE, sentence, uid)

    def _warn(self, reason: str, sentence: str, uid: str) -> None:
        regarding = Regarding("v1", "ConfigMap", self._namespace, RANGE_CONFIG_MAP, uid)
        self._events.warn(regarding, reason, sentence)
