"""A body that had to go for others."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from kubemacpool.server.bodies import Bodies, NoRoomError


async def test_a_body_that_was_dropped_takes_no_more_room() -> None:
    payload = StreamReader(Mock(), limit=2**16, loop=asyncio.get_running_loop())
    payload.feed_data(b" " * 1000)
    payload.feed_eof()
    bodies = Bodies()
    with bodies.expect("127.0.0.1") as body:
        body.drop()
        with pytest.raises(NoRoomError, match="more than 67108864 bytes of requests are arriving at this replica"):
            await body.read(make_mocked_request("POST", "/mutate-pods", payload=payload))
        assert bodies.held == 0
    assert bodies.held == 0
