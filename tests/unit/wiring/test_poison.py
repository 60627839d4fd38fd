"""Objects whose taking in fails: they are set aside, and everything else is known as before."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import FIRST, new_ledger
from tests.unit.wiring.served import (
    INSTANCES,
    MACHINES,
    MIGRATIONS,
    PODS,
    Scene,
    controller,
    instance,
    machine,
    pod,
)

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.follow import set_aside
from kubemacpool.follow.migrations import MigrationFollower

MACS: Final = [f"02:00:00:00:00:{number:02x}" for number in range(1, 10)]
POISON: Final = "poison"


class Absurd(Exception):  # noqa: N818 (a fault of ours, which has no name)
    """What nobody foresaw."""


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From now on taking in an object of this name tears the ledger and fails."""
    names: set[str] = set()
    see = Population.see

    def absurd(self: Population, holder: Holder, owner: OwnerReference | None, now: float, version: int) -> None:
        if holder.key.name not in names:
            see(self, holder, owner, now, version)
            return
        self.ledger._holders[holder.key] = holder  # half of the work, and
        self.ledger._carriers._of.clear()  # the worst that it may leave behind
        self.families._members.clear()
        raise Absurd(holder.key.name)

    monkeypatch.setattr(Population, "see", absurd)
    return names.add


def _scene() -> Scene:
    scene = Scene()
    scene.served.install()
    scene.served.store(MACHINES, "vm", machine(MACS[0]))
    scene.served.store(INSTANCES, "vmi", instance(MACS[0], controller("VirtualMachine", "vm")))
    scene.served.store(PODS, "launcher", pod(MACS[0], controller("VirtualMachineInstance", "vmi")))
    scene.served.store(PODS, "a", pod(MACS[1]))
    return scene


FAMILY: Final = dict.fromkeys(
    ("VirtualMachine ns/vm", "VirtualMachineInstance ns/vmi", "Pod ns/launcher"), "VirtualMachine ns/vm"
)


async def test_an_object_that_cannot_be_taken_in_is_set_aside_and_all_else_is_known_as_before(
    fails: Callable[[str], None],
) -> None:
    fails(POISON)
    scene = _scene()
    async with scene.following():
        scene.served.store(PODS, POISON, pod(MACS[2]))
        await asyncio.sleep(0.2)
        assert scene.holders(FIRST) == FAMILY
        assert scene.holders(FIRST + 1) == {"Pod ns/a": "Pod ns/a"}
        assert scene.holders(FIRST + 2) == {f"Pod ns/{POISON}": f"Pod ns/{POISON}"}, "nobody else may have it"
        assert scene.readiness.obstacles == ()
        assert scene.measures.aside == {"Pod": 1}
        scene.served.store(PODS, "b", pod(MACS[3]))
        await asyncio.sleep(0.1)
        assert scene.holders(FIRST + 3) == {"Pod ns/b": "Pod ns/b"}, "it is followed on"


async def test_nothing_is_decided_by_what_is_torn(fails: Callable[[str], None]) -> None:
    fails(POISON)
    scene = _scene()
    async with scene.following():
        scene.served.hung = {PODS}
        scene.served.store(PODS, POISON, pod(MACS[2]))
        await asyncio.sleep(0.2)
        assert len(scene.readiness.obstacles) == 1
        assert "rebuilt" in scene.readiness.obstacles[0]
        for address in range(FIRST, FIRST + 3):
            assert scene.holders(address), "until it is told again, it is withheld"
            assert not scene.ledger.is_free(address)


