"""Failures: when it is tried again, when by a list, and what is said of it."""

import asyncio
import gc
import weakref

import pytest
from structlog.testing import capture_logs
from tests.support.scripted import Answer, Pieces, Step
from tests.unit.kube.documents import Told, bookmark, event, failure, page, thing
from tests.unit.kube.play import CUT, FURTHER, Play

from kubemacpool.kube.transport import StreamSilentError
from kubemacpool.ports import ClusterUnavailableError, RefusedError


async def test_failures_are_retried_ever_more_slowly_and_at_most_every_ten_seconds() -> None:
    play = Play([CUT] * 9)
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


async def test_the_api_server_may_ask_for_a_longer_pause() -> None:
    play = Play([ClusterUnavailableError("429", retry_after=7), ClusterUnavailableError("503", retry_after=3600)])
    await play.to_the_end()
    assert play.delays == [7, 60]


async def test_after_a_healthy_while_the_next_failure_is_the_first_one_again() -> None:
    play = Play([CUT, CUT, CUT, Answer(page(7)), Pieces([bookmark(8), CUT])], times=[0, 0, 0, 0, 100, 130])
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2, 0.4, 0.1])


async def test_a_watch_that_ends_in_good_order_after_its_time_is_resumed_at_once() -> None:
    play = Play([Answer(page(7)), Pieces([bookmark(8)])], times=[0, 0, 600])
    await play.to_the_end()
    assert play.delays == []
    assert len(play.transport.requests) == 3


async def test_a_watch_that_ends_at_once_again_and_again_is_not_resumed_in_a_hot_loop() -> None:
    play = Play([Answer(page(7)), Pieces([]), Pieces([])])
    await play.to_the_end()
    assert play.delays == pytest.approx([0.1, 0.2])


async def test_how_long_nothing_was_heard_is_told_since_the_last_thing_that_was() -> None:
    play = Play([CUT, Answer(page(7)), Pieces([bookmark(8)]), CUT], times=[0, 5, 20, 30, 90])
    assert play.reflector.silent_seconds == 0
    await play.to_the_end()
    assert play.kinds[:4] == ["list", "list", "watch", "watch"]
    assert play.reflector.silent_seconds == 90 - 30
    play.reflector.forget()
    assert play.reflector.silent_seconds is None


async def test_before_anything_was_heard_it_is_told_since_the_beginning() -> None:
    play = Play([CUT, CUT], times=[3, 5, 20])
    await play.to_the_end()
    assert (play.reflector.silent_seconds, play.reflector.lists) == (17, 0)


async def test_complete_lists_are_counted() -> None:
    expired = Pieces([StreamSilentError("silence")])
    play = Play([Answer(page(70)), expired, FURTHER, expired, Answer(page(90))])
    await play.to_the_end()
    assert play.reflector.lists == 2


async def test_one_silent_watch_is_resumed_and_a_second_one_is_answered_by_a_list() -> None:
    silent = Pieces([StreamSilentError("silence")])
    play = Play([Answer(page(70, thing("a", 1))), silent, FURTHER, silent, Answer(page(90))])
    assert await play.to_the_end() == ["present ns/a uid-a", "reached 70", "gone ns/a uid-a", "reached 90"]
    assert play.kinds == ["list", "watch", "position", "watch", "list", "watch"]


async def test_after_such_a_list_the_next_silent_watch_is_the_first_one_again() -> None:
    silent = Pieces([StreamSilentError("silence")])
    play = Play([Answer(page(7)), silent, FURTHER, silent, Answer(page(9)), silent, FURTHER])
    await play.to_the_end()
    assert play.kinds == ["list", "watch", "position", "watch", "list", "watch", "position", "watch"]


async def test_lost_history_is_not_taken_for_a_watch_that_brings_nothing() -> None:
    expired = Pieces([failure(410, "Expired", "too old")])
    play = Play([Answer(page(7)), Pieces([StreamSilentError("silence")]), FURTHER, expired, Answer(page(9))])
    with capture_logs() as logs:
        await play.to_the_end()
    assert "watches bring nothing, listing afresh" not in [entry["event"] for entry in logs]


async def test_connections_that_break_do_not_count_towards_a_list() -> None:
    outages: list[Step] = [Pieces([CUT]), FURTHER]
    play = Play([Answer(page(7)), *outages * 5])
    await play.to_the_end()
    assert play.kinds == ["list", *["watch", "position"] * 5, "watch"]


async def test_a_watch_that_fails_by_an_event_twice_is_answered_by_a_list() -> None:
    failing = Pieces([failure(500, "InternalError", "cannot decode")])
    play = Play([Answer(page(7)), failing, FURTHER, failing, Answer(page(9))])
    assert await play.to_the_end() == ["reached 7", "reached 9"]


