"""Shortly before the API server gives up, people are told why: `context deadline exceeded` explains nothing."""

import asyncio
import json

from tests.unit.doubles import KeptMeasures, NobodyLeads, pod_review
from tests.unit.election.candidates import LoopClock

from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.webhook import CANNOT_DECIDE, REMEMBERED, Deadlines, Webhook
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import PeerError, RetryLaterError
from kubemacpool.wire.review import SERVICE_UNAVAILABLE, Answer

PATIENCE = 10.0
WHY = "kubemacpool cannot decide yet: the ConfigMap is missing"


class SilentPeer:
    """Is never reached."""

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """No answer."""
        raise PeerError(f"{endpoint}{path}: {len(body)} bytes not taken in {seconds} s")


class Waiting:
    """Never has an answer (implements `Handler`)."""

    async def answer(self, body: bytes) -> bytes:
        """No answer."""
        assert body
        raise RetryLaterError(WHY.removeprefix(CANNOT_DECIDE))


def _webhook(leadership: NobodyLeads) -> Webhook:
    clock = LoopClock()
    forwarder = Forwarder(leadership, SilentPeer(), clock)
    webhook = Webhook("/mutate-pods", Readiness(), KeptMeasures(), clock)
    webhook.serve(Waiting(), leadership, forwarder)
    return webhook


async def _ask_as_the_api_server_does(webhook: Webhook, body: bytes) -> tuple[Answer, int]:
    """Ask again a second after each 503, until the time-out: the last answer, and how often it was asked."""
    began, asked = LoopClock().now(), 0
    while True:
        asked += 1
        answer = await webhook.answer(body, PATIENCE, forwarded=False)
        assert LoopClock().now() < began + PATIENCE, "the API server has given up meanwhile"
        if answer.status != SERVICE_UNAVAILABLE:
            return answer, asked
        assert answer.retry_after == 1
        await asyncio.sleep(1)


def _denial(answer: Answer) -> dict[str, object]:
    response = json.loads(answer.body)["response"]
    assert not response["allowed"]
    status: dict[str, object] = response["status"]
    return status


async def test_what_nobody_could_decide_is_refused_with_the_reason_before_the_api_server_gives_up() -> None:
    answer, asked = await _ask_as_the_api_server_does(_webhook(NobodyLeads()), pod_review("[]"))
    assert asked == 3
    assert _denial(answer) == {"code": 503, "reason": "ServiceUnavailable", "message": f"{WHY}; try again"}


async def test_a_leader_that_does_not_answer_is_named_in_the_reason() -> None:
    leadership = NobodyLeads()
    leadership.leader_endpoint = "10.0.0.7:8000"
    answer, _ = await _ask_as_the_api_server_does(_webhook(leadership), pod_review("[]"))
    assert "replica 10.0.0.7:8000, which leads, does not answer" in str(_denial(answer)["message"])


async def test_the_one_who_leads_has_the_last_word_on_what_other_replicas_were_asked_in_turn() -> None:
    """Each of them was asked for the first time, and knows of no deadline that is near."""
    leadership = NobodyLeads()
    leadership.leading = True
    allocator = _webhook(leadership)
    first = await allocator.answer(pod_review("[]"), PATIENCE, forwarded=True)
    await asyncio.sleep(PATIENCE - 1)
    last = await allocator.answer(pod_review("[]"), PATIENCE, forwarded=True)
    assert first.status == SERVICE_UNAVAILABLE
    assert _denial(last)["message"] == f"{WHY}; try again"


async def test_each_admission_has_its_own_deadline() -> None:
    webhook = _webhook(NobodyLeads())
    await webhook.answer(pod_review("[]", uid="first"), PATIENCE, forwarded=False)
    await asyncio.sleep(5)
    late = await webhook.answer(pod_review("[]", uid="first"), PATIENCE, forwarded=False)
    other = await webhook.answer(pod_review("[]", uid="second"), PATIENCE, forwarded=False)
    assert (late.status, other.status) == (200, SERVICE_UNAVAILABLE)


async def test_what_is_no_review_is_not_refused_as_one() -> None:
    answer = await _webhook(NobodyLeads()).answer(b"{}", 1.0, forwarded=False)
    assert answer.status == SERVICE_UNAVAILABLE


def test_the_deadline_counts_from_the_first_time_that_an_admission_was_asked_for() -> None:
    deadlines = Deadlines()
    body = pod_review("[]", uid="a")
    assert deadlines.of(body, 100.0, PATIENCE) == 110.0
    assert deadlines.of(body, 104.0, PATIENCE) == 110.0


def test_a_uid_that_comes_back_after_its_deadline_is_another_admission() -> None:
    deadlines = Deadlines()
    body = pod_review("[]", uid="a")
    deadlines.of(body, 100.0, PATIENCE)
    assert deadlines.of(body, 110.0, PATIENCE) == 120.0
    assert deadlines.of(body, 111.0, PATIENCE) == 120.0


def test_only_so_many_admissions_are_remembered_and_the_oldest_is_forgotten_first() -> None:
    deadlines = Deadlines()
    for number in range(REMEMBERED + 1):
        deadlines.of(pod_review("[]", uid=str(number)), 100.0, PATIENCE)
    assert deadlines.of(pod_review("[]", uid="1"), 105.0, PATIENCE) == 110.0
    assert deadlines.of(pod_review("[]", uid="0"), 105.0, PATIENCE) == 115.0