async def test_a_poisonous_object_is_not_tried_again_before_it_changes(
    fails: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(POISON)
    scene = _scene()
    async with scene.following():
        with capture_logs() as logs:
            scene.served.store(PODS, POISON, pod(MACS[2]))
            await asyncio.sleep(0.2)
            await scene.followed._pods.relist()
            await asyncio.sleep(0.1)
        assert [line["event"] for line in logs if line["log_level"] == "error"] == [
            "an object was set aside: it could not be taken in"
        ]
        monkeypatch.undo()
        scene.served.change(PODS, POISON, pod(MACS[3]))
        await asyncio.sleep(0.1)
        assert scene.measures.aside == {"Pod": 0}
        assert scene.holders(FIRST + 3) == {f"Pod ns/{POISON}": f"Pod ns/{POISON}"}
        assert scene.ledger.cooling_count == 1, "what it has no more cools down"
        assert scene.holders(FIRST + 2) == {}
        assert not scene.ledger._withheld


async def test_an_object_that_was_known_before_it_failed_keeps_what_it_had(fails: Callable[[str], None]) -> None:
    scene = _scene()
    async with scene.following():
        fails("a")
        for number in (2, 3):
            scene.served.change(PODS, "a", pod(MACS[number]))
            await asyncio.sleep(0.8)
        assert [sorted(scene.holders(FIRST + number)) for number in (1, 2, 3)] == [["Pod ns/a"], [], ["Pod ns/a"]]
        scene.served.delete(PODS, "a")
        await asyncio.sleep(0.1)
        assert not scene.ledger._withheld
        assert scene.measures.aside == {"Pod": 0}
        assert scene.ledger.cooling_count == 3


async def test_many_poisonous_objects_cost_one_rebuild_together(fails: Callable[[str], None]) -> None:
    names = [f"{POISON}-{number}" for number in range(7)]
    scene = _scene()
    for number, name in enumerate(names):
        fails(name)
        scene.served.store(PODS, name, pod(MACS[2 + number]))
    async with scene.following():
        await asyncio.sleep(1.0)
        assert scene.readiness.obstacles == ()
        assert scene.measures.aside == {"Pod": 7}
        assert scene.lists(PODS) == 2
        assert scene.holders(FIRST) == FAMILY


async def test_a_namespace_that_has_failed_too_often_is_set_aside_untried_and_others_are_not(
    fails: Callable[[str], None],
) -> None:
    fails(POISON)
    scene = _scene()
    async with scene.following():
        for number in range(set_aside.REBUILDS_AT_ONCE):
            if number:
                scene.served.change(PODS, POISON, pod(MACS[2]), "theirs")
            else:
                scene.served.store(PODS, POISON, pod(MACS[2]), "theirs")
            await asyncio.sleep(3.0)
        assert scene.readiness.obstacles == ()
        await scene.followed._pods.relist()
        await asyncio.sleep(0.1)
        assert scene.measures.aside == {"Pod": 1}
        requests = len(scene.served.requests)
        scene.served.change(PODS, POISON, pod(MACS[3]), "theirs")
        scene.served.store(PODS, "innocent", pod(MACS[4]), "theirs")
        scene.served.store(PODS, "b", pod(MACS[5]))
        await asyncio.sleep(0.1)
        assert scene.readiness.obstacles == (), "nothing was tried"
        assert len(scene.served.requests) == requests
        assert scene.measures.aside == {"Pod": 2}
        assert sorted(scene.holders(FIRST + 3)) == [f"Pod theirs/{POISON}"]
        assert sorted(scene.holders(FIRST + 4)) == ["Pod theirs/innocent"]
        assert sorted(scene.holders(FIRST + 5)) == ["Pod ns/b"]
        await asyncio.sleep(set_aside.SECONDS_A_REBUILD)
        scene.served.change(PODS, "innocent", pod(MACS[4]), "theirs")
        await asyncio.sleep(0.1)
        assert scene.measures.aside == {"Pod": 1}, "some time later it is tried again"


async def test_an_object_whose_taking_out_fails_is_gone_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = _scene()
    gone = Population.gone

    def absurd(self: Population, key: ObjectKey, now: float) -> None:
        if key.name == "a":
            raise Absurd
        gone(self, key, now)

    async with scene.following():
        monkeypatch.setattr(Population, "gone", absurd)
        with capture_logs() as logs:
            scene.served.delete(PODS, "a")
            await asyncio.sleep(0.2)
        assert "an object that is gone could not be taken out" in [line["event"] for line in logs]
        assert scene.readiness.obstacles == ()
        assert scene.holders(FIRST) == FAMILY


async def test_a_migration_that_cannot_be_taken_in_unites_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = _scene()

    def absurd(*_: object) -> None:
        raise Absurd

    monkeypatch.setattr(MigrationFollower, "_look_at", absurd)
    async with scene.following():
        spec = {"vmiName": "vmi", "sendTo": {"migrationID": "m", "connectURL": "x"}}
        scene.served.store(MIGRATIONS, "m", {"spec": spec})
        await asyncio.sleep(0.2)
        assert scene.measures.aside == {"VirtualMachineInstanceMigration": 1}
        assert scene.readiness.obstacles == ()
        assert scene.holders(FIRST) == FAMILY


def test_what_is_rebuilt_is_what_was_built() -> None:
    """Every attribute: whoever adds one to the ledger that is derived from holders is told here to reset it."""

    def told(population: Population) -> None:
        for number, (name, owner) in enumerate({"vm": None, "a": None, "b": None}.items()):
            key = ObjectKey("VirtualMachine" if name == "vm" else "Pod", "ns", name)
            addresses = (FIRST + number % 2,)
            population.see(Holder(key, f"uid-{name}", Party(*key), addresses), owner, 0.0, number)

    built, rebuilt = Population(new_ledger()), Population(new_ledger())
    for population in (built, rebuilt):
        told(population)
    rebuilt.begin_anew()
    assert rebuilt.ledger._withheld
    told(rebuilt)
    assert _state(rebuilt.ledger) == _state(built.ledger)
    assert _state(rebuilt.families) == _state(built.families)


def _state(of: object, depth: int = 3) -> object:
    """All that there is inside, as far as it is ours."""
    if not type(of).__module__.startswith("kubemacpool.") or isinstance(of, tuple):
        return of
    names = [*getattr(of, "__dict__", {}), *getattr(type(of), "__slots__", ())]
    return {name: _state(getattr(of, name), depth - 1) for name in names} if depth else repr(of)
