"""The collector looks at what is new, and at everything only when that may be worth it."""

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from kubemacpool import runtime
from kubemacpool.runtime import Collector


class Link:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def _by_hand() -> Iterator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def test_cycles_among_what_is_new_are_freed() -> None:
    collector = Collector(lambda: True)
    collector.look()
    gone = weakref.ref(Link())
    collector.look()
    assert gone() is None


def test_what_lives_long_is_looked_at_once() -> None:
    collector = Collector(lambda: True)
    pods = [(index, [index]) for index in range(100_000)]
    began = time.process_time()
    gc.collect()
    everything = time.process_time() - began
    collector.look()
    began = time.process_time()
    collector.look()
    assert time.process_time() - began < everything / 4
    assert len(pods) == 100_000


def test_cycles_among_what_was_frozen_are_freed_while_nobody_waits() -> None:
    waited_for = True
    collector = Collector(lambda: waited_for)
    link = Link()
    collector.look()
    gone = weakref.ref(link)
    del link
    collector.look()
    assert gone() is not None
    waited_for = False
    collector.look()
    assert gone() is None


def test_cycles_among_what_was_frozen_are_freed_once_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "LOOKS_A_COUNT", 2)
    monkeypatch.setattr(runtime, "SLACK", 1000)
    serving = False
    collector = Collector(lambda: serving)
    collector.look()
    serving = True
    monkeypatch.setattr(runtime, "MOST_GROWN", 1.0)
    links = [Link() for _ in range(500)]
    collector.look()
    few = weakref.ref(links[0])
    links.clear()
    collector.look()
    collector.look()
    assert few() is not None
    links = [Link() for _ in range(2000)]
    collector.look()
    many = weakref.ref(links[0])
    links.clear()
    collector.look()
    collector.look()
    assert (few(), many()) == (None, None)


async def test_it_goes_on_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "COLLECTION_SECONDS", 0.01)
    task = asyncio.create_task(Collector(lambda: True).run())
    try:
        for _ in range(2):
            gone = asyncio.Event()
            weakref.finalize(Link(), gone.set)
            await asyncio.wait_for(gone.wait(), 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
