"""An Event on every object concerned, once for each collision."""

from typing import Final

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
        self._reporter = CollisionReporter(self.ledger, lambda: self.deciding, self._events)

    def carry(self, name: str, *addresses: int) -> None:
        """A pod carries these."""
        key = ObjectKey("Pod", "ns", name)
        self.ledger.observe(Holder(key, f"uid-{name}", Party(*key), addresses), 0.0)

    def told(self) -> list[tuple[str, str, str]]:
        """What a look tells of: object, reason and message."""
        self._events.warnings.clear()
        self._reporter.look()
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
