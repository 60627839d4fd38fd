"""Following one kind of object for as long as the process lives: a paged list, then watches from where it ended.

::

      ┌───────────── expired (410), or two watches that brought nothing ─────────────┐
      v                                                                              │
    list, page by page ──complete──> watch from the last resourceVersion ──any end───┤
      ^    │                           ^                                             │
      └────┘ any failure: back-off     └──── resume, at once or after a back-off ────┘

Whatever goes wrong, the listener learns of everything that is there and of everything that is gone, in the end and
exactly; and an object that cannot be decoded is reported by name and passed over. At no time is more than one page
held.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic

import structlog

from kubemacpool.kube.lines import LineSplitter, Overlong
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import AnswerTooLargeError, StreamSilentError, Transport, failure_of
from kubemacpool.kube.view import View
from kubemacpool.pacing import Backoff
from kubemacpool.ports import ClusterUnavailableError, OutsideError, ResourceExpiredError, WatchListener
from kubemacpool.wire.listing import UnexpectedAnswerError, cut_present, read_event, read_head, read_page
from kubemacpool.wire.objects import Decoded, ItemT, ObjectIdentity, UnreadableObjectError

_log = structlog.get_logger(__name__)

# A hundred pods decode in a millisecond; between slices the webhook gets its turn.
SLICE_SIZE = 100

# Objects whose annotations are as long as they may be take 3 ms each, and a hundred of them would take a third of a
# second.
SLICE_BYTES = 512 * 1024

# The API server ends a watch after timeoutSeconds; a connection on which even that end is lost is dropped a little
# later.
_STREAM_GRACE_SECONDS = 30.0

# Watches in a row that brought nothing and ended badly. One may be the network; after the second, where the watch
# stands is in doubt (a cluster restored from a backup is silent for a resourceVersion from its future), and a list
# settles it.
_FRUITLESS_WATCHES = 2


@dataclass(frozen=True)
class Pacing:
    """How large and how long; all times in seconds.

    Attributes:
        page_limit: objects asked for in one page.
        watch_seconds: a watch is asked to end after a time drawn between these, so that not all end together.
        idle_seconds: silence after which a watch is given up. Bookmarks come about each minute, so this is two lost
            ones.
        healthy_seconds: a watch that lasted as long is no longer part of an outage: the next failure is the first one
            again.
    """

    page_limit: int = 500
    watch_seconds: tuple[float, float] = (300.0, 600.0)
    idle_seconds: float = 150.0
    healthy_seconds: float = 10.0


@dataclass(frozen=True)
class Surroundings:
    """Time and chance, as the loops here use them."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random


