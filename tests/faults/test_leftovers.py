"""What is left of a connection that is closed: nothing that waits for the collector of cycles.

That looks at what is older than a second when there is much of it only (`kubemacpool.memory.Collector`), and what TLS
has of a connection takes some ten kilobytes: whoever connects again and again would have memory grow for minutes.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest
from tests.faults.served import Scene, get, review

from kubemacpool.server.connections import Connection
from kubemacpool.server.crowd import Slot
from kubemacpool.server.entrance import Entrance

TIMES = 5
ENDINGS = {
    "asked and closed": (review(b"{}"), True),
    "asked, and closed by its answer": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False),
    "nothing asked, and closed": (b"", True),
    "nothing asked, and closed by us": (b"", False),
    "half a head": (get(b"/healthz")[:-4], True),
    "half a body": (review(b"{}", length=1000), True),
    "half a body, and closed by us": (review(b"{}", length=1000), False),
    "no HTTP": (b"\x00" * 100, False),
    "refused": (get(b"/nowhere"), True),
}


Alive = Callable[[], list[str]]


def _ours() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, Connection | Entrance | Slot)]


@pytest.fixture
def alive() -> Iterator[Alive]:
    """What is there of connections that were made since; it is freed since nobody refers to it, or not at all."""
    gc.collect()
    gc.disable()
    before = _ours()  # of other tests, which somebody remembers

    def found() -> list[str]:
        known = set(map(id, before))
        return [type(each).__name__ for each in _ours() if id(each) not in known]

    yield found
    gc.enable()


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_connection_that_is_closed_is_freed_at_once(scene: Scene, alive: Alive, ending: str) -> None:
    sent, by_client = ENDINGS[ending]
    for _ in range(TIMES):
        client = await scene.connect()
        await client.send(sent)
        if by_client:
            await asyncio.sleep(0.02)
            client.close()
        else:
            await client.closed()
    await scene.until_open(0)
    async with asyncio.timeout(2):
        while alive():  # noqa: ASYNC110 (nothing tells when TLS has ended on both sides)
            await asyncio.sleep(0.02)


async def test_a_handshake_that_is_never_begun_leaves_nothing(scene: Scene, alive: Alive) -> None:
    for _ in range(TIMES):
        client = await scene.connect_plain()
        await client.closed()
    await scene.until_open(0)
    async with asyncio.timeout(2):
        while alive():  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)
