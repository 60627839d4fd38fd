"""Random bytes: the server stays up, answers with nothing in the 500s, and serves the next client properly."""

import asyncio
import random
import re

import pytest
from tests.faults.served import Scene, get, review

from kubemacpool.server import limits

ROUNDS = 40
# The id of the drawn one is constant, so that all workers of pytest-xdist collect the same tests; a failure shows it.
SEEDS = [1, 2, pytest.param(random.SystemRandom().getrandbits(32), id="drawn")]
"""Two that are always the same and one that never is; a failure names it."""

SERVER_ERROR = re.compile(rb"HTTP/1\.[01] 5\d\d")
CHUNKED = (
    b"POST /mutate-pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n[1,2]\r\n3;x=y\r\n   \r\n0\r\nA: b\r\n\r\n"
)
WHOLE = [
    review(b'{"apiVersion":"admission.k8s.io/v1"}'),
    review(b"{}", b"Connection: close", b"Accept: */*", b"User-Agent: kube-apiserver-admission"),
    CHUNKED,
    get(b"/readyz", b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: eA=="),
    get(b"/healthz") * 40,
]
SPICES = [
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b":",
    b" ",
    b"-1",
    b"99999999999999999999",
    b"chunked",
    b"Content-Length: 3\r\n",
]


@pytest.fixture(autouse=True)
def _shorter_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BODY_SECONDS", "FIRST_REQUEST_SECONDS", "HANDSHAKE_SECONDS"):
        monkeypatch.setattr(limits, name, 0.2)
    monkeypatch.setattr(limits, "KEEP_ALIVE_SECONDS", 0.3)
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.1)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_bytes_inside_tls_never_bring_the_server_down(scene: Scene, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (a fuzz is to be repeatable)
    answered = await asyncio.gather(*(_inside(scene, _request(draw), draw.random()) for _ in range(ROUNDS)))
    assert [found for found in answered if SERVER_ERROR.search(found)] == []
    assert await scene.works()
    await scene.until_open(0)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_bytes_in_place_of_tls_never_bring_the_server_down(scene: Scene, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (a fuzz is to be repeatable)
    await asyncio.gather(*(_outside(scene, draw.randbytes(draw.randint(1, 2000))) for _ in range(ROUNDS)))
    assert await scene.works()
    await scene.until_open(0)


async def _inside(scene: Scene, data: bytes, cut: float) -> bytes:
    """Send in two pieces, and let go or wait for the server to close."""
    client = await scene.connect()
    middle = int(len(data) * cut)
    await client.send(data[:middle])
    await asyncio.sleep(0.005)
    await client.send(data[middle:])
    answered = b"" if cut < 0.1 else await client.closed()
    client.close()
    return answered


async def _outside(scene: Scene, data: bytes) -> None:
    client = await scene.connect_plain()
    await client.send(data)
    await client.closed()
    client.close()


def _request(draw: random.Random) -> bytes:
    """A proper request with some of its bytes gone, doubled, made up or replaced."""
    data = bytearray(draw.choice(WHOLE))
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(5):
            case 0:
                data[at : at + draw.randint(1, 20)] = b""
            case 1:
                data[at:at] = draw.choice(SPICES)
            case 2:
                data[at:at] = draw.randbytes(draw.randint(1, 10))
            case 3:
                data[at : at + 1] = draw.randbytes(1)
            case _:
                data[at:at] = data[max(0, at - 30) : at]
    return bytes(data)
