import asyncio
from collections.abc import Callable, Iterable

import pytest
from structlog.testing import capture_logs
from tests.unit.kube.documents import Told, bookmark, decode, event, failure, page, thing

from kubemacpool.kube.reflector import Pacing, Reflector, Surroundings
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.scripted import Answer, Pieces, ScriptedTransport, Step
from kubemacpool.kube.transport import AnswerTooLargeError, StreamSilentError
from kubemacpool.ports.errors import ClusterUnavailableError, RefusedError, ResourceExpiredError

PODS = Resource("/api/v1/pods", field_selector="status.phase!=Failed", metadata_only=True)
CUT = ClusterUnavailableError("the connection was cut")


class Play:
    """A reflector that follows a script, and what came of it."""

    def __init__(self, steps: Iterable[Step], *, now: Callable[[], float] = lambda: 0.0) -> None:
        self.told = Told()
        self.delays: list[float] = []
        self.transport = ScriptedTransport(steps)
        self.reflector = Reflector(
            self.transport,
            PODS,
            decode,
            self.told,
            surroundings=Surroundings(now=now, sleep=self._sleep, draw=lambda: 1.0),
        )

    async def to_the_end(self) -> list[str]:
        """Runs until the script is at its end; gives what the listener was told."""
        running = asyncio.create_task(self.reflector.run())
        ended = asyncio.create_task(self.transport.finished.wait())
        await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED, timeout=5)
        ended.cancel()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return self.told.lines

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)


async def test_a_list_of_several_pages_is_told_whole_and_then_watched_from_its_resource_version() -> None:
    play = Play([Answer(page(7, thing("a", 1), following="next")), Answer(page(7, thing("b", 2)))])
    assert await play.to_the_end() == ["present ns/a uid-a", "present ns/b uid-b", "reached 7"]
    first, second, watch = play.transport.requests
    assert first.params == {"limit": "500", "fieldSelector": "status.phase!=Failed"}
    assert second.params == {**first.params, "continue": "next"}
    assert watch.params == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "7",
        "timeoutSeconds": "600",
        "fieldSelector": "status.phase!=Failed",
    }
    assert first.accept == "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    assert watch.accept == "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert watch.idle_seconds == 150


async def test_nothing_counts_as_listed_until_the_last_page_is_told() -> None:
    play = Play([Answer(page(7, thing("a", 1), following="next"))])
    await play.to_the_end()
    assert not play.reflector.listed
    play = Play([Answer(page(7))])
    await play.to_the_end()
    assert play.reflector.listed
    await asyncio.wait_for(play.reflector.wait_until_listed(), 1)


async def test_events_are_told_in_their_order_and_move_the_view_on() -> None:
    lines = event("ADDED", thing("a", 8)) + event("MODIFIED", thing("a", 9)) + event("DELETED", thing("a", 10))
    play = Play([Answer(page(7)), Pieces([lines])])
    assert await play.to_the_end() == [
        "reached 7",
        "present ns/a uid-a",
        "reached 8",
        "present ns/a uid-a",
        "reached 9",
        "gone ns/a uid-a",
        "reached 10",
    ]
    assert play.reflector.resource_version == 10
    assert play.transport.requests[-1].params["resourceVersion"] == "10"


async def test_a_bookmark_moves_the_view_on_without_any_object() -> None:
    play = Play([Answer(page(7)), Pieces([bookmark(50)])])
    assert await play.to_the_end() == ["reached 7", "reached 50"]
    assert play.transport.requests[-1].params["resourceVersion"] == "50"


async def test_a_line_that_arrives_in_pieces_is_told_once_it_is_whole() -> None:
    whole = event("ADDED", thing("a", 8))
    play = Play([Answer(page(7)), Pieces([whole[:10], whole[10:30], whole[30:]])])
    assert await play.to_the_end() == ["reached 7", "present ns/a uid-a", "reached 8"]