async def test_silence_after_events_does_not_count_towards_a_list() -> None:
    outages: list[Step] = [Pieces([bookmark(8), StreamSilentError("silence")]), FURTHER]
    play = Play([Answer(page(7)), *outages * 4])
    await play.to_the_end()
    assert play.kinds == ["list", *["watch", "position"] * 4, "watch"]


@pytest.mark.parametrize("nonsense", [b"<html>504</html>", b'{"items":[]}', page(7).replace(b'"7"', b'"x"')])
async def test_an_answer_that_is_no_list_is_asked_for_again(nonsense: bytes) -> None:
    play = Play([Answer(nonsense), Answer(page(7))])
    assert await play.to_the_end() == ["reached 7"]


async def test_a_line_that_is_no_event_makes_the_watch_resume() -> None:
    play = Play([Answer(page(7)), Pieces([b"<html>\n"]), FURTHER, Pieces([bookmark(8)])])
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


async def test_a_reflector_that_failed_for_a_fault_of_ours_begins_with_a_list_when_it_is_run_again() -> None:
    play = Play([Answer(page(7, thing("a", 1))), Pieces([event("ADDED", thing("b", 8))]), Answer(page(9))])

    def absurd(resource_version: int) -> None:
        if resource_version == 8:
            raise ZeroDivisionError("nobody foresaw this")
        Told.reached(play.told, resource_version)

    play.told.reached = absurd  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await play.reflector.run()
    await play.to_the_end()
    assert sorted(play.told.lines[-3:]) == ["gone ns/a uid-a", "gone ns/b uid-b", "reached 9"]


async def test_a_watch_is_resumed_from_where_it_was_without_a_question_where_it_ended_in_good_order() -> None:
    play = Play([Answer(page(7)), Pieces([bookmark(8)]), Pieces([bookmark(9)])])
    await play.to_the_end()
    assert play.kinds == ["list", "watch", "watch", "watch"]


async def test_a_question_how_far_the_cluster_is_that_was_not_answered_is_asked_again() -> None:
    play = Play([Answer(page(7)), Pieces([CUT]), CUT, Answer(b"<html>"), FURTHER])
    await play.to_the_end()
    assert play.kinds == ["list", "watch", "position", "position", "position", "watch"]
    assert play.delays == pytest.approx([0.1, 0.2, 0.4])


async def test_after_a_restore_from_a_backup_everything_is_listed_and_it_is_told_before_that() -> None:
    """A watch from a resourceVersion of the future would be silent, and miss all until there is such a one again."""
    play = Play([Answer(page(70, thing("a", 1))), Pieces([CUT]), Answer(page(30)), Answer(page(31, thing("b", 2)))])
    play.reflector.on_rewind = lambda version, reason: play.told.lines.append(f"{version} {reason}")
    assert await play.to_the_end() == [
        "present ns/a uid-a",
        "reached 70",
        "31 pods: resourceVersion fell from 70 to 31",
        "present ns/b uid-b",
        "gone ns/a uid-a",
        "reached 31",
    ]
    assert play.kinds == ["list", "watch", "position", "list", "watch"]
    assert play.transport.requests[-1].params["resourceVersion"] == "31"


async def test_any_list_tells_of_a_restore_and_once() -> None:
    rewinds: list[int] = []
    expired = Pieces([failure(410, "Expired", "too old")])
    play = Play([Answer(page(70)), expired, Answer(page(30, thing("a", 1), following="x")), Answer(page(30))])
    play.reflector.on_rewind = lambda version, _: rewinds.append(version)
    await play.to_the_end()
    assert rewinds == [30]


async def test_a_bookmark_is_told_to_bring_nothing() -> None:
    play = Play([Answer(page(7)), Pieces([bookmark(8), event("ADDED", thing("a", 9)), bookmark(10)])])
    play.reflector.on_idle = lambda: play.told.lines.append("idle")
    assert await play.to_the_end() == [
        *["reached 7", "idle", "reached 8"],
        *["present ns/a uid-a", "reached 9", "idle", "reached 10"],
    ]


async def test_a_watch_that_broke_leaves_nothing_to_the_collector() -> None:
    """What it broke with has a traceback, and that refers to all that was at work."""
    broken: list[weakref.ref[Exception]] = []

    play = Play([Answer(page(7)), Pieces([bookmark(8)])])
    whole = play.transport.stream

    async def stream(*args: object, **kwargs: object) -> None:
        await whole(*args, **kwargs)  # type: ignore[arg-type]
        error = ClusterUnavailableError("the connection was cut")
        broken.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    play.transport.stream = stream  # type: ignore[method-assign]
    gc.collect()
    gc.disable()
    try:
        await play.to_the_end()
        await asyncio.sleep(0)
        assert [each() for each in broken] == [None]
    finally:
        gc.enable()
