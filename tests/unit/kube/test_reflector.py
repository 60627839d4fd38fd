"""A list, the watch from where it ended, and what is told of both."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.support.scripted import Answer, Pieces, Step
from tests.unit.kube.documents import bookmark, event, failure, page, thing
from tests.unit.kube.play import CUT, FURTHER, Play

from kubemacpool.kube.reflector import SLICE_BYTES, Pacing
from kubemacpool.kube.transport import AnswerTooLargeError
from kubemacpool.ports import ResourceExpiredError


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
    play = Play([Answer(page(7)), Pieces([event("ADDED", thing("a", 8)), whole[:-5], CUT]), FURTHER, Pieces([whole])])
    with capture_logs() as logs:
        told = await play.to_the_end()
    assert told == ["reached 7", "present ns/a uid-a", "reached 8", "present ns/b uid-b", "reached 9"]
    watches = [request for request in play.transport.requests if "watch" in request.params]
    assert [watch.params["resourceVersion"] for watch in watches] == ["7", "8", "9"]
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


async def test_an_object_of_which_little_is_left_is_told_with_that_for_as_long_as_it_exists() -> None:
    """By events and by lists, and the one that has its name next is another."""
    bare = thing("a", 8, bare=True)
    successor = thing("a", 11, uid="uid-2", bare=True)
    play = Play(
        [
            Answer(page(7, thing("a", 1))),
            Pieces([event("MODIFIED", bare)]),
            ResourceExpiredError("the watch"),
            Answer(page(9, bare)),
            Pieces([event("MODIFIED", successor)]),
        ]
    )
    told = ["reached 7", "present ns/a uid-a bare", "reached 8", "present ns/a uid-a bare", "reached 9"]
    assert (await play.to_the_end())[1:] == [*told, "gone ns/a uid-a", "reached 11"]
    assert play.reflector.size == 0


async def test_an_object_of_which_there_was_never_more_is_not_told() -> None:
    play = Play([Answer(page(7, thing("a", 1, bare=True)))])
    assert await play.to_the_end() == ["reached 7"]
    assert play.reflector.size == 0


async def test_the_delete_of_an_object_that_was_never_told_is_not_told() -> None:
    play = Play([Answer(page(7)), Pieces([event("DELETED", thing("a", 8))])])
    assert await play.to_the_end() == ["reached 7", "reached 8"]


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


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    too_large = AnswerTooLargeError("too large")
    play = Play([Answer(page(7, thing("a", 1), following="t")), too_large, too_large, Answer(page(7, thing("b", 1)))])
    await play.to_the_end()
    asked = [(request.params["limit"], request.params.get("continue")) for request in play.transport.requests[:4]]
    assert asked == [("500", None), ("500", "t"), ("125", "t"), ("31", "t")]
    assert play.told.lines[-1] == "reached 7"


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


async def test_others_get_their_turn_while_a_page_of_large_objects_is_taken_in() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    large = [thing(f"a{number}", 1, data="x" * (SLICE_BYTES // 4)) for number in range(20)]
    play = Play([Answer(page(7, *large))])
    other = asyncio.create_task(count())
    told = await play.to_the_end()
    other.cancel()
    begun = turns
    assert len(told) == 21
    small = Play([Answer(page(7, *(thing(f"a{number}", 1) for number in range(20))))])
    other = asyncio.create_task(count())
    await small.to_the_end()
    other.cancel()
    assert begun >= (turns - begun) + 4
