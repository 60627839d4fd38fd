import asyncio

import pytest

from kubemacpool.ports import ClusterUnavailableError, NotFoundError
from kubemacpool.progress import ViewProgress


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_has_been_reached_is_not_waited_for() -> None:
    progress = ViewProgress()
    assert (progress.resource_version, progress.changed_at) == (0, 0)
    progress.reached(5)
    await progress.until(5)
    await progress.until(3)
    assert progress.resource_version == 5


async def test_those_who_wait_go_on_as_soon_as_their_version_is_reached() -> None:
    progress = ViewProgress()
    waiting = {version: asyncio.create_task(progress.until(version)) for version in (9, 7, 8, 7_000)}
    also = asyncio.create_task(progress.until(7))
    await _settle()
    progress.reached(7)
    await _settle()
    assert also.done()
    assert [version for version, task in waiting.items() if task.done()] == [7]
    progress.reached(100)
    await _settle()
    assert [version for version, task in waiting.items() if not task.done()] == [7_000]
    waiting[7_000].cancel()


async def test_who_gave_up_waiting_does_not_stop_the_others() -> None:
    progress = ViewProgress()
    first, second = asyncio.create_task(progress.until(7)), asyncio.create_task(progress.until(7))
    await _settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    progress.reached(7)
    await second


async def test_a_view_may_go_back_after_a_restore_from_backup() -> None:
    progress = ViewProgress()
    progress.reached(100)
    lost = asyncio.create_task(progress.until(110))
    await _settle()
    progress.reached(50)
    assert progress.resource_version == 50
    with pytest.raises(ClusterUnavailableError, match="resourceVersion fell from 100 to 50"):
        await lost
    waiting = asyncio.create_task(progress.until(60))
    await _settle()
    assert not waiting.done(), "100 was reached in another past"
    progress.reached(60)
    await waiting


async def test_where_something_changed_last_is_known_while_nothing_happens() -> None:
    progress = ViewProgress()
    progress.reached(5)
    for version in (6, 7):
        progress.idle()
        progress.reached(version)
    assert (progress.changed_at, progress.resource_version) == (5, 7)
    progress.reached(9)
    assert progress.changed_at == 9
    progress.begin_anew()
    assert progress.changed_at == 0


async def test_those_who_wait_are_told_when_there_is_no_view_any_more() -> None:
    """What is not there tells nothing: they would wait for ever."""
    progress = ViewProgress()
    progress.reached(6)
    gave_up, waiting = asyncio.create_task(progress.until(7)), asyncio.create_task(progress.until(8))
    await _settle()
    gave_up.cancel()
    await _settle()
    progress.begin_anew()
    assert progress.resource_version == 0
    with pytest.raises(NotFoundError, match=r"^the kind is not served any more$"):
        await waiting


async def test_a_view_that_begins_anew_is_waited_for_as_the_first_one_was() -> None:
    progress = ViewProgress()
    progress.reached(6)
    progress.begin_anew()
    waiting = asyncio.create_task(progress.until(5))
    await _settle()
    assert not waiting.done(), "6 was reached by the view before"
    progress.reached(5)
    await waiting