async def test_half_a_line_is_dropped_with_its_connection_and_the_watch_resumes_before_it() -> None:
    whole = event("ADDED", thing("b", 9))
    play = Play([Answer(page(7)), Pieces([event("ADDED", thing("a", 8)), whole[:-5], CUT]), Pieces([whole])])
    with capture_logs() as logs:
        told = await play.to_the_end()
    assert told == ["reached 7", "present ns/a uid-a", "reached 8", "present ns/b uid-b", "reached 9"]
    assert [request.params["resourceVersion"] for request in play.transport.requests[1:]] == ["7", "8", "9"]
    assert {"pending_bytes": len(whole) - 5}.items() <= logs[1].items()


@pytest.mark.parametrize(
    "expired",
    [ResourceExpiredError("too old"), Pieces([failure(410, "Expired", "too old resource version")])],
    ids=["as the answer", "as an event"],
)
async def test_lost_history_is_made_good_by_a_list_and_the_deletes_in_it_are_told(expired: Step) -> None:
    play = Play(
        [
            Answer(page(7, thing("a", 1), thing("b", 2), thing("c", 3))),
            expired,
            Answer(page(20, thing("b", 2), thing("d", 15))),
        ]
    )
    told = await play.to_the_end()
    assert told[4:6] == ["present ns/b uid-b", "present ns/d uid-d"]
    assert sorted(told[6:8]) == ["gone ns/a uid-a", "gone ns/c uid-c"]
    assert told[8:] == ["reached 20"]
    assert play.reflector.size == 2


async def test_an_object_created_again_under_its_name_is_gone_before_it_is_present() -> None:
    play = Play(
        [Answer(page(7, thing("a", 1))), ResourceExpiredError("too old"), Answer(page(9, thing("a", 8, uid="new")))]
    )
    assert (await play.to_the_end())[2:] == ["gone ns/a uid-a", "present ns/a new", "reached 9"]


async def test_a_list_that_breaks_off_is_begun_afresh_and_what_left_meanwhile_is_gone() -> None:
    """A was told by the first, broken list, so its absence from the second one has to be told."""
    play = Play(
        [
            Answer(page(7, thing("a", 1), following="next")),
            ResourceExpiredError("the token"),
            Answer(page(9, thing("b", 8))),
        ]
    )
    assert await play.to_the_end() == ["present ns/a uid-a", "present ns/b uid-b", "gone ns/a uid-a", "reached 9"]
    assert "continue" not in play.transport.requests[2].params


async def test_objects_of_no_interest_are_neither_told_nor_remembered() -> None:
    play = Play([Answer(page(7, *(thing(f"p{index}", index, dull=True) for index in range(300))))])
    assert await play.to_the_end() == ["reached 7"]
    assert play.reflector.size == 0


async def test_an_object_that_loses_its_interest_is_gone() -> None:
    play = Play([Answer(page(7, thing("a", 1))), Pieces([event("MODIFIED", thing("a", 8, dull=True))])])
    assert (await play.to_the_end())[2:] == ["gone ns/a uid-a", "reached 8"]


async def test_the_delete_of_an_object_that_was_never_told_is_not_told() -> None:
    play = Play([Answer(page(7)), Pieces([event("DELETED", thing("a", 8))])])
    assert await play.to_the_end() == ["reached 7", "reached 8"]


async def test_an_unreadable_object_is_told_of_once_and_passed_over() -> None:
    broken = thing("bad", 2, broken="no annotation")
    play = Play(
        [
            Answer(page(7, broken, thing("a", 3))),
            Pieces([event("MODIFIED", thing("bad", 8, broken="no annotation")), event("ADDED", thing("b", 9))]),
            ResourceExpiredError("too old"),
            Answer(page(12, broken, thing("a", 3), thing("b", 9))),
        ]
    )
    assert await play.to_the_end() == [
        "unreadable ns/bad no annotation",
        "present ns/a uid-a",
        "reached 7",
        "reached 8",
        "present ns/b uid-b",
        "reached 9",
        "present ns/a uid-a",
        "present ns/b uid-b",
        "reached 12",
    ]


