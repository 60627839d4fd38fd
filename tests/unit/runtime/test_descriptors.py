"""How many connections there may be follows from how many files may be open."""

import resource

import pytest

from kubemacpool.runtime import FEWEST_DESCRIPTORS, OWN_DESCRIPTORS, DescriptorsError, raise_limit, room_in
from kubemacpool.server import limits


@pytest.mark.parametrize(
    ("descriptors", "connections", "backlog"),
    [(256, 16, 32), (1024, 352, 128), (5312, 2048, 664), (8192, 2048, 1024), (1 << 30, 2048, 1024)],
)
def test_the_ports_take_what_leaves_room_for_calls(descriptors: int, connections: int, backlog: int) -> None:
    room = room_in(descriptors)
    assert room == (descriptors, connections, backlog)
    taken = room.connections + room.backlog + 2 * limits.FEW_CONNECTIONS
    assert descriptors - taken >= room.connections + OWN_DESCRIPTORS, "each review may be handed to another replica"


def test_too_few_are_named_with_what_is_needed() -> None:
    with pytest.raises(DescriptorsError) as caught:
        room_in(FEWEST_DESCRIPTORS - 1)
    assert str(caught.value) == (
        "the limit of open files (ulimit -n) is 255; at least 256 are needed, "
        "and 5312 to serve as many clients at once as there may be"
    )


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        assert raise_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
