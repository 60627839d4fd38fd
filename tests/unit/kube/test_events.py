"""Events written over HTTP, where the answer is not the API server's, and where there are too many."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.unit.doubles import KeptMeasures, ManualClock
from tests.unit.kube.test_client import served

from kubemacpool.kube import events as events_module
from kubemacpool.kube.events import EVENTS_A_SECOND, EVENTS_AT_ONCE, QUEUE_LENGTH, TELL_SECONDS, EventRecorder
from kubemacpool.ports import Regarding

REGARDING = Regarding("v1", "ConfigMap", "ns", "range", "uid-1")


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"metadata":{"name":"\xff"}}', b"[" * 100_000],
    ids=["a proxy's page", "no UTF-8", "deep"],
)
async def test_an_answer_that_is_no_event_is_logged_and_the_next_event_is_written_all_the_same(body: bytes) -> None:
    written: list[bytes] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        written.append(await request.read())
        return web.Response(body=body)

    async with served(handler) as client:
        recorder = EventRecorder(client, KeptMeasures())
        recorder.warn(REGARDING, "InvalidRange", "first")
        recorder.warn(REGARDING, "InvalidRange", "second")
        with capture_logs() as logs:
            await recorder.write_due()
    assert [b"first" in written[0], b"second" in written[1], len(written)] == [True, True, 2]
    assert [entry["error"].split(" (")[0] for entry in logs] == ["not an Event"] * 2


class Recording:
    """A recorder on a clock driven by hand, and what the API server was sent."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.measures = KeptMeasures()
        self.written: list[tuple[str, str]] = []
        """Reason and message of each Event."""
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.recorder: EventRecorder

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Takes an Event."""
        event = json.loads(await request.read())
        await self.let_go.wait()
        self.written.append((event.get("reason", "again"), event.get("message", str(event["count"]))))
        return web.json_response({"metadata": {"name": f"event-{len(self.written)}"}})

    def warn(self, message: str, reason: str = "MACCollision", namespace: str = "ns") -> None:
        """One warning."""
        self.recorder.warn(REGARDING._replace(namespace=namespace), reason, message)


@asynccontextmanager
async def _recording() -> AsyncIterator[Recording]:
    recording = Recording()
    async with served(recording.handle) as client:
        recording.recorder = EventRecorder(client, recording.measures, now=recording.clock.now)
        yield recording


async def test_an_event_that_is_pushed_out_while_another_is_written_is_forgotten_and_counted() -> None:
    async with _recording() as recording:
        recording.let_go.clear()
        recording.warn("0")
        writing = asyncio.create_task(recording.recorder.write_due())
        await asyncio.sleep(0.05)
        for number in range(1, QUEUE_LENGTH + 3):
            recording.warn(str(number))
        recording.let_go.set()
        await writing
        assert recording.measures.events_dropped == ["MACCollision"] * 2
        assert [message for _, message in recording.written[:2]] == ["0", "3"]


async def test_there_are_so_many_events_at_once_and_then_so_many_a_second() -> None:
    async with _recording() as recording:
        for number in range(EVENTS_AT_ONCE + 100):
            recording.warn(str(number))
        await recording.recorder.write_due()
        assert len(recording.written) == EVENTS_AT_ONCE
        recording.clock.advance(2.0)
        await recording.recorder.write_due()
        assert len(recording.written) == EVENTS_AT_ONCE + 2 * EVENTS_A_SECOND


async def test_reasons_and_namespaces_take_turns() -> None:
    async with _recording() as recording:
        for number in range(EVENTS_AT_ONCE + QUEUE_LENGTH):
            recording.warn(str(number), namespace="theirs")
        recording.warn("other namespace", namespace="mine")
        recording.warn("wrong", "InvalidRange", namespace="theirs")
        await recording.recorder.write_due()
        assert recording.written[1:3] == [("MACCollision", "other namespace"), ("InvalidRange", "wrong")]
        assert set(recording.measures.events_dropped) == {"MACCollision"}


async def test_what_was_dropped_is_logged_once_a_minute() -> None:
    async with _recording() as recording:
        with capture_logs() as logs:
            for _ in range(3):
                for number in range(QUEUE_LENGTH + 5):
                    recording.warn(f"{number} at {recording.clock.now()}")
                await recording.recorder.write_due()
                recording.clock.advance(TELL_SECONDS * 0.6)
        told = [entry for entry in logs if "dropped" in entry["event"]]
        assert len(told) == 2
        assert told[0] == {
            "event": "Events were dropped: there are too many",
            "log_level": "warning",
            "number": 5,
        }
        assert recording.recorder._seconds_until_due() == 0.0


async def test_an_event_that_is_told_no_more_is_forgotten_with_its_queue() -> None:
    async with _recording() as recording:
        recording.warn("one")
        await recording.recorder.write_due()
        recording.clock.advance(events_module.AGGREGATION_SECONDS)
        await recording.recorder.write_due()
        assert not recording.recorder._queues
        assert recording.recorder._length == 0


async def test_an_event_that_is_pushed_out_after_it_was_written_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events_module, "QUEUE_LENGTH", 1)
    async with _recording() as recording:
        recording.warn("one", namespace="first")
        await recording.recorder.write_due()
        recording.warn("two", namespace="second")
        await recording.recorder.write_due()
        assert [message for _, message in recording.written] == ["one", "two"]
        assert recording.measures.events_dropped == []
        assert list(recording.recorder._queues) == [("MACCollision", "second")]


async def test_a_post_that_hangs_is_given_up_and_the_others_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "POST_SECONDS", 0.05)
    async with _recording() as recording:
        recording.let_go.clear()
        recording.warn("hangs")
        recording.warn("is written")
        with capture_logs() as logs:
            writing = asyncio.create_task(recording.recorder.write_due())
            while not logs:  # noqa: ASYNC110 (nobody tells of a log line)
                await asyncio.sleep(0.01)
            recording.let_go.set()
            await writing
        assert recording.written[-1] == ("MACCollision", "is written")
        assert [entry["error"] for entry in logs] == ["no answer within 0.05 s"]


class Posting:
    """An API server that counts the Events that it takes."""

    def __init__(self) -> None:
        self.number = 0
        self._news = asyncio.Event()

    async def handle(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Takes an Event."""
        self.number += 1
        self._news.set()
        return web.json_response({"metadata": {"name": "event"}})

    async def has(self, number: int) -> None:
        """Returns when there are so many."""
        async with asyncio.timeout(10):
            while self.number < number:
                self._news.clear()
                await self._news.wait()


