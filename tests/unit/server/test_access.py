import asyncio
from collections.abc import Callable

import pytest
from tests.unit.doubles import ManualClock

from kubemacpool.ports import ClusterUnavailableError
from kubemacpool.server import access as subject
from kubemacpool.server.access import ALLOWED, Access, Judgement, restricted
from kubemacpool.server.messages import Request, Response, text
from kubemacpool.wire.access import User

PROMETHEUS = User("system:serviceaccount:monitoring:prometheus")


class Cluster:
    """Knows some tokens, and what their users may do."""

    def __init__(self) -> None:
        self.users = {"good": PROMETHEUS, "poor": User("eve")}
        self.allowed = {(PROMETHEUS.username, "/metrics", "get")}
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.waits: asyncio.Event | None = None

    async def user_of(self, token: str) -> User | None:
        """Whose the token is."""
        self.asked.append(token)
        if self.waits is not None:
            await self.waits.wait()
        if self.fault is not None:
            raise self.fault
        return self.users.get(token)

    async def may(self, user: User, path: str, verb: str) -> bool:
        """Whether the user may."""
        return (user.username, path, verb) in self.allowed


class Certified:
    """The TLS side of a connection whose client has shown a certificate."""

    def getpeercert(self, *, binary_form: bool) -> bytes:
        """It."""
        assert binary_form
        return b"DER"


def _request(token: str = "", method: str = "GET", path: str = "/metrics", scheme: str = "Bearer") -> Request:
    return Request(method, path, {b"authorization": f"{scheme} {token}".encode()} if token else {})


def _access(cluster: Cluster, clock: ManualClock, certified: Callable[[bytes], bool] = lambda _: False) -> Access:
    return Access(cluster, certified, clock)


async def test_a_user_who_may_reads_and_others_are_told_why_not() -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    assert await access.judge(_request("good")) == ALLOWED
    assert await access.judge(_request("good", "HEAD")) == ALLOWED
    refused = await access.judge(_request("poor"))
    assert refused.status == 403
    assert refused.reason == 'user "eve" may not get /metrics; bind ClusterRole kubemacpool-metrics-reader to that user'
    put = await access.judge(_request("good", "PUT", "/debug/log-level"))
    assert (put.status, "may not put /debug/log-level" in put.reason) == (403, True)
    assert "kubemacpool-debug-reader" in put.reason
    unknown = await access.judge(_request("made-up"))
    assert (unknown.status, "does not know this token" in unknown.reason) == (401, True)


@pytest.mark.parametrize("request_", [_request(), _request("good", scheme="Basic"), _request(" ")])
async def test_who_does_not_say_who_he_is_costs_the_api_server_nothing(request_: Request) -> None:
    cluster = Cluster()
    judgement = await _access(cluster, ManualClock()).judge(request_)
    assert (judgement.status, cluster.asked) == (401, [])


async def test_answers_are_kept_for_a_while_a_no_for_less_long() -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    for token in ("good", "good", "poor", "poor"):
        await access.judge(_request(token))
    assert cluster.asked == ["good", "poor"]
    clock.advance(subject.REFUSED_SECONDS)
    await access.judge(_request("good"))
    await access.judge(_request("poor"))
    assert cluster.asked == ["good", "poor", "poor"]
    clock.advance(subject.ALLOWED_SECONDS)
    cluster.allowed.clear()
    assert (await access.judge(_request("good"))).status == 403


async def test_one_question_answers_all_who_ask_with_one_token_at_a_time() -> None:
    cluster, clock = Cluster(), ManualClock()
    cluster.waits = asyncio.Event()
    access = _access(cluster, clock)
    asking = [asyncio.create_task(access.judge(_request("good"))) for _ in range(5)]
    await asyncio.sleep(0)
    asking.pop().cancel()  # who hangs up takes the answer from nobody
    await asyncio.sleep(0)
    cluster.waits.set()
    assert await asyncio.gather(*asking) == [ALLOWED] * 4
    assert cluster.asked == ["good"]


async def test_made_up_tokens_cost_the_api_server_a_bounded_number_of_questions() -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    assert await access.judge(_request("good")) == ALLOWED
    found = [(await access.judge(_request(f"t{number}"))).status for number in range(1000)]
    assert len(cluster.asked) == subject.QUESTIONS_AT_ONCE
    assert found.count(401) == subject.QUESTIONS_AT_ONCE - 1
    assert set(found[subject.QUESTIONS_AT_ONCE :]) == {503}
    assert await access.judge(_request("good")) == ALLOWED  # who is known does not notice
    clock.advance(1.0)
    assert (await access.judge(_request("another"))).status == 401


async def test_what_is_remembered_and_what_is_under_way_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "REMEMBERED", 2)
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    for token in ("a", "b", "c", "a", "c"):
        await access.judge(_request(token))
    assert cluster.asked == ["a", "b", "c", "a"]
    cluster.waits = asyncio.Event()
    asking = [asyncio.create_task(access.judge(_request(f"w{number}"))) for number in range(subject.MOST_UNDER_WAY)]
    await asyncio.sleep(0)
    assert (await access.judge(_request("one more"))).status == 503
    cluster.waits.set()
    await asyncio.gather(*asking)


async def test_while_the_api_server_is_away_a_yes_counts_longer_and_nothing_new_is_said() -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    await access.judge(_request("good"))
    await access.judge(_request("poor"))
    cluster.fault = ClusterUnavailableError("connection refused")
    clock.advance(subject.ALLOWED_SECONDS)
    assert await access.judge(_request("good")) == ALLOWED
    poor = await access.judge(_request("poor"))
    assert (poor.status, "connection refused" in poor.reason) == (503, True)
    clock.advance(subject.GRACE_SECONDS)
    assert (await access.judge(_request("good"))).status == 503


async def test_a_certificate_of_the_administrators_authority_needs_no_token() -> None:
    cluster = Cluster()
    request = _request()
    request.tls = Certified()  # type: ignore[assignment]
    assert await _access(cluster, ManualClock(), lambda der: der == b"DER").judge(request) == ALLOWED
    assert (await _access(cluster, ManualClock()).judge(request)).status == 401
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("judgement", "status", "header"),
    [
        (ALLOWED, 200, ("Content-Type", "text/plain; charset=utf-8")),
        (Judgement(401, "who?"), 401, ("WWW-Authenticate", "Bearer")),
        (Judgement(403, "no"), 403, ("Content-Type", "text/plain; charset=utf-8")),
        (Judgement(503, "later"), 503, ("Retry-After", "1")),
    ],
)
async def test_a_route_is_for_those_who_may(judgement: Judgement, status: int, header: tuple[str, str]) -> None:
    async def secret(_: Request) -> Response:
        return text(200, "secret")

    class Judge(Access):
        async def judge(self, request: Request) -> Judgement:
            assert request.path == "/metrics"
            return judgement

    routes = restricted({("GET", "/metrics"): secret}, Judge(Cluster(), lambda _: False, ManualClock()))
    response = await routes["GET", "/metrics"](_request())
    assert (response.status, header in response.headers.items()) == (status, True)
    assert (b"secret" in response.body) is (status == 200)
    assert judgement.reason.encode() in response.body
