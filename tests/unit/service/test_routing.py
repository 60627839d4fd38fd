"""Who answers a review, and for how long it is held while nobody can."""

from typing import TYPE_CHECKING

import pytest
from tests.unit.service.doubles import KeptMeasures, ManualClock

from kubemacpool.ports.forwarding import PeerError
from kubemacpool.service.routing import HOLD_SECONDS, MISDIRECTED, PAUSE_SECONDS, SPARE_SECONDS, Router
from kubemacpool.wire.answers import Answer, in_words

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b'{"a": "review without a uid"}'
PATIENCE = 10.0
GRANTED, GRANTED_THERE = Answer(200, b"granted"), Answer(200, b"granted there")
LATER = in_words(503, "later")
NOT_HERE = in_words(MISDIRECTED, "not deciding")


class Office:
    """Who decides (implements `Tenure`), and what of that changes when."""

    def __init__(self, clock: ManualClock) -> None:
        self.deciding = False
        self.endpoint_of_decider: str | None = None
        self.out_of_touch = False
        self.changes: list[tuple[float, Callable[[], None]]] = []
        """Seconds from the beginning, and the change."""
        self._clock = clock
        self._began = clock.now()

    async def until_changed(self, seconds: float) -> None:
        """Time passes only here."""
        end = self._clock.now() + seconds
        if self.changes and self._began + self.changes[0][0] <= end:
            moment, change = self.changes.pop(0)
            self._clock.time = max(self._clock.now(), self._began + moment)
            change()
        else:
            self._clock.time = end


