"""Warnings to people, posted as Events from bounded queues, the same one seldom, and not many a second.

`warn` only queues. `run` posts what is new, and adds up what was reported again: an Event is written at most once a
minute, and one that is not reported again for ten minutes is a new one the next time. Each reason and namespace has a
queue of its own, and they are served in turn: a tenant who makes thousands of collisions delays the Events of no other
namespace.
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
from kubemacpool.pacing import Tally, TokenBucket
from kubemacpool.ports import Measures, NotFoundError, OutsideError, Regarding
from kubemacpool.wire.api_objects import (
    LONGEST_MESSAGE_BYTES,
    EventText,
    cut,
    event_namespace,
    new_warning,
    read_event_name,
    seen_again_patch,
)
from kubemacpool.wire.listing import UnexpectedAnswerError

_log = structlog.get_logger(__name__)

QUEUE_LENGTH = 1000
"""Events are for people: so many different ones at once say no more than the first of them, and 1 KB each they are
1 MB. Where there are more, the longest queue loses its oldest."""

EVENTS_AT_ONCE = 50
EVENTS_A_SECOND = 5.0
"""An Event costs the API server and etcd what a small pod costs, and is kept for an hour: so there are at most 18,000
of ours. The burst tells of everything at once where a few dozen objects are concerned, as with a node restored."""

POST_SECONDS = 3.0
"""For the API server to take one; it normally takes milliseconds, and the others wait meanwhile."""

TELL_SECONDS = 60.0
"""Between two lines about what was dropped."""

AGGREGATION_SECONDS = 600.0
WRITE_INTERVAL_SECONDS = 60.0


@dataclass
class _Told:
    """One Event: how often it was reported, and what of that is written."""

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


_QueueKey = tuple[str, str]
_Queue = OrderedDict[EventText, _Told]


class EventRecorder:
    """Implements `kubemacpool.ports.events.Events`. Needs the verbs create and patch on events.

    Args:
        client: the API server.
        measures: counts what is dropped.
        component: who reports, as `kubectl describe` shows it.
        now: monotonic seconds.
        timestamp: the time of day, which people read.
    """

    def __init__(
        self,
        client: ApiClient,
        measures: Measures,
        component: str = "kubemacpool",
        *,
        now: Callable[[], float] = time.monotonic,
        timestamp: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._measures = measures
        self._component = component
        self._now = now
        self._timestamp = timestamp
        self._queues: OrderedDict[_QueueKey, _Queue] = OrderedDict()  # the one that was served longest ago first
        self._length = 0
        self._bucket = TokenBucket(EVENTS_A_SECOND, EVENTS_AT_ONCE)
        self._dropped = Tally(TELL_SECONDS)
        self._news = asyncio.Event()

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Queues a Warning about an object. Never fails: nothing that the pool decides depends on it."""
        text = EventText(*regarding, reason, cut(message, LONGEST_MESSAGE_BYTES))
        now = self._now()
        queue = self._queues.setdefault((reason, regarding.namespace), OrderedDict())
        told = queue.get(text)
        if told is not None and now - told.last_told < AGGREGATION_SECONDS:
            told.count += 1
            told.last_told = now
        else:
            self._length += told is None
            queue[text] = _Told(now)
        queue.move_to_end(text)
        if self._length > QUEUE_LENGTH:
            self._push_out()
        self._news.set()

    async def run(self) -> None:
        """Posts what is queued until cancelled."""
        while True:
            self._news.clear()
            await self.write_due()
            # What is due and has no token yet waits for that one; news would not change when it comes.
            ready_in = self._bucket.ready_in(self._now())
            if ready_in > 0:
                await asyncio.sleep(ready_in)
                continue
            try:
                async with asyncio.timeout(self._seconds_until_due()):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def write_due(self) -> None:
        """Writes every Event that is due, as far as there are tokens, and forgets what has long not been reported."""
        self._forget_the_old()
        self._tell_of_the_dropped()
        while (due := self._next_due()) is not None and self._bucket.take(self._now()):
            await self._write(*due)

    def _push_out(self) -> None:
        """Forget the oldest Event of the longest queue; where it was not written yet, it never is."""
        key = max(self._queues, key=lambda each: len(self._queues[each]))
        queue = self._queues[key]
        text, told = queue.popitem(last=False)
        self._length -= 1
        if not queue:
            del self._queues[key]
        if told.count > told.written_count:
            self._dropped.count += 1
            self._measures.event_dropped(text.reason)

    def _forget_the_old(self) -> None:
        now = self._now()
        for key, queue in list(self._queues.items()):
            for text, told in list(queue.items()):
                if told.due(now) is None and now - told.last_told >= AGGREGATION_SECONDS:
                    del queue[text]
                    self._length -= 1
            if not queue:
                del self._queues[key]

    def _tell_of_the_dropped(self) -> None:
        if number := self._dropped.due(self._now()):
            _log.warning("Events were dropped: there are too many", number=number)

    def _next_due(self) -> tuple[EventText, _Told] | None:
        """The oldest Event that is due, of the queue that has waited longest for its turn."""
        now = self._now()
        for key, queue in self._queues.items():
            for text, told in queue.items():
                due = told.due(now)
                if due is not None and due <= now:
                    self._queues.move_to_end(key)
                    return text, told
        return None

    def _seconds_until_due(self) -> float:
        now = self._now()
        every = (told.due(now) for queue in self._queues.values() for told in queue.values())
        due = [each for each in every if each is not None]
        # An Event may have been reported while others were written; then it is due at once.
        until = max(0.0, min(due) - now) if due else AGGREGATION_SECONDS
        return min(until, TELL_SECONDS) if self._dropped.count else until

    async def _write(self, text: EventText, told: _Told) -> None:
        """One attempt: what cannot be written counts as written until it is reported again."""
        count = told.count
        told.written_count = count
        told.written_at = self._now()
        timestamp = self._timestamp().strftime("%Y-%m-%dT%H:%M:%SZ")
        collection = f"/api/v1/namespaces/{event_namespace(text.namespace)}/events"
        try:
            async with asyncio.timeout(POST_SECONDS):
                if told.name:
                    try:
                        patch = seen_again_patch(count, timestamp)
                        await self._client.patch(f"{collection}/{told.name}", patch, content_type=MERGE_PATCH)
                    except NotFoundError:  # the API server keeps Events for an hour, or somebody deleted it
                        told.name = ""
                if not told.name:
                    body = new_warning(text, self._component, timestamp)
                    told.name = read_event_name(await self._client.create(collection, body))
        except (OutsideError, UnexpectedAnswerError, TimeoutError) as error:
            _log.warning(
                "an Event could not be written",
                kind=text.kind,
                namespace=text.namespace,
                name=text.name,
                reason=text.reason,
                error=str(error) or f"no answer within {POST_SECONDS:g} s",
            )
