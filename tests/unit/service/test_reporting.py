"""An Event on every object concerned, once for each collision."""

from typing import Final

from structlog.testing import capture_logs
from tests.unit.service.doubles import FIRST, KeptEvents, new_ledger

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.ports.events import Regarding
from kubemacpool.service.reporting import CollisionReporter

MESSAGE: Final = "MAC 02:00:00:00:00:01: Collision between pod/ns/a, pod/ns/b"


class Watched:
    """A ledger, somebody who looks at it for collisions, and what was told."""

    def __init__(self) -> None:
        self.deciding = True
        self.ledger = new_ledger()
        self._events = KeptEvents()
        self.reporter = CollisionReporter(self.ledger, lambda: self.deciding, self._events)

    def carry(self, name: str, *addresses: int, kind: str = "Pod", uid: str = "", of: Party | None = None) -> None:
        """An object carries these, as one of its own party or of another one."""
        key = ObjectKey(kind, "ns", name)
        party = Party(*key) if of is None else of
        self.ledger.observe(Holder(key, uid or f"uid-{name}", party, addresses), 0.0)

    def told(self) -> list[tuple[str, str, str]]:
        """What a look tells of: object, reason and message."""
        self._events.warnings.clear()
        self.reporter.look()
        return [(regarding.name, reason, message) for regarding, reason, message in self._events.warnings]

    def regarding(self) -> list[Regarding]:
        """The objects that the last look told of."""
        return [regarding for regarding, _, _ in self._events.warnings]


def test_every_object_that_shares_an_address_is_told_with_whom() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    assert watched.told() == []
    watched.carry("b", FIRST)
    assert watched.told() == [("a", "MACCollision", MESSAGE), ("b", "MACCollision", MESSAGE)]
    assert watched.regarding()[0] == Regarding("v1", "Pod", "ns", "a", "uid-a")


def test_a_collision_is_told_once_however_often_it_is_seen() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    watched.told()
    watched.carry("b", FIRST)
    assert watched.told() == []


def test_one_more_object_is_told_to_all_and_one_less_to_nobody() -> None:
    watched = Watched()
    for name in ("a", "b"):
        watched.carry(name, FIRST)
    watched.told()
    watched.carry("c", FIRST)
    assert [name for name, _, _ in watched.told()] == ["a", "b", "c"]
    watched.carry("c")
    assert watched.told() == []


def test_a_collision_that_was_resolved_and_comes_back_is_told_again() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    watched.told()
    watched.carry("b")
    assert watched.told() == []
    watched.carry("b", FIRST)
    assert len(watched.told()) == 2


def test_a_replica_that_does_not_decide_leaves_the_telling_to_the_one_that_does() -> None:
    watched = Watched()
    watched.deciding = False
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    assert watched.told() == []


def test_whoever_decides_next_tells_of_what_is_there_since_its_predecessor_may_not_have() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    watched.told()
    watched.deciding = False
    watched.told()
    watched.deciding = True
    assert len(watched.told()) == 2


def test_an_instance_is_told_and_its_launcher_pods_are_not() -> None:
    watched = Watched()
    machine = Party("VirtualMachine", "ns", "vm")
    watched.carry("vm", FIRST, kind="VirtualMachine")
    watched.carry("vmi", FIRST, kind="VirtualMachineInstance", of=machine)
    watched.carry("virt-launcher-vmi", FIRST, of=machine)
    assert watched.told() == []
    watched.carry("a", FIRST)
    message = "MAC 02:00:00:00:00:01: Collision between pod/ns/a, vmi/ns/vmi"
    assert watched.told() == [("vmi", "MACCollision", message), ("a", "MACCollision", message)]
    assert watched.regarding() == [
        Regarding("kubevirt.io/v1", "VirtualMachineInstance", "ns", "vmi", "uid-vmi"),
        Regarding("v1", "Pod", "ns", "a", "uid-a"),
    ]


def test_every_address_is_a_collision_of_its_own() -> None:
    watched = Watched()
    watched.carry("a", FIRST, FIRST + 1)
    watched.carry("b", FIRST)
    watched.told()
    watched.carry("c", FIRST + 1)
    message = "MAC 02:00:00:00:00:02: Collision between pod/ns/a, pod/ns/c"
    assert watched.told() == [("a", "MACCollision", message), ("c", "MACCollision", message)]


def test_an_object_that_is_created_again_under_its_name_is_another_one() -> None:
    watched = Watched()
    watched.carry("a", FIRST)
    watched.carry("b", FIRST)
    watched.told()
    watched.carry("b", FIRST, uid="uid-later")
    assert len(watched.told()) == 2


def test_what_is_resolved_is_forgotten() -> None:
    watched = Watched()
    for number in range(10):
        watched.carry("a", FIRST + number)
        watched.carry("b", FIRST + number)
        assert len(watched.told()) == 2
    assert len(watched.reporter._known) == 1


def test_a_collision_is_logged_once_with_its_address_and_its_objects() -> None:
    watched = Watched()
    watched.carry("b", FIRST)
    watched.carry("a", FIRST)
    with capture_logs() as logs:
        for _ in range(3):
            watched.told()
    assert logs == [
        {
            "event": "collision",
            "log_level": "warning",
            "address": "02:00:00:00:00:01",
            "objects": ["pod/ns/a", "pod/ns/b"],
        }
    ]