async def test_an_unreadable_object_is_told_of_again_for_another_reason_and_after_it_was_deleted() -> None:
    play = Play(
        [
            Answer(page(7, thing("bad", 1, broken="one"))),
            Pieces(
                [
                    event("MODIFIED", thing("bad", 8, broken="two")),
                    event("DELETED", thing("bad", 9, broken="two")),
                    event("ADDED", thing("bad", 10, broken="two")),
                ]
            ),
        ]
    )
    told = [line for line in await play.to_the_end() if line.startswith("unreadable")]
    assert told == ["unreadable ns/bad one", "unreadable ns/bad two", "unreadable ns/bad two"]


async def test_an_unreadable_object_is_told_of_again_when_a_list_was_without_it() -> None:
    bad = thing("bad", 1, broken="one")
    play = Play(
        [
            Answer(page(7, bad)),
            ResourceExpiredError("too old"),
            Answer(page(9)),
            Pieces([event("ADDED", thing("bad", 10, broken="one"))]),
        ]
    )
    told = await play.to_the_end()
    assert told == ["unreadable ns/bad one", "reached 7", "reached 9", "unreadable ns/bad one", "reached 10"]


async def test_an_unreadable_object_is_told_of_again_after_it_could_be_read() -> None:
    bad = thing("bad", 1, broken="one")
    play = Play([Answer(page(7, bad)), Pieces([event("MODIFIED", thing("bad", 8)), event("MODIFIED", bad)])])
    told = [line for line in await play.to_the_end() if not line.startswith("reached")]
    assert told == ["unreadable ns/bad one", "present ns/bad uid-bad", "unreadable ns/bad one"]


async def test_complaints_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubemacpool.kube.view.REMEMBERED_COMPLAINTS", 2)
    first, second, third = (event("MODIFIED", thing(name, 8, broken="x")) for name in "abc")
    play = Play([Answer(page(7)), Pieces([first, second, third, third, second, first])])
    told = [line for line in await play.to_the_end() if line.startswith("unreadable")]
    assert told == ["unreadable ns/a x", "unreadable ns/b x", "unreadable ns/c x", "unreadable ns/a x"]


async def test_an_object_whose_uid_cannot_be_read_is_not_taken_for_another_one() -> None:
    nameless = b'{"type":"MODIFIED","object":{"absurd":1,"metadata":{"namespace":"ns","name":"a","uid":7}}}\n'
    play = Play([Answer(page(7, thing("a", 1))), Pieces([nameless])])
    assert (await play.to_the_end())[2:] == ["unreadable ns/a ZeroDivisionError: nobody foresaw this"]


async def test_an_event_without_a_resource_version_leaves_the_view_where_it_is() -> None:
    odd = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"x"}}}\n'
    play = Play([Answer(page(7)), Pieces([odd])])
    assert await play.to_the_end() == ["reached 7"]
    assert play.transport.requests[-1].params["resourceVersion"] == "7"


async def test_the_watch_begins_where_the_first_page_was_read() -> None:
    """Pages show one state; should they ever not, beginning with the oldest tells some things twice and misses none."""
    play = Play([Answer(page(7, following="next")), Answer(page(9))])
    await play.to_the_end()
    assert play.transport.requests[-1].params["resourceVersion"] == "7"


async def test_what_was_told_of_an_object_stands_while_it_cannot_be_read() -> None:
    """It may well carry its address still: only its deletion says that it does not."""
    bad = thing("a", 8, broken="garbled")
    play = Play(
        [
            Answer(page(7, thing("a", 1))),
            Pieces([event("MODIFIED", bad)]),
            ResourceExpiredError("too old"),
            Answer(page(9, bad)),
            Pieces([event("DELETED", bad)]),
        ]
    )
    told = await play.to_the_end()
    assert told[2:] == ["unreadable ns/a garbled", "reached 8", "reached 9", "gone ns/a uid-a", "reached 8"]


