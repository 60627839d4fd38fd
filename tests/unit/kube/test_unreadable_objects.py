"""Objects that cannot be read: told of by name, and in nobody's way."""

import pytest
from tests.support.scripted import Answer, Pieces
from tests.unit.kube.documents import event, page, thing
from tests.unit.kube.play import Play

from kubemacpool.ports import ResourceExpiredError


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


async def test_a_list_that_shows_another_object_of_the_name_that_cannot_be_read_ends_the_one_before() -> None:
    """What that one carried is free; what the new one carries is not known."""
    play = Play(
        [
            Answer(page(7, thing("a", 1, uid="first"))),
            ResourceExpiredError("too old"),
            Answer(page(9, thing("a", 8, uid="second", broken="garbled"))),
        ]
    )
    told = await play.to_the_end()
    assert told == [
        "present ns/a first",
        "reached 7",
        "gone ns/a first",
        "unreadable ns/a garbled",
        "reached 9",
    ]


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