class Reflector(Generic[ItemT]):
    """Tells a listener of every object of one resource, for as long as `run` runs.

    Args:
        transport: how the API server is read.
        resource: what is followed.
        decode: reads one object; raises UnreadableObjectError for one that it does not understand.
        listener: of the objects.
        pacing: how large and how long.
        surroundings: time and chance.

    Attributes:
        on_idle: called before the listener learns of a resourceVersion up to which nothing has changed.
        on_rewind: called with the resourceVersion, and a sentence, when a list is older than what was known: the
            cluster was restored from a backup. The list has not been passed on yet.
    """

    def __init__(
        self,
        transport: Transport,
        resource: Resource,
        decode: Callable[[bytes], Decoded[ItemT]],
        listener: WatchListener[ItemT],
        *,
        pacing: Pacing = Pacing(),
        surroundings: Surroundings = Surroundings(),
    ) -> None:
        self._transport = transport
        self._resource = resource
        self._decode = decode
        self._listener = listener
        self._view = View(listener)
        self._pacing = pacing
        self._surroundings = surroundings
        self.on_idle: Callable[[], None] = lambda: None
        self.on_rewind: Callable[[int, str], None] = lambda _version, _reason: None
        self._backoff = Backoff()
        self._log = _log.bind(resource=resource.collection)
        self._list_complete = False
        self._first_list = asyncio.Event()
        self._resource_version = 0
        self._trouble = ""
        self._heard = 0
        self._heard_at: float | None = surroundings.now()
        self._lists = 0
        self._fruitless = 0
        self._broken = False
        self._relist_asked = asyncio.Event()
        self._relists: list[asyncio.Future[None]] = []

    @property
    def listed(self) -> bool:
        """Whether the first list is complete."""
        return self._first_list.is_set()

    @property
    def resource_version(self) -> int:
        """How far the view has come; 0 before the first list is complete."""
        return self._resource_version

    @property
    def trouble(self) -> str:
        """Why the cluster cannot be followed at the moment; empty while it can."""
        return self._trouble

    @property
    def silent_seconds(self) -> float | None:
        """Since the API server was last heard of the resource; None where it is not followed any more."""
        return None if self._heard_at is None else self._surroundings.now() - self._heard_at

    @property
    def lists(self) -> int:
        """How often the resource was listed completely."""
        return self._lists

    @property
    def size(self) -> int:
        """How many objects of interest are present."""
        return self._view.size

    async def wait_until_listed(self) -> None:
        """Returns once the first list is complete."""
        await self._first_list.wait()

    async def relist(self) -> None:
        """Lists afresh, now; returns when a list that began after the call is complete."""
        done = asyncio.get_running_loop().create_future()
        self._relists.append(done)
        self._relist_asked.set()
        await done

    def move(self, path: str) -> None:
        """The resource is served at another path from now on, in another version perhaps: it is listed there, now."""
        self._resource = replace(self._resource, path=path)
        self._log = _log.bind(resource=self._resource.collection)
        self._relist_asked.set()

    def forget(self) -> None:
        """Tells of everything as gone. Only when `run` has ended: the kind is not there any more."""
        self._heard_at = None
        self._view.forget_all()

    async def run(self) -> None:
        """Follows the resource until cancelled. Ends otherwise only with a fault of ours, and may be run again then."""
        while True:
            began = self._surroundings.now()
            retry_after: float | None = None
            clean = False
            try:
                if self._list_complete and not self._relist_asked.is_set():
                    if self._broken:
                        await self._confirm_position()
                        continue
                    clean = await self._watch_or_relist()
                    if not clean:
                        continue
                else:
                    await self._list()
                    continue
            except ResourceExpiredError as error:
                self._list_complete = False
                self._log.info(
                    "history was lost, listing afresh", error=str(error), resource_version=self._resource_version
                )
            except (OutsideError, UnexpectedAnswerError) as error:
                retry_after = error.retry_after if isinstance(error, ClusterUnavailableError) else None
                self._broken = True
                self._complain(str(error))
            except Exception:  # a fault of ours: whoever runs this again begins with a list
                self._list_complete = False
                raise
            if self._surroundings.now() - began >= self._pacing.healthy_seconds:
                self._backoff.succeeded()
                if clean:
                    continue
            await self._surroundings.sleep(self._backoff.next_delay(self._surroundings.draw(), at_least=retry_after))

    async def _list(self) -> None:
        self._relist_asked.clear()
        self._list_complete = False  # a list that fails is followed by another one
        asked = len(self._relists)
        self._view.begin_list()
        limit = self._pacing.page_limit
        version: int | None = None
        token = ""
        while version is None or token:
            try:
                page_version, token = await self._list_page(limit, token)
            except AnswerTooLargeError:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)
                self._log.info("a page is too large, asking for smaller ones", limit=limit)
                continue
            # Every page shows the state as of the first one.
            version = page_version if version is None else version
        self._resource_version = version
        self._list_complete = True
        self._lists += 1
        self._broken = False
        self._fruitless = 0
        self._view.complete_list(version)
        self._log.info("the list is complete", resource_version=version, of_interest=self._view.size)
        self._first_list.set()
        self._recover()
        answered, self._relists = self._relists[:asked], self._relists[asked:]
        for relist in answered:
            if not relist.done():
                relist.set_result(None)

    async def _list_page(self, limit: int, token: str) -> tuple[int, str]:
        """Tells of one page. Only here is a page held, and it is let go before the next one is asked for."""
        params = {**self._resource.selectors, "limit": str(limit)}
        if token:
            params["continue"] = token
        page = read_page(
            await self._transport.get(self._resource.collection, params, accept=self._resource.list_accept)
        )
        self._heard_at = self._surroundings.now()
        self._compare(page.resource_version)
        objects = size = 0
        for raw in page.items:
            self._take(raw)
            objects += 1
            size += len(raw)
            if objects >= SLICE_SIZE or size >= SLICE_BYTES:
                objects = size = 0
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return page.resource_version, page.continue_token

    async def _confirm_position(self) -> None:
        """Finds out, after an outage, whether the cluster has come as far as we have.

        A watch from a resourceVersion of the future, which a cluster restored from a backup has lost, is silent until
        there is such a one again, and has missed all before it. Before a restore every API server is stopped, so an
        outage comes before.
        """
        params = {**self._resource.selectors, "limit": "1"}
        collection = self._resource.collection
        try:
            # A connection that is kept for requests may hang as the watch's did; the next try is made on another one.
            async with asyncio.timeout(self._pacing.idle_seconds):
                body = await self._transport.get(collection, params, accept=self._resource.list_accept)
        except TimeoutError as error:
            raise StreamSilentError(f"GET {collection}: the API server keeps silent") from error
        if read_page(body).resource_version < self._resource_version:
            self._list_complete = False
        self._broken = False

    def _compare(self, version: int) -> None:
        """Tells of a list that is older than what was known before it."""
        if version < self._resource_version:
            reason = f"{self._resource.plural}: resourceVersion fell from {self._resource_version} to {version}"
            self._log.warning("the cluster was restored from a backup", reason=reason)
            self._resource_version = version
            self.on_rewind(version, reason)

    async def _watch_or_relist(self) -> bool:
        """Watches until that ends; or until a list is asked for; then it returns False."""
        tasks = watch, asked = asyncio.create_task(self._watch()), asyncio.create_task(self._relist_asked.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not watch.done():
                return False
            await watch
            return True
        finally:
            watch.cancel()
            asked.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            del tasks, watch, asked  # what is raised refers to this frame, and a task to what it raised

    async def _watch(self) -> None:
        low, high = self._pacing.watch_seconds
        seconds = int(low + (high - low) * self._surroundings.draw())
        params = {
            **self._resource.selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._resource_version),
            "timeoutSeconds": str(seconds),
        }
        self._heard = 0
        lines = LineSplitter()

        def hear(piece: bytes) -> None:
            self._heard_at = self._surroundings.now()
            for line in lines.feed(piece):
                self._hear(line)

        try:
            await self._transport.stream(
                self._resource.collection,
                params,
                hear,
                accept=self._resource.watch_accept,
                idle_seconds=self._pacing.idle_seconds,
                total_seconds=seconds + _STREAM_GRACE_SECONDS,
            )
        except (StreamSilentError, UnexpectedAnswerError):
            self._count_fruitless()
            raise
        finally:
            if lines.pending_bytes:
                self._log.info("a watch ended in the middle of a line", pending_bytes=lines.pending_bytes)

    def _count_fruitless(self) -> None:
        self._fruitless = 0 if self._heard else self._fruitless + 1
        if self._fruitless >= _FRUITLESS_WATCHES:
            self._list_complete = False
            self._log.info("watches bring nothing, listing afresh", resource_version=self._resource_version)

    def _hear(self, line: bytes | Overlong) -> None:
        """Tells of one line of a watch."""
        if isinstance(line, Overlong):
            self._listener.unreadable(ObjectIdentity("", "", ""), "an event too long to be read")
            return
        decoded = self._read_present(line)
        if decoded is not None:
            self._view.see(decoded)
            self._come_to(decoded.resource_version)
            return
        event = read_event(line)
        if event.type == "ERROR":
            failure = failure_of(f"watch {self._resource.collection}", 0, event.object)
            if not isinstance(failure, ResourceExpiredError):
                self._count_fruitless()
            raise failure
        if event.type in {"ADDED", "MODIFIED"}:
            version = self._take(event.object)
        else:
            identity, version = read_head(event.object)
            if event.type == "DELETED":
                self._view.forget(identity)
        self._come_to(version, idle=event.type == "BOOKMARK")

    def _come_to(self, version: int | None, *, idle: bool = False) -> None:
        """An event was told."""
        self._heard += 1
        if self._trouble:
            self._recover()
        if idle:
            self.on_idle()
        if version is not None:
            self._resource_version = version
            self._view.reach(version)

    def _read_present(self, line: bytes) -> Decoded[ItemT] | None:
        """The object of an event in one pass, where nothing is strange about it; else it is read part by part."""
        raw = cut_present(line)
        if raw is None:
            return None
        try:
            return self._decode(raw)
        except Exception:  # noqa: BLE001 - what it means is found out when the parts are read
            return None

    def _take(self, raw: bytes) -> int | None:
        """Tells of one object as it is; gives its resourceVersion where that can be read."""
        try:
            decoded = self._decode(raw)
        except UnreadableObjectError as error:
            self._view.see_unreadable(error.identity, error.reason)
            return error.resource_version
        except Exception as error:  # noqa: BLE001 - foreign bytes may break a decoder in ways nobody foresaw; the watch goes on
            head = read_head(raw)
            if self._view.see_unreadable(head.identity, f"{type(error).__name__}: {error}"):
                self._log.exception(
                    "an object broke its decoder", namespace=head.identity.namespace, name=head.identity.name
                )
            return head.resource_version
        self._view.see(decoded)
        return decoded.resource_version

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._log.warning("the cluster cannot be followed, trying again", error=trouble)
        self._trouble = trouble

    def _recover(self) -> None:
        if self._trouble:
            self._log.info("the cluster is followed again", resource_version=self._resource_version)
        self._trouble = ""
