import asyncio
import ssl

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


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class Connection:
    """The TLS side of a connection whose client has shown a certificate, or none."""

    def __init__(self, certificate: bytes | None, context: ssl.SSLContext = TLS) -> None:
        self.context = context
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        """What was shown."""
        assert binary_form
        return self._certificate


def _request(
    token: str = "", method: str = "GET", path: str = "/metrics", scheme: str = "Bearer", source: str = "10.0.0.1"
) -> Request:
    return Request(method, path, {b"authorization": f"{scheme} {token}".encode()} if token else {}, source)


def _access(cluster: Cluster, clock: ManualClock) -> Access:
    return Access(cluster, clock, {"/metrics"})


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


async def _guess(access: Access, number: int, sources: int) -> list[int]:
    """What somebody is answered who makes up tokens, from so many addresses in turn."""
    return [
        (await access.judge(_request(f"t{each}", source=f"10.9.0.{each % sources}"))).status for each in range(number)
    ]


@pytest.mark.parametrize(("sources", "questions"), [(1, subject.OF_ONE_AT_ONCE), (100, subject.QUESTIONS_AT_ONCE)])
async def test_made_up_tokens_cost_the_api_server_a_bounded_number_of_questions(sources: int, questions: int) -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    found = await _guess(access, 1000, sources)
    assert len(cluster.asked) == questions
    assert found.count(401) == questions
    assert set(found[questions:]) == {503}
    clock.advance(1.0)
    assert (await access.judge(_request("another", source="10.9.0.0"))).status == 401


async def test_who_may_read_does_not_notice_others_who_make_up_tokens() -> None:
    """Neither when he is asked about again, nor when his token has been exchanged."""
    cluster, clock = Cluster(), ManualClock()
    cluster.users["exchanged"] = PROMETHEUS
    access = _access(cluster, clock)
    assert await access.judge(_request("good")) == ALLOWED
    for _ in range(3):
        clock.advance(subject.ALLOWED_SECONDS)
        await _guess(access, 2 * subject.REMEMBERED, 100)
        assert await access.judge(_request("good")) == ALLOWED
    await _guess(access, 1000, 100)
    assert await access.judge(_request("exchanged")) == ALLOWED


async def test_who_shares_an_address_with_somebody_who_makes_up_tokens_is_heard_once_known() -> None:
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    assert await access.judge(_request("good", source="10.9.0.0")) == ALLOWED
    clock.advance(subject.ALLOWED_SECONDS)
    assert (await _guess(access, 1000, 1))[-1] == 503
    assert await access.judge(_request("good", source="10.9.0.0")) == ALLOWED
    assert cluster.asked[-1] == "good"


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


async def test_an_api_server_that_does_not_answer_is_as_good_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "REVIEW_SECONDS", 0.01)
    cluster, clock = Cluster(), ManualClock()
    access = _access(cluster, clock)
    await access.judge(_request("good"))
    clock.advance(subject.ALLOWED_SECONDS)
    cluster.waits = asyncio.Event()
    assert await access.judge(_request("good")) == ALLOWED
    another = await access.judge(_request("another"))
    assert (another.status, "no answer within 0.01 s" in another.reason) == (503, True)
    cluster.waits.set()
    assert (await access.judge(_request("another"))).status == 401, "nothing was kept of it"


def _connected(path: str, connection: Connection) -> Request:
    request = _request(path=path)
    request.tls = connection  # type: ignore[assignment]  # as far as anybody looks at it
    return request


async def test_a_certificate_that_the_handshake_let_through_is_enough_for_some_paths() -> None:
    cluster = Cluster()
    access = _access(cluster, ManualClock())
    assert await access.judge(_connected("/metrics", Connection(b"DER"))) == ALLOWED
    assert (await access.judge(_connected("/debug/ledger", Connection(b"DER")))).status == 401
    assert (await access.judge(_connected("/metrics", Connection(None)))).status == 401
    assert cluster.asked == []


@pytest.mark.parametrize("certificate", [b"DER", None])
async def test_a_connection_of_an_earlier_authority_is_closed_with_the_answer(certificate: bytes | None) -> None:
    async def figures(_: Request) -> Response:
        return text(200, "figures")

    cluster, earlier = Cluster(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    routes = restricted({("GET", "/metrics"): figures}, _access(cluster, ManualClock()), lambda: TLS)
    response = await routes["GET", "/metrics"](_connected("/metrics", Connection(certificate, earlier)))
    assert (response.status, response.close) == ((200, True) if certificate else (401, False))
    assert not (await routes["GET", "/metrics"](_connected("/metrics", Connection(certificate)))).close


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

    routes = restricted({("GET", "/metrics"): secret}, Judge(Cluster(), ManualClock()), lambda: TLS)
    response = await routes["GET", "/metrics"](_request())
    assert (response.status, header in response.headers.items()) == (status, True)
    assert (b"secret" in response.body) is (status == 200)
    assert judgement.reason.encode() in response.body
