"""A new leader waits for every kind, whichever is the slowest (rule 4)."""

import asyncio
from collections.abc import Awaitable
from itertools import permutations

import pytest

from kubemacpool.election.leadership import PATIENCE, KindView, catch_up, list_afresh
from kubemacpool.progress import ViewProgress

KINDS = ("Pod", "VirtualMachine", "VirtualMachineInstance")
ORDERS = pytest.mark.parametrize("order", list(permutations(KINDS)), ids="-".join)


class Followed:
    """One kind, whose lists are complete when the test says so."""

    def __init__(self) -> None:
        self.progress = ViewProgress()
        self.progress.reached(1)
        self.lists = 0
        self.complete = asyncio.Event()
        self.view = KindView(self.progress, self._relist)

    async def _relist(self) -> None:
        self.lists += 1
        await self.complete.wait()


async def _settled(task: asyncio.Future[None]) -> bool:
    """Whether it is done, when everybody has had a turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


def _begun(awaitable: Awaitable[None]) -> asyncio.Future[None]:
    return asyncio.ensure_future(awaitable)


@ORDERS
async def test_it_leads_when_the_last_kind_has_come_as_far_as_the_lease_asks(order: tuple[str, ...]) -> None:
    kinds = {kind: Followed() for kind in KINDS}
    catching_up = _begun(catch_up({kind: each.view for kind, each in kinds.items()}, dict.fromkeys(KINDS, 9)))
    for kind in order:
        assert not await _settled(catching_up), kind
        kinds[kind].progress.reached(9)
    assert await _settled(catching_up)
    assert [each.lists for each in kinds.values()] == [0, 0, 0]


@pytest.mark.parametrize("slowest", KINDS)
async def test_the_kind_that_is_behind_is_listed_afresh_and_no_other(slowest: str) -> None:
    kinds = {kind: Followed() for kind in KINDS}
    for kind, each in kinds.items():
        each.progress.reached(8 if kind == slowest else 9)
    catching_up = _begun(catch_up({kind: each.view for kind, each in kinds.items()}, dict.fromkeys(KINDS, 9)))
    await asyncio.sleep(PATIENCE + 0.01)
    assert not await _settled(catching_up)
    assert {kind: each.lists for kind, each in kinds.items()} == {kind: int(kind == slowest) for kind in KINDS}
    kinds[slowest].complete.set()
    assert await _settled(catching_up)


@ORDERS
async def test_after_a_loss_every_kind_is_listed_and_the_last_list_is_waited_for(order: tuple[str, ...]) -> None:
    kinds = {kind: Followed() for kind in KINDS}
    listing = _begun(list_afresh({kind: each.view for kind, each in kinds.items()}))
    for kind in order:
        assert not await _settled(listing), kind
        kinds[kind].complete.set()
    assert await _settled(listing)
    assert [each.lists for each in kinds.values()] == [1, 1, 1]
