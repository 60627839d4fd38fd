"""An Event on every object concerned, once for each collision."""

import asyncio
from typing import Final

from structlog.testing import capture_logs
from tests.unit.doubles import FIRST, KeptEvents, new_ledger

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.follow.collision_events import FEW_ADDRESSES, FEW_LINES, MOST_TOLD, SLICE, CollisionReporter
from kubemacpool.ports import Regarding

MESSAGE: Final = "MAC 02:00:00:00:00:01: Collision between pod/ns/a, pod/ns/b"


class Watched:
    """A ledger, somebody who looks at it for collisions, and what was told."""

    def __init__(self) -> None:
        self.leading = True
        self.ledger = new_ledger(1000)
        self.ledger.inherit((), 0.0)
        self._events = KeptEvents()
        self.reporter = CollisionReporter(self.ledger, lambda: self.leading, self._events)

    def carry(self, name: str, *addresses: int, kind: str = "Pod", uid: str = "", of: Party | None = None) -> None:
        """An object carries these, as one of its own party or of another one, and so do its interfaces."""
        key = ObjectKey(kind, "ns", name)
        party = Party(*key) if of is None else of
        self.ledger.observe(Holder(key, uid or f"uid-{name}", party, addresses, attached=addresses), 0.0)

    async def told(self) -> list[tuple[str, str, str]]:
        """What a look tells of: object, reason and message."""
        self._events.warnings.clear()
        await self.reporter.look()
        return [(regarding.name, reason, message) for regarding, reason, message in self._events.warnings]

    def regarding(self) -> list[Regarding]:
        """The objects that the last look told of."""
        return [regarding for regarding, _, _ in self._events.warnings]


async def test_every_object_that_shares_an_address_is_told_with_whom() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    assert await watched.told() == []
    watched.carry("b", FIRST)
    assert await watched.told() == [("a", "MACCollision", MESSAGE), ("b", "MACCollision", MESSAGE)]
    assert watched.regarding()[0] == Regarding("v1", "Pod", "ns", "a", "uid-a")


async def test_a_collision_is_told_once_however_often_it_is_seen() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    await watched.told()
    watched.carry("b", FIRST)
    assert await watched.told() == []


async def test_one_more_object_is_told_whom_it_has_met_and_one_less_is_told_to_nobody() -> None:
    watched = Watched()
    for name in ("a", "b"):
        watched.carry(name, FIRST)
    await watched.told()
    watched.carry("c", FIRST)
    message = f"{MESSAGE}, pod/ns/c"
    assert await watched.told() == [("c", "MACCollision", message)]
    watched.carry("c")
    assert await watched.told() == []


async def test_a_collision_that_was_resolved_and_comes_back_is_told_again() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    await watched.told()
    watched.ledger.vanish(ObjectKey("Pod", "ns", "b"), 0.0)
    assert await watched.told() == []
    watched.carry("b", FIRST)
    assert len(await watched.told()) == 2


async def test_a_replica_that_does_not_decide_leaves_the_telling_to_the_one_that_does() -> None:
    watched = Watched()
    watched.leading = False
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    assert await watched.told() == []


async def test_whoever_leads_next_tells_of_what_is_there_since_its_predecessor_may_not_have() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    watched.ledger.renounce()
    watched.ledger.inherit((), 0.0)
    assert len(await watched.told()) == 2


async def test_a_replica_that_leads_again_tells_of_what_it_has_not_told() -> None:
    watched = Watched()
    for name in ("a", "b"):
        watched.carry(name, FIRST, FIRST + 1)
    await watched.told()
    watched.leading = False
    watched.ledger.renounce()
    assert await watched.told() == []
    watched.carry("b", FIRST)
    watched.carry("c", FIRST)
    watched.ledger.inherit((), 0.0)
    watched.leading = True
    assert [name for name, _, _ in await watched.told()] == ["c"]
    assert list(watched.reporter._known) == [FIRST]


async def test_an_instance_is_told_and_its_launcher_pods_are_not() -> None:
    watched = Watched()
    machine = Party("VirtualMachine", "ns", "vm")
    watched.carry("vm", FIRST, kind="VirtualMachine")
    watched.carry("vmi", FIRST, kind="VirtualMachineInstance", of=machine)
    watched.carry("virt-launcher-vmi", FIRST, of=machine)
    assert await watched.told() == []
    watched.carry("a", FIRST)
    message = "MAC 02:00:00:00:00:01: Collision between pod/ns/a, vmi/ns/vmi"
    assert await watched.told() == [("vmi", "MACCollision", message), ("a", "MACCollision", message)]
    assert watched.regarding() == [
        Regarding("kubevirt.io/v1", "VirtualMachineInstance", "ns", "vmi", "uid-vmi"),
        Regarding("v1", "Pod", "ns", "a", "uid-a"),
    ]


