"""The collector looks at what is new, and at everything only when that may be worth it; what is free goes back."""

import asyncio
import ctypes
import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubemacpool import memory
from kubemacpool.memory import MOST_RESIDENT, Collector, Heap, resident_bytes


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
    monkeypatch.setattr(memory, "LOOKS_A_COUNT", 2)
    monkeypatch.setattr(memory, "SLACK", 1000)
    serving = False
    collector = Collector(lambda: serving)
    collector.look()
    serving = True
    monkeypatch.setattr(memory, "MOST_GROWN", 1.0)
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


def test_a_cycle_among_what_was_frozen_is_freed_once_the_process_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few objects it has: one may be the buffer of a connection."""
    monkeypatch.setattr(memory, "LOOKS_A_COUNT", 1)
    resident, serving = 1000, False
    collector = Collector(lambda: serving, resident=lambda: resident)
    collector.look()
    serving = True
    link = Link()
    collector.look()
    gone = weakref.ref(link)
    del link
    resident += MOST_RESIDENT
    collector.look()
    assert gone() is not None
    resident += 1
    collector.look()
    assert gone() is None


class CountingHeap(Heap):
    """Counts how often it was told to give back."""

    def __init__(self) -> None:
        self.times = 0

    def give_back(self) -> None:
        """Count it."""
        self.times += 1


def test_what_is_free_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOKS_A_RETURN", 3)
    heap = CountingHeap()
    collector = Collector(lambda: True, heap)
    for _ in range(7):
        collector.look()
    assert heap.times == 2


KEPT = """
from kubemacpool.memory import Heap, resident_bytes
heap = Heap()
{told}
body = bytearray(30_000_000)
del body
before = resident_bytes()
buffers, living = [], []
for _ in range(300):
    buffers.append(bytearray(200_000))
    living.append(bytearray(1_000))
buffers.clear()
{then}
print(resident_bytes() - before)
"""
"""What stays with a process once the buffers of connections are freed, among which things lie that live on."""


def _kept(told: str = "", then: str = "") -> int:
    script = KEPT.format(told=told, then=then)
    return int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(Heap()._trim is None, reason="not glibc")
def test_the_buffers_of_connections_go_back_when_they_are_freed() -> None:
    kept = _kept()
    assert _kept(told="heap.keep_little()") < kept / 4
    assert _kept(then="heap.give_back()") < kept / 4


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    heap = Heap()
    heap.keep_little()
    heap.give_back()


def test_resident_bytes_are_those_of_this_process() -> None:
    before = resident_bytes()
    buffer = b"x" * 50_000_000
    assert 40_000_000 < resident_bytes() - before < 60_000_000
    assert len(buffer) == 50_000_000


def test_without_procfs_nothing_is_known_to_be_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert resident_bytes() == 0


async def test_it_goes_on_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COLLECTION_SECONDS", 0.01)
    task = asyncio.create_task(Collector(lambda: True).run())
    try:
        for _ in range(2):
            gone = asyncio.Event()
            weakref.finalize(Link(), gone.set)
            await asyncio.wait_for(gone.wait(), 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
