"""Lists of a kind that may come and go while they are waited for."""

import asyncio

import pytest
from tests.unit.timed.kinds import V1, Installation


async def test_there_is_nothing_to_list_of_a_kind_that_is_not_there() -> None:
    await Installation().kind.relist()


async def test_a_list_is_waited_for_until_it_is_complete() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        listing = asyncio.create_task(scene.kind.relist())
        await scene.pass_time(60.0)
        assert not listing.done()
        scene.watches[0].listed.set()
        await listing
        assert scene.watches[0].waiting == 0


async def test_a_list_of_a_kind_that_goes_meanwhile_is_waited_for_no_longer() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        listing = asyncio.create_task(scene.kind.relist())
        await scene.pass_time(0.1)
        await scene.remove()
        await listing
        await scene.pass_time(0.1)
        assert scene.watches[0].waiting == 0


async def test_an_end_that_is_over_does_not_end_the_lists_of_the_kind_that_came_back() -> None:
    scene = Installation()
    async with scene.running():
        scene.catalogue.served = V1
        await scene.presence.look()
        await scene.remove()
        scene.catalogue.served = V1
        await scene.presence.look()
        listing = asyncio.create_task(scene.kind.relist())
        await scene.pass_time(60.0)
        assert not listing.done()
        scene.watches[1].listed.set()
        await listing


async def test_who_gives_up_waiting_for_a_list_leaves_nothing_behind() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        tasks = len(asyncio.all_tasks())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scene.kind.relist(), 1.0)
        await scene.pass_time(0.1)
        assert scene.watches[0].waiting == 0
        assert len(asyncio.all_tasks()) == tasks
