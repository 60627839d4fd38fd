"""Who answers a review, and for how long it is held while nobody can."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.doubles import KeptMeasures, NobodyLeads
from tests.unit.election.candidates import LoopClock

from kubemacpool.admission.forwarding import ALIVE_SECONDS, PAUSE_SECONDS, PROBE_SECONDS, Forwarder
from kubemacpool.admission.webhook import BAD_REQUEST, CANNOT_DECIDE, HOLD_SECONDS, SPARE_SECONDS, Webhook
from kubemacpool.election.timing import RENEWAL_SECONDS
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import PeerError, RetryLaterError, UnreachableError
from kubemacpool.wire.review import MISDIRECTED, SERVICE_UNAVAILABLE, Answer, ReviewError, in_words

BODY = b'{"a": "review without a uid"}'
PATIENCE = 10.0
GRANTED, GRANTED_THERE = Answer(200, b"allocated"), Answer(200, b"allocated there")
LATER = in_words(503, "kubemacpool cannot decide yet: later")
NOT_HERE = in_words(MISDIRECTED, "not leading")
SOON = 0.001


class Office(NobodyLeads):
    """Who leads, as far as the routing of reviews goes."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed_at = -100.0
        self._changed = asyncio.Event()

    @property
    def seconds_since_renewal(self) -> float:
        """As of now."""
        return LoopClock().now() - self.renewed_at

    def change(self, **news: object) -> None:
        """Something is otherwise, and those who wait for that are told."""
        for name, value in news.items():
            setattr(self, name, value)
        self._changed.set()
        self._changed = asyncio.Event()

    async def until_changed(self, seconds: float) -> None:
        """Until something has changed."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            pass


class Scene:
    """A router, and everybody around it."""

    def __init__(self) -> None:
        self.office = Office()
        self.measures = KeptMeasures()
        self.here: Answer = GRANTED
        self.there: dict[str, Answer | PeerError] = {}
        self.answered_here: list[bytes] = []
        self.forwarded: list[tuple[str, str, bytes, float]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.peer_seconds = 0.0
        """How long the others take."""
        self.forwarder = Forwarder(self.office, self, LoopClock())
        self.readiness = Readiness()
        self.webhook = Webhook("/mutate-pods", self.readiness, self.measures, LoopClock())
        self.webhook.serve(self, self.office, self.forwarder)

    async def ask(self, patience: float | None = PATIENCE, *, forwarded: bool = False) -> Answer:
        """One review."""
        return await self.webhook.answer(BODY, patience, forwarded=forwarded)

    async def timed(self, patience: float | None = PATIENCE) -> tuple[Answer, float]:
        """One review, and how long it took."""
        began = LoopClock().now()
        answer = await self.ask(patience)
        return answer, LoopClock().now() - began

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """What the other replicas say (implements `Peer`)."""
        self.forwarded.append((endpoint, path, body, seconds))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(min(self.peer_seconds, seconds))
        finally:
            self.at_once -= 1
        answer = self.there[endpoint]
        if isinstance(answer, PeerError):
            raise answer
        return answer

    def win(self) -> None:
        """This replica decides from now on."""
        self.office.change(leading=True, leader_endpoint=None)

    def lose(self, endpoint: str | None = None) -> None:
        """It does not, but the one that is reached there."""
        self.office.change(leading=False, leader_endpoint=endpoint)

    def later(self, seconds: float, change: Callable[[], object]) -> None:
        """Have something happen after so many seconds."""
        asyncio.get_running_loop().call_later(seconds, change)

    async def renew(self) -> None:
        """Somebody renews the Lease for ever."""
        while True:
            self.office.change(renewed_at=LoopClock().now())
            await asyncio.sleep(RENEWAL_SECONDS)

    async def answer(self, body: bytes) -> bytes:
        """What this replica says (implements `Handler`)."""
        self.answered_here.append(body)
        answer = self.here if self.office.leading else LATER
        if answer.status == SERVICE_UNAVAILABLE:
            raise RetryLaterError(answer.body.decode().strip().removeprefix(CANNOT_DECIDE))
        if answer.status == BAD_REQUEST:
            raise ReviewError(answer.body.decode().strip())
        return answer.body


async def test_the_one_who_leads_answers_by_itself() -> None:
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
async def test_whatever_the_one_who_leads_says_is_passed_on_at_once(answer: Answer) -> None:
    """What keeps it from answering takes longer than a review can be held."""
    here, there = Scene(), Scene()
    here.win()
    here.here = answer
    there.lose("b:8000")
    there.there["b:8000"] = answer
    for scene in (here, there):
        assert await scene.timed() == (answer, 0.0)


async def test_a_review_from_another_replica_is_answered_here_by_the_one_who_leads() -> None:
    scene = Scene()
    scene.win()
    assert await scene.ask(forwarded=True) == GRANTED


@pytest.mark.parametrize("endpoint", [None, "b:8000"])
async def test_a_review_from_another_replica_is_never_handed_on_nor_held(endpoint: str | None) -> None:
    scene = Scene()
    scene.lose(endpoint)
    scene.later(0.1, scene.win)
    began = LoopClock().now()
    assert await scene.ask(forwarded=True) == NOT_HERE
    assert (scene.forwarded, scene.answered_here, LoopClock().now()) == ([], [], began)


async def test_one_that_does_not_decide_any_more_says_so_and_the_one_that_does_is_asked() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there.update({"b:8000": NOT_HERE, "c:8000": GRANTED_THERE})
    scene.later(0.05, lambda: scene.lose("c:8000"))
    assert await scene.ask() == GRANTED_THERE
    assert [endpoint for endpoint, *_ in scene.forwarded] == ["b:8000", "c:8000"]
    assert scene.measures.forwardings == ["misdirected", "answered"]


async def test_one_that_does_not_answer_is_asked_again_until_it_does() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("broken off")
    scene.later(1.0, lambda: scene.there.update({"b:8000": GRANTED_THERE}))
    answer, seconds = await scene.timed()
    assert answer == GRANTED_THERE
    assert seconds <= 1.0 + PAUSE_SECONDS + SOON
    assert scene.measures.forwardings == ["failed"] * (len(scene.forwarded) - 1) + ["answered"]


async def test_a_review_that_waits_is_answered_as_soon_as_this_replica_leads() -> None:
    scene = Scene()
    scene.later(2.03, scene.win)
    answer, seconds = await scene.timed()
    assert (answer, round(seconds, 6)) == (GRANTED, 2.03)


async def test_a_review_that_waits_is_handed_on_as_soon_as_another_one_leads() -> None:
    scene = Scene()
    scene.there["b:8000"] = GRANTED_THERE
    scene.later(2.03, lambda: scene.lose("b:8000"))
    answer, seconds = await scene.timed()
    assert (answer, round(seconds, 6)) == (GRANTED_THERE, 2.03)


async def test_a_replica_that_stops_leading_over_a_review_hands_it_to_its_successor() -> None:
    scene = Scene()
    scene.win()
    scene.there["b:8000"] = GRANTED_THERE

    async def lost(body: bytes) -> bytes:
        scene.lose()
        raise RetryLaterError(f"it is lost with {len(body)} bytes")

    scene.answer = lost  # type: ignore[method-assign]  # it is lost meanwhile
    scene.later(0.5, lambda: scene.lose("b:8000"))
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
    answer, seconds = await Scene().timed(patience)
    assert answer == LATER._replace(elsewhere=True), "which says when to ask again"
    assert seconds == pytest.approx(held)


async def test_a_replica_that_has_heard_nothing_for_long_sends_the_api_server_elsewhere_at_once() -> None:
    """The others may have a leader of which it does not know."""
    scene = Scene()
    scene.office.out_of_touch = True
    assert await scene.timed() == (LATER._replace(elsewhere=True), 0.0)


async def test_a_review_that_waits_is_sent_elsewhere_as_soon_as_this_replica_is_out_of_touch() -> None:
    scene = Scene()
    scene.later(1.5, lambda: setattr(scene.office, "out_of_touch", True))  # time alone does it: nobody tells
    answer, seconds = await scene.timed()
    assert answer.elsewhere
    assert 1.5 <= seconds <= 1.5 + PAUSE_SECONDS + SOON


async def test_what_the_one_who_leads_cannot_answer_yet_no_other_can() -> None:
    scene = Scene()
    scene.win()
    scene.here = LATER
    assert not (await scene.ask()).elsewhere


async def test_another_replica_is_given_no_longer_than_is_left() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("too late")
    scene.peer_seconds = 0.6
    answer, seconds = await scene.timed(2.5)
    assert answer.status == 503
    assert b"replica b:8000, which leads, does not answer" in answer.body
    given = [seconds for *_, seconds in scene.forwarded]
    assert given[0] == 2.5 - SPARE_SECONDS
    assert given[1] < given[0] - 2 * scene.peer_seconds + SOON
    assert min(given) >= SPARE_SECONDS
    assert seconds <= 2.5


async def test_a_replica_that_takes_all_the_time_there_is_is_not_asked_again() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("too late")
    scene.peer_seconds = PATIENCE
    assert (await scene.ask()).retry_after == 1
    assert len(scene.forwarded) == 1


# Many that wait


async def test_while_the_one_who_leads_is_silent_one_review_at_a_time_tries() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("broken off")
    await asyncio.sleep(0)
    first = asyncio.create_task(scene.ask())
    await asyncio.sleep(PAUSE_SECONDS / 2)
    scene.most_at_once, scene.peer_seconds = 0, 0.05
    many = [asyncio.create_task(scene.ask()) for _ in range(500)]
    await asyncio.sleep(2.0)
    assert scene.most_at_once == 1
    assert len(scene.forwarded) <= 2.0 / PAUSE_SECONDS + 2
    scene.there["b:8000"] = GRANTED_THERE
    await asyncio.sleep(0.5)
    assert all(each.done() and each.result() == GRANTED_THERE for each in (first, *many))


async def test_those_that_wait_for_nobody_are_all_answered_when_this_replica_leads() -> None:
    scene = Scene()
    many = [asyncio.create_task(scene.ask()) for _ in range(500)]
    await asyncio.sleep(2.0)
    scene.win()
    await asyncio.sleep(SOON)
    assert all(each.done() and each.result() == GRANTED for each in many)


async def test_who_gives_up_while_it_is_its_turn_leaves_the_turn_to_the_next() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = PeerError("broken off")
    scene.peer_seconds = 0.05
    many = [asyncio.create_task(scene.ask()) for _ in range(3)]
    await asyncio.sleep(PAUSE_SECONDS + 0.06)
    scene.peer_seconds = 100.0
    await asyncio.sleep(2 * PAUSE_SECONDS)
    assert scene.at_once == 1
    scene.peer_seconds = 0.0
    scene.there["b:8000"] = GRANTED_THERE
    for each in many[:2]:
        each.cancel()
    await asyncio.sleep(2 * PAUSE_SECONDS)
    answers = await asyncio.gather(*many, return_exceptions=True)
    assert GRANTED_THERE in answers


async def test_nothing_looks_out_when_nobody_waits() -> None:
    scene = Scene()
    for _ in range(2):
        await scene.ask(1.0)
        await asyncio.sleep(2 * PAUSE_SECONDS)
        assert len(asyncio.all_tasks()) == 1


# One that lives, and is not reached from here


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["refused", "silent"])
async def test_who_cannot_reach_one_that_renews_the_lease_sends_the_api_server_elsewhere(seconds: float) -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = UnreachableError("no connection")
    scene.peer_seconds = seconds
    renewing = asyncio.create_task(scene.renew())
    await asyncio.sleep(SOON)
    answer, took = await scene.timed()
    assert (answer.status, answer.elsewhere) == (503, True)
    assert took <= max(RENEWAL_SECONDS, seconds) + PAUSE_SECONDS + SOON
    tried = len(scene.forwarded)
    for _ in range(int(PROBE_SECONDS * 100)):
        answer, took = await scene.timed()
        assert (answer.elsewhere, took <= seconds + SOON) == (True, True)
        await asyncio.sleep(0.01)
    assert len(scene.forwarded) - tried <= 2, "it is tried now and then"
    scene.there["b:8000"] = GRANTED_THERE
    await asyncio.sleep(PROBE_SECONDS)
    assert await scene.ask() == GRANTED_THERE
    assert scene.forwarder.is_cut_off is False
    renewing.cancel()


async def test_one_that_is_dead_is_waited_for_until_somebody_else_leads() -> None:
    """The Lease is renewed no more."""
    scene = Scene()
    scene.office.renewed_at = LoopClock().now()
    await asyncio.sleep(0.5)
    scene.lose("b:8000")
    scene.there["b:8000"] = UnreachableError("no connection")
    scene.later(2.5, scene.win)
    answer, seconds = await scene.timed()
    assert (answer, round(seconds, 6)) == (GRANTED, 2.5)


async def test_one_that_renewed_the_lease_just_before_it_died_is_taken_for_alive_no_longer_than_that() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there["b:8000"] = UnreachableError("no connection")
    scene.later(0.05, lambda: scene.office.change(renewed_at=LoopClock().now()))
    assert (await scene.ask()).elsewhere
    await asyncio.sleep(ALIVE_SECONDS)
    scene.later(2.0, scene.win)
    answer, seconds = await scene.timed()
    assert (answer, round(seconds, 6)) == (GRANTED, 2.0)


async def test_another_that_leads_is_tried_afresh() -> None:
    scene = Scene()
    scene.lose("b:8000")
    scene.there.update({"b:8000": UnreachableError("no connection"), "c:8000": GRANTED_THERE})
    scene.later(0.05, lambda: scene.office.change(renewed_at=LoopClock().now()))
    assert (await scene.ask()).elsewhere
    scene.lose("c:8000")
    assert await scene.timed() == (GRANTED_THERE, 0.0)


async def test_before_there_is_a_pool_it_says_what_is_waited_for() -> None:
    readiness = Readiness()
    webhook = Webhook("/mutate-pods", readiness, KeptMeasures(), LoopClock())
    for reason in ("it has just started", "the ConfigMap is missing"):
        answer = await webhook.answer(BODY, PATIENCE, forwarded=False)
        assert answer == in_words(SERVICE_UNAVAILABLE, f"kubemacpool cannot decide yet: {reason}")
        readiness.hinder("range", "the ConfigMap is missing")
