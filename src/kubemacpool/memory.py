"""Memory that nobody uses any more is found, and goes back to the machine, without the event loop standing still."""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Final

COLLECTION_SECONDS: Final = 1.0
"""Between looks of the collector: a thousand new pods are 4 ms."""

LOOKS_A_RETURN: Final = 60
"""Every so many looks what malloc has free is given back, which takes some milliseconds."""

LOOKS_A_COUNT: Final = 300
MOST_GROWN: Final = 1.25
SLACK: Final = 50_000
"""Every so many looks what is frozen is counted, which takes some milliseconds, and all of it is looked at
again if it has become so many times as much, and so much more: then some of it may be cycles that nobody refers to any
more. That is some 10 MB."""

MOST_RESIDENT: Final = 16 * 1024 * 1024
"""Bytes that the process may have grown by since then before all of it is looked at, however few objects that are:
the buffer of a TLS connection that failed is one object of 256 KiB, in a cycle that uvloop makes."""

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
THRESHOLD: Final = 128 * 1024
"""Bytes: what glibc begins with (mallopt(3)). Left alone, it has both thresholds grow with the largest block that was
ever freed, up to 32 MiB. From then on the buffers of connections and bodies lie on the heap among what lives long, and
most of what they took stays with the process: replicas grew from 115 to 290 MB in 25 minutes of `make soak`."""


class Heap:
    """The C library's allocator, as far as it can be told what to do; where it is not glibc's, nothing happens."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        self._set = getattr(library, "mallopt", None)

    def keep_little(self) -> None:
        """Have each large block mapped by itself, so that it goes back when it is freed."""
        if self._set is not None:
            self._set(M_MMAP_THRESHOLD, THRESHOLD)
            self._set(M_TRIM_THRESHOLD, THRESHOLD)

    def give_back(self) -> None:
        """Give back the pages on which nothing is."""
        if self._trim is not None:
            self._trim(0)


class Collector:
    """Python's collector of reference cycles, kept from stopping the loop for long.

    A look at everything takes 70 ms and more with 20,000 pods, almost all of it for what lives as long as they do and
    is no cycle. So whatever is alive after a look is frozen: it is freed as ever once nobody refers to it, and not
    looked at again. A cycle among it stays, for a while.

    Args:
        serving: whether anybody waits for this process; else there is time to look at everything.
        heap: where what was freed is given back from.
        resident: the bytes of memory that the process has.
    """

    def __init__(
        self, serving: Callable[[], bool], heap: Heap | None = None, resident: Callable[[], int] | None = None
    ) -> None:
        self._serving = serving
        self._heap = Heap() if heap is None else heap
        self._resident = resident_bytes if resident is None else resident
        self._looks = 0
        # As they were when everything was looked at: how many objects were alive, and bytes resident.
        self._alive = 0
        self._least = 0

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(COLLECTION_SECONDS)

    def look(self) -> None:
        """Free the cycles among what is new; among everything, if that may be worth it."""
        self._looks += 1
        if self._looks % LOOKS_A_RETURN == 0:
            self._heap.give_back()
        everything = not self._serving() or (self._looks % LOOKS_A_COUNT == 0 and self._has_grown())
        if everything:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        if everything:
            self._alive = gc.get_freeze_count()
            self._least = self._resident()

    def _has_grown(self) -> bool:
        many = gc.get_freeze_count() > MOST_GROWN * self._alive + SLACK
        return many or self._resident() > self._least + MOST_RESIDENT


def resident_bytes() -> int:
    """Bytes of memory that this process has, as the kernel counts them; 0 where it does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
