"""Collisions are looked for again and again."""

import asyncio

from tests.unit.doubles import FIRST, KeptEvents, new_ledger

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.follow.collision_events import PAUSE, CollisionReporter


async def test_a_collision_is_told_soon_after_it_has_come_and_then_no_more() -> None:
    ledger, events = new_ledger(), KeptEvents()
    ledger.inherit((), 0.0)
    running = asyncio.create_task(CollisionReporter(ledger, lambda: True, events).run())
    told = []
    for name in ("a", "b", "c", ""):
        if name:
            key = ObjectKey("Pod", "ns", name)
            ledger.observe(Holder(key, f"uid-{name}", Party(*key), (FIRST,)), 0.0)
        await asyncio.sleep(PAUSE * 1.5)
        told.append(len(events.warnings))
    running.cancel()
    assert told == [0, 2, 3, 3]