async def test_a_decoder_that_breaks_does_not_stop_the_watch() -> None:
    play = Play([Answer(page(7, thing("a", 1, absurd=True), thing("b", 2)))])
    assert await play.to_the_end() == [
        "unreadable ns/a ZeroDivisionError: nobody foresaw this",
        "present ns/b uid-b",
        "reached 7",
    ]


async def test_objects_nested_too_deeply_for_the_decoder_leave_the_others_readable() -> None:
    deep = b'{"metadata":{"namespace":"ns","name":"deep","uid":"u","resourceVersion":"6"},"spec":%s}' % (
        b'{"a":' * 3000 + b"1" + b"}" * 3000
    )
    listed = b'{"metadata":{"resourceVersion":"7"},"items":[%s,%s]}' % (deep, b'{"metadata":{"name":"b","uid":"v"}}')
    watched = b'{"type":"MODIFIED","object":%s}\n' % deep.replace(b'"6"', b'"8"')
    play = Play([Answer(listed), Pieces([watched])])
    told = await play.to_the_end()
    assert told[0].startswith("unreadable ns/deep RecursionError")
    assert told[1:] == ["present /b v", "reached 7", "reached 8"]


async def test_an_event_that_is_too_long_is_told_of_and_the_watch_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubemacpool.kube.lines.LineSplitter.__init__.__defaults__", (300,))
    long = event("ADDED", thing("long", 8, spec="x" * 400))
    play = Play([Answer(page(7)), Pieces([long[:250], long[250:], event("ADDED", thing("a", 9))])])
    assert await play.to_the_end() == [
        "reached 7",
        "unreadable / an event too long to be read",
        "present ns/a uid-a",
        "reached 9",
    ]


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    too_large = AnswerTooLargeError("too large")
    play = Play([Answer(page(7, thing("a", 1), following="t")), too_large, too_large, Answer(page(7, thing("b", 1)))])
    await play.to_the_end()
    asked = [(request.params["limit"], request.params.get("continue")) for request in play.transport.requests[:4]]
    assert asked == [("500", None), ("500", "t"), ("125", "t"), ("31", "t")]
    assert play.told.lines[-1] == "reached 7"


async def test_failures_are_retried_ever_more_slowly_and_at_most_every_ten_seconds() -> None:
    play = Play([CUT] * 9)
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


async def test_the_api_server_may_ask_for_a_longer_pause() -> None:
    play = Play([ClusterUnavailableError("429", retry_after=7), ClusterUnavailableError("503", retry_after=3600)])
    await play.to_the_end()
    assert play.delays == [7, 60]


async def test_after_a_healthy_while_the_next_failure_is_the_first_one_again() -> None:
    times = iter([0, 0, 0, 0, 0, 0, 0, 100, 130, 130, 130, 130])
    play = Play([CUT, CUT, CUT, Answer(page(7)), Pieces([bookmark(8), CUT])], now=lambda: next(times))
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2, 0.4, 0.1])


async def test_a_watch_that_ends_in_good_order_after_its_time_is_resumed_at_once() -> None:
    times = iter([0.0, 0.0, 600.0, 600.0])
    play = Play([Answer(page(7)), Pieces([bookmark(8)])], now=lambda: next(times))
    await play.to_the_end()
    assert play.delays == []
    assert len(play.transport.requests) == 3


async def test_a_watch_that_ends_at_once_again_and_again_is_not_resumed_in_a_hot_loop() -> None:
    play = Play([Answer(page(7)), Pieces([]), Pieces([])])
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2])


async def test_one_silent_watch_is_resumed_and_a_second_one_is_answered_by_a_list() -> None:
    """A cluster restored from a backup is silent for a resourceVersion from its future."""
    silent = Pieces([StreamSilentError("silence")])
    play = Play([Answer(page(70, thing("a", 1))), silent, silent, Answer(page(30))])
    assert await play.to_the_end() == ["present ns/a uid-a", "reached 70", "gone ns/a uid-a", "reached 30"]
    assert [("watch" in request.params) for request in play.transport.requests] == [False, True, True, False, True]


