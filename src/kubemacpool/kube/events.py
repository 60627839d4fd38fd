"""Warnings to people, posted as Events from a bounded queue, the same one seldom.

`warn` only queues. `run` posts what is new, and adds up what was told again: an Event is written at most once a minute,
and one that is not told again for ten minutes is told anew the next time.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.ports.errors import NotFoundError, OutsideError
from kubemacpool.ports.events import Regarding
from kubemacpool.wire.events import EventText, event_namespace, new_warning, read_event_name, seen_again_patch
from kubemacpool.wire.listing import UnexpectedAnswerError

_log = structlog.get_logger(__name__)

# Events are for people: so many different ones at once say no more than the first of them, and 1 KB each they are 1 MB.
QUEUE_LENGTH = 1000

AGGREGATION_SECONDS = 600.0
WRITE_INTERVAL_SECONDS = 60.0


@dataclass
class _Told:
    """One Event: how often it was told, and what of that is written."""

    last_told: float
    count: int = 1
    written_count: int = 0
    written_at: float | None = None
    name: str = ""

    def due(self, now: float) -> float | None:
        """When it is to be written; None where nothing is new."""
        if self.count == self.written_count:
            return None
        return now if self.written_at is None else self.written_at + WRITE_INTERVAL_SECONDS


class EventRecorder:
    """Implements `kubemacpool.ports.events.Events`. Needs the verbs create and patch on events.

    Args:
        client: the API server.
        component: who reports, as `kubectl describe` shows it.
        now: monotonic seconds.
        timestamp: the time of day, which people read.
    """

    def __init__(
        self,
        client: ApiClient,
        component: str = "kubemacpool",
        *,
        now: Callable[[], float] = time.monotonic,
        timestamp: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._component = component
        self._now = now
        self._timestamp = timestamp
        self._told: OrderedDict[EventText, _Told] = OrderedDict()
        self._news = asyncio.Event()

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Queues a Warning about an object. Never fails: nothing that the pool decides depends on it."""
        text = EventText(*regarding, reason, message)
        now = self._now()
        told = self._told.get(text)
        if told is not None and now - told.last_told < AGGREGATION_SECONDS:
            told.count += 1
            told.last_told = now
        else:
            self._told[text] = _Told(now)
        self._told.move_to_end(text)
        if len(self._told) > QUEUE_LENGTH:
            self._told.popitem(last=False)
        self._news.set()

    async def run(self) -> None:
        """Posts what is queued until cancelled."""
        while True:
            self._news.clear()
            await self.write_due()
            try:
                async with asyncio.timeout(self._seconds_until_due()):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def write_due(self) -> None:
        """Writes every Event that is due, and forgets what has long not been told."""
        now = self._now()
        for text, told in list(self._told.items()):
            due = told.due(now)
            if due is not None and due <= now:
                await self._write(text, told)
            elif due is None and now - told.last_told >= AGGREGATION_SECONDS:
                del self._told[text]

    def _seconds_until_due(self) -> float:
        now = self._now()
        due = [due for told in self._told.values() if (due := told.due(now)) is not None]
        # An Event may have been told while others were written; then it is due at once.
        return max(0.0, min(due) - now) if due else AGGREGATION_SECONDS

    async def _write(self, text: EventText, told: _Told) -> None:
        """One attempt: what cannot be written counts as written until it is told again."""
        count = told.count
        told.written_count = count
        told.written_at = self._now()
        timestamp = self._timestamp().strftime("%Y-%m-%dT%H:%M:%SZ")
        collection = f"/api/v1/namespaces/{event_namespace(text.namespace)}/events"
        try:
            if told.name:
                try:
                    patch = seen_again_patch(count, timestamp)
                    await self._client.patch(f"{collection}/{told.name}", patch, content_type=MERGE_PATCH)
                except NotFoundError:  # the API server keeps Events for an hour, or somebody deleted it
                    told.name = ""
            if not told.name:
                body = new_warning(text, self._component, timestamp)
                told.name = read_event_name(await self._client.create(collection, body))
        except (OutsideError, UnexpectedAnswerError) as error:
            _log.warning(
                "an Event could not be written",
                kind=text.kind,
                namespace=text.namespace,
                name=text.name,
                reason=text.reason,
                error=str(error),
            )
