import asyncio
import json
import time
import tracemalloc

import pytest

from kubemacpool.telemetry import profiles as profiles_module
from kubemacpool.telemetry.profiles import Profiles


async def _burn(until: asyncio.Event) -> None:
    while not until.is_set():
        _work()
        await asyncio.sleep(0)


def _work() -> None:
    ends = time.perf_counter() + 0.01
    while time.perf_counter() < ends:
        pass


@pytest.mark.parametrize("form", ["speedscope", "text"])
async def test_a_profile_names_what_the_loop_was_doing(form: str) -> None:
    over = asyncio.Event()
    burning = asyncio.create_task(_burn(over))
    profile = await Profiles().cpu(0.3, form)
    over.set()
    await burning
    assert "_work" in profile
    if form == "speedscope":
        assert json.loads(profile)["$schema"].endswith("speedscope.app/file-format-schema.json")


async def test_what_was_allocated_is_told_by_line_and_nothing_is_traced_afterwards() -> None:
    kept: list[bytes] = []

    async def allocate() -> None:
        await asyncio.sleep(0.05)
        kept.append(bytes(3_000_000))

    allocating = asyncio.create_task(allocate())
    told = await Profiles().memory(0.2)
    await allocating
    assert "test_profiles.py" in told
    assert "30000" in told
    assert not tracemalloc.is_tracing()


async def test_one_profile_is_taken_at_a_time() -> None:
    profiles = Profiles()
    first = asyncio.create_task(profiles.memory(0.1))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="another profile"):
        await profiles.cpu(0.1, "text")
    await first
    await profiles.memory(0.01)


async def test_keeping_account_of_memory_ends_early_when_it_takes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles_module, "MOST_TRACES", 0)
    begun = time.monotonic()
    told = await Profiles().memory(60.0)
    assert time.monotonic() - begun < 20
    assert "allocated in 60 s" not in told