class Scene:
    """A router, and everybody around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.office = Office(self.clock)
        self.measures = KeptMeasures()
        self.here: Answer = GRANTED
        self.there: dict[str, Answer | PeerError] = {}
        self.answered_here: list[bytes] = []
        self.forwarded: list[tuple[str, str, bytes, float]] = []
        self.peer_seconds = 0.0
        """How long the others take."""
        self.router = Router("/mutate-pods", self._answer, self.office, self, self.measures, self.clock)

    async def ask(self, patience: float | None = PATIENCE, *, forwarded: bool = False) -> Answer:
        """One review."""
        return await self.router.answer(BODY, patience, forwarded=forwarded)

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """What the other replicas say (implements `Peer`)."""
        self.forwarded.append((endpoint, path, body, seconds))
        self.clock.advance(min(self.peer_seconds, seconds))
        answer = self.there[endpoint]
        if isinstance(answer, PeerError):
            raise answer
        return answer

    def win(self) -> None:
        """This replica decides from now on."""
        self.office.deciding, self.office.endpoint_of_decider = True, None

    def lose(self, endpoint: str | None = None) -> None:
        """It does not, but the one that is reached there."""
        self.office.deciding, self.office.endpoint_of_decider = False, endpoint

    async def _answer(self, body: bytes) -> Answer:
        self.answered_here.append(body)
        return self.here if self.office.deciding else LATER


async def test_the_one_who_decides_answers_by_itself() -> None:
    scene = Scene()
    scene.win()
    assert await scene.ask() == GRANTED
    assert scene.answered_here == [BODY]
    assert scene.forwarded == []


async def test_the_others_hand_the_review_to_it_as_it_came_and_pass_its_answer_on() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = GRANTED_THERE
    assert await scene.ask() == GRANTED_THERE
    assert scene.forwarded == [("b:8000", "/mutate-pods?timeout=10.000s", BODY, HOLD_SECONDS)]
    assert scene.answered_here == []
    assert scene.measures.forwardings == ["answered"]


@pytest.mark.parametrize("answer", [LATER, in_words(400, "no review")])
async def test_whatever_the_one_who_decides_says_is_passed_on_at_once(answer: Answer) -> None:
    """What keeps it from answering takes longer than a review can be held."""
    here, there = Scene(), Scene()
    here.win()
    here.here = answer
    there.lose("b:8000")
    there.there["b:8000"] = answer
    for scene in (here, there):
        began = scene.clock.now()
        assert await scene.ask() == answer
        assert scene.clock.now() == began


async def test_a_review_from_another_replica_is_answered_here_by_the_one_who_decides() -> None:
    scene = Scene()
    scene.win()
    assert await scene.ask(forwarded=True) == GRANTED


@pytest.mark.parametrize("endpoint", [None, "b:8000"])
async def test_a_review_from_another_replica_is_never_handed_on_nor_held(endpoint: str | None) -> None:
    scene = Scene()
    scene.lose(endpoint)
    scene.office.changes = [(0.1, scene.win)]
    began = scene.clock.now()
    assert await scene.ask(forwarded=True) == NOT_HERE
    assert (scene.forwarded, scene.answered_here, scene.clock.now()) == ([], [], began)


async def test_one_that_does_not_decide_any_more_says_so_and_the_one_that_does_is_asked() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there.update({"b:8000": NOT_HERE, "c:8000": GRANTED_THERE})
    scene.office.changes = [(0.05, lambda: scene.lose("c:8000"))]
    assert await scene.ask() == GRANTED_THERE
    assert [endpoint for endpoint, *_ in scene.forwarded] == ["b:8000", "c:8000"]
    assert scene.measures.forwardings == ["misdirected", "answered"]


async def test_one_that_does_not_answer_is_asked_again_until_it_does() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("broken off")
    scene.office.changes = [(1.0, lambda: scene.there.update({"b:8000": GRANTED_THERE}))]
    assert await scene.ask() == GRANTED_THERE
    assert scene.measures.forwardings == ["failed"] * (len(scene.forwarded) - 1) + ["answered"]


async def test_a_review_that_waits_is_answered_as_soon_as_this_replica_decides() -> None:
    scene = Scene()
    began = scene.clock.now()
    scene.office.changes = [(2.03, scene.win)]
    assert await scene.ask() == GRANTED
    assert scene.clock.now() == began + 2.03


async def test_a_review_that_waits_is_handed_on_as_soon_as_another_one_decides() -> None:
    scene = Scene()
    began = scene.clock.now()
    scene.there["b:8000"] = GRANTED_THERE
    scene.office.changes = [(2.03, lambda: scene.lose("b:8000"))]
    assert await scene.ask() == GRANTED_THERE
    assert scene.clock.now() == began + 2.03


async def test_a_replica_that_stops_deciding_over_a_review_hands_it_to_its_successor() -> None:
    scene = Scene()
    scene.win()
    scene.there["b:8000"] = GRANTED_THERE

    async def lost(_: bytes) -> Answer:
        scene.lose()
        return LATER

    scene.router._answer_here = lost
    scene.office.changes = [(0.5, lambda: scene.lose("b:8000"))]
    assert await scene.ask() == GRANTED_THERE


@pytest.mark.parametrize(
    ("patience", "held"),
    [
        (None, HOLD_SECONDS),
        (30.0, HOLD_SECONDS),
        (HOLD_SECONDS + SPARE_SECONDS, HOLD_SECONDS),
        (2.0, 2.0 - SPARE_SECONDS),
        (SPARE_SECONDS, 0.0),
        (0.0, 0.0),
    ],
)
async def test_a_review_is_held_for_a_while_and_within_the_patience_of_the_api_server(
    patience: float | None, held: float
) -> None:
    scene = Scene()
    began = scene.clock.now()
    assert await scene.ask(patience) == LATER._replace(elsewhere=True), "which says when to ask again"
    assert scene.clock.now() == pytest.approx(began + held)


async def test_a_replica_that_has_heard_nothing_for_long_sends_the_api_server_elsewhere_at_once() -> None:
    """The others may have a decider of which it does not know."""
    scene = Scene()
    scene.office.out_of_touch = True
    began = scene.clock.now()
    assert await scene.ask() == LATER._replace(elsewhere=True)
    assert scene.clock.now() == began


async def test_a_review_that_waits_is_sent_elsewhere_as_soon_as_this_replica_is_out_of_touch() -> None:
    scene = Scene()
    began = scene.clock.now()
    scene.office.changes = [(1.5, lambda: setattr(scene.office, "out_of_touch", True))]
    assert (await scene.ask()).elsewhere
    assert scene.clock.now() == began + 1.5


async def test_what_the_one_who_decides_cannot_answer_yet_no_other_can() -> None:
    scene = Scene()
    scene.win()
    scene.here = LATER
    assert not (await scene.ask()).elsewhere


async def test_who_waits_looks_again_now_and_then_even_if_no_change_was_told() -> None:
    scene = Scene()
    began = scene.clock.now()
    scene.office.changes = [(1.0, lambda: None)]
    waited: list[float] = []
    until_changed = scene.office.until_changed

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        await until_changed(seconds)

    scene.office.until_changed = wait  # type: ignore[method-assign]  # kept
    await scene.ask()
    assert scene.clock.now() == pytest.approx(began + HOLD_SECONDS)
    assert max(waited) <= PAUSE_SECONDS


async def test_another_replica_is_given_no_longer_than_is_left() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("too late")
    scene.peer_seconds = 1.0
    began = scene.clock.now()
    answer = await scene.ask(2.5)
    assert answer.status == 503
    assert b"replica b:8000, which decides, does not answer" in answer.body
    given = [seconds for *_, seconds in scene.forwarded]
    assert given[0] == 2.5 - SPARE_SECONDS
    assert given[1] < given[0] - scene.peer_seconds + PAUSE_SECONDS
    assert min(given) >= SPARE_SECONDS
    assert scene.clock.now() <= began + 2.5


async def test_a_replica_that_takes_all_the_time_there_is_is_not_asked_again() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("too late")
    scene.peer_seconds = PATIENCE
    assert (await scene.ask()).retry_after == 1
    assert len(scene.forwarded) == 1