async def test_after_such_a_list_the_next_silent_watch_is_the_first_one_again() -> None:
    silent = Pieces([StreamSilentError("silence")])
    play = Play([Answer(page(7)), silent, silent, Answer(page(9)), silent])
    await play.to_the_end()
    assert [("watch" in request.params) for request in play.transport.requests] == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]


async def test_lost_history_is_not_taken_for_a_watch_that_brings_nothing() -> None:
    expired = Pieces([failure(410, "Expired", "too old")])
    play = Play([Answer(page(7)), Pieces([StreamSilentError("silence")]), expired, Answer(page(9))])
    with capture_logs() as logs:
        await play.to_the_end()
    assert "watches bring nothing, listing afresh" not in [entry["event"] for entry in logs]


async def test_connections_that_break_do_not_count_towards_a_list() -> None:
    play = Play([Answer(page(7)), *[Pieces([CUT])] * 5])
    await play.to_the_end()
    assert all("watch" in request.params for request in play.transport.requests[1:])


async def test_a_watch_that_fails_by_an_event_twice_is_answered_by_a_list() -> None:
    failing = Pieces([failure(500, "InternalError", "cannot decode")])
    play = Play([Answer(page(7)), failing, failing, Answer(page(9))])
    assert await play.to_the_end() == ["reached 7", "reached 9"]


async def test_silence_after_events_does_not_count_towards_a_list() -> None:
    play = Play([Answer(page(7)), *[Pieces([bookmark(8), StreamSilentError("silence")])] * 4])
    await play.to_the_end()
    assert all("watch" in request.params for request in play.transport.requests[1:])


@pytest.mark.parametrize("nonsense", [b"<html>504</html>", b'{"items":[]}', page(7).replace(b'"7"', b'"x"')])
async def test_an_answer_that_is_no_list_is_asked_for_again(nonsense: bytes) -> None:
    play = Play([Answer(nonsense), Answer(page(7))])
    assert await play.to_the_end() == ["reached 7"]


async def test_a_line_that_is_no_event_makes_the_watch_resume() -> None:
    play = Play([Answer(page(7)), Pieces([b"<html>\n"]), Pieces([bookmark(8)])])
    assert await play.to_the_end() == ["reached 7", "reached 8"]


async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_is_over() -> None:
    forbidden = RefusedError("403 Forbidden")
    play = Play([forbidden, forbidden, forbidden, Answer(page(7))])
    with capture_logs() as logs:
        await play.to_the_end()
    assert [entry["event"] for entry in logs] == [
        "the cluster cannot be followed, trying again",
        "the list is complete",
        "the cluster is followed again",
    ]
    assert logs[0]["error"] == "403 Forbidden"
    assert play.reflector.trouble == ""


async def test_the_reason_for_an_outage_can_be_asked_for() -> None:
    play = Play([Answer(page(7)), CUT])
    await play.to_the_end()
    assert play.reflector.trouble == "the connection was cut"
    assert play.reflector.listed


async def test_a_listener_that_fails_ends_the_run_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play([Answer(page(7, thing("a", 1)))])

    def fail(*_: object) -> None:
        raise LookupError("a mistake of ours")

    monkeypatch.setattr(play.told, "present", fail)
    with pytest.raises(LookupError):
        await play.reflector.run()


async def test_others_get_their_turn_between_slices_of_a_page() -> None:
    play = Play([Answer(page(7, *(thing(f"p{index}", index) for index in range(250))))])
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(len(play.told.lines))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await play.to_the_end()
    looking.cancel()
    assert {100, 200, 250} <= set(seen)


def test_a_watch_ends_at_a_time_of_its_own() -> None:
    assert Pacing().watch_seconds == (300, 600)