async def test_every_address_is_a_collision_of_its_own() -> None:
    watched = Watched()
    watched.carry("a", FIRST, FIRST + 1)
    watched.carry("b", FIRST)
    await watched.told()
    watched.carry("c", FIRST + 1)
    message = "MAC 02:00:00:00:00:02: Collision between pod/ns/a, pod/ns/c"
    assert await watched.told() == [("a", "MACCollision", message), ("c", "MACCollision", message)]


async def test_an_object_that_is_created_again_under_its_name_is_another_one() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    await watched.told()
    watched.ledger.vanish(ObjectKey("Pod", "ns", "b"), 0.0)
    watched.carry("b", FIRST, uid="uid-later")
    assert [name for name, _, _ in await watched.told()] == ["b"]


async def test_what_is_resolved_is_forgotten() -> None:
    watched = Watched()
    for number in range(10):
        watched.carry("a", FIRST + number, uid=f"a-{number}")
        watched.carry("b", FIRST + number, uid=f"b-{number}")
        assert len(await watched.told()) == 2
    assert len(watched.reporter._known) == 1


async def test_a_collision_is_logged_once_with_its_address_and_its_objects() -> None:
    watched = Watched()
    watched.carry("b", FIRST)
    watched.carry("a", FIRST)
    with capture_logs() as logs:
        for _ in range(3):
            await watched.told()
    assert logs == [
        {
            "event": "collision",
            "log_level": "warning",
            "address": "02:00:00:00:00:01",
            "objects": ["pod/ns/a", "pod/ns/b"],
        }
    ]


async def test_a_hundred_that_come_one_after_the_other_are_told_once_each() -> None:
    watched = Watched()
    watched.carry("pod-000", FIRST)
    told = []
    for number in range(1, 100):
        watched.carry(f"pod-{number:03}", FIRST)
        told += await watched.told()
    assert sorted(name for name, _, _ in told) == [f"pod-{number:03}" for number in range(100)]
    shown = ", ".join(f"pod/ns/pod-{number:03}" for number in range(9))
    assert told[-1][2] == f"MAC 02:00:00:00:00:01: Collision between pod/ns/pod-099, {shown}, and 90 more"


async def test_beyond_a_number_nobody_is_told_any_more_until_they_are_fewer() -> None:
    watched = Watched()
    for number in range(MOST_TOLD + 20):
        watched.carry(f"pod-{number}", FIRST)
    assert len(await watched.told()) == MOST_TOLD
    watched.carry("late", FIRST)
    assert await watched.told() == []
    for number in range(MOST_TOLD + 20):
        watched.carry(f"pod-{number}")
    watched.carry("last", FIRST)
    await watched.told()
    watched.carry("again", FIRST)
    assert "again" in [name for name, _, _ in await watched.told()]


async def test_an_object_with_many_addresses_that_collide_is_told_of_some_and_of_how_many_more() -> None:
    watched = Watched()
    addresses = range(FIRST, FIRST + 200)
    for name in ("a", "b"):
        watched.carry(name, *addresses)
    with capture_logs() as logs:
        told = await watched.told()
    assert [name for name, _, _ in told] == ["a", "b"] * FEW_ADDRESSES + ["a", "b"]
    assert told[0][2] == MESSAGE
    assert told[-1][2] == "Collisions of 197 more MAC addresses of this object, the last 02:00:00:00:00:c8"
    assert len(logs) == FEW_LINES + 1
    assert logs[-1] == {"event": "more collisions", "log_level": "warning", "addresses": 200 - FEW_LINES}


async def test_others_get_their_turn_while_many_are_looked_at() -> None:
    watched = Watched()
    for name in ("a", "b"):
        watched.carry(name, *range(FIRST, FIRST + 900))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await watched.told()
    other.cancel()
    assert turns >= 2 * 900 // SLICE


async def test_an_object_is_not_told_who_it_is_in_another_namespace_where_names_are_hidden() -> None:
    ledger = new_ledger(1000)
    ledger.inherit((), 0.0)
    events = KeptEvents()
    reporter = CollisionReporter(ledger, lambda: True, events, hides_foreign=True)
    for namespace, name in (("ns", "a"), ("ns", "b"), ("foreign", "c")):
        key = ObjectKey("Pod", namespace, name)
        ledger.observe(Holder(key, f"uid-{name}", Party(*key), (FIRST,)), 0.0)
    await reporter.look()
    told = {regarding.name: message for regarding, _, message in events.warnings}
    mac = MESSAGE.partition(": ")[0]
    assert told == {
        "a": f"{mac}: Collision between pod/ns/a, pod/ns/b, 1 of other namespaces",
        "b": f"{mac}: Collision between pod/ns/a, pod/ns/b, 1 of other namespaces",
        "c": f"{mac}: Collision between pod/foreign/c, 2 of other namespaces",
    }
