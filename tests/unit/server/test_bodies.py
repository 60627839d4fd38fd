"""A body that had to go for others."""

import pytest

from kubemacpool.server.bodies import Bodies, NoRoomError
from kubemacpool.server.messages import Request


async def test_a_body_that_was_dropped_takes_no_more_room() -> None:
    request = Request("POST", "/mutate-pods", {})
    request.pieces.append(b" " * 1000)
    bodies = Bodies()
    with bodies.expect("127.0.0.1") as body:
        body.drop()
        with pytest.raises(NoRoomError, match="more than 67108864 bytes of requests are arriving at this replica"):
            await body.read(request)
        assert bodies.held == 0
    assert bodies.held == 0