async def test_what_has_no_token_yet_is_written_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "EVENTS_A_SECOND", 50.0)
    posting = Posting()
    async with served(posting.handle) as client:
        recorder = EventRecorder(client, KeptMeasures())
        for number in range(EVENTS_AT_ONCE + 3):
            recorder.warn(REGARDING, "MACCollision", str(number))
        running = asyncio.create_task(recorder.run())
        await posting.has(EVENTS_AT_ONCE + 3)
        recorder.warn(REGARDING, "MACCollision", "later")
        await posting.has(EVENTS_AT_ONCE + 4)
        running.cancel()
        await asyncio.wait({running})


async def test_an_event_that_is_told_again_is_patched_when_that_is_due_and_made_anew_where_it_is_gone() -> None:
    clock = ManualClock()
    asked: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.method)
        gone = asked == ["POST", "PATCH"]
        return web.Response(status=404) if gone else web.json_response({"metadata": {"name": "e"}})

    async with served(handler) as client:
        recorder = EventRecorder(client, KeptMeasures(), now=clock.now)
        for expected in (["POST"], ["POST", "PATCH", "POST"], ["POST", "PATCH", "POST", "PATCH"]):
            recorder.warn(REGARDING, "InvalidRange", "wrong")
            await recorder.write_due()
            assert asked == expected
            clock.advance(61.0)


async def test_nothing_is_waited_for_longer_than_it_takes_to_forget_or_to_tell_of_what_was_dropped() -> None:
    async with _recording() as recording:
        assert recording.recorder._seconds_until_due() == events_module.AGGREGATION_SECONDS
        recording.recorder._dropped.count = 1
        assert recording.recorder._seconds_until_due() == TELL_SECONDS


async def test_an_event_told_within_ten_minutes_is_counted_and_later_it_is_another_one() -> None:
    async with _recording() as recording:
        recording.warn("one")
        await recording.recorder.write_due()
        recording.clock.advance(events_module.AGGREGATION_SECONDS + 1)
        recording.warn("one")
        await recording.recorder.write_due()
        assert recording.written == [("MACCollision", "one")] * 2
        assert recording.recorder._length == 1
