"""Which parties are one because one moves to the other's namespace."""

from collections import Counter
from itertools import permutations
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.unit.doubles import new_ledger

from kubemacpool.core.parties import Party
from kubemacpool.follow.migrations import MigrationFollower
from kubemacpool.wire.migrations import Migration
from kubemacpool.wire.objects import ObjectIdentity

SOURCE: Final = Party("VirtualMachine", "from", "vm")
TARGET: Final = Party("VirtualMachine", "to", "moved")
THIRD: Final = Party("VirtualMachine", "elsewhere", "vm")

Side = tuple[Party, Migration]


def sends(machine: Party, migration: str = "id") -> Side:
    """The side of a migration on which a machine leaves."""
    return machine, Migration(migration, machine.name, sends=True)


def receives(machine: Party, migration: str = "id") -> Side:
    """The side on which it arrives."""
    return machine, Migration(migration, machine.name, sends=False)


class Scene:
    """A follower and what it changes."""

    def __init__(self, *sides: Side) -> None:
        self.ledger = new_ledger()
        self.follower = MigrationFollower(self.ledger)
        for side in sides:
            self.see(side)

    def see(self, side: Side) -> None:
        """A side of a migration is there."""
        self.follower.present(identity(side), side[1], 1)

    def gone(self, side: Side) -> None:
        """It has ended."""
        self.follower.gone(identity(side))

    def united(self) -> set[frozenset[Party]]:
        """Every two machines that count as one."""
        pairs = permutations((SOURCE, TARGET, THIRD), 2)
        return {frozenset(pair) for pair in pairs if self.ledger.are_one(*pair)}


def identity(side: Side) -> ObjectIdentity:
    """The object that tells of a side."""
    machine, migration = side
    name = f"{machine.name}-{migration.id}-{migration.sends}"
    return ObjectIdentity(machine.namespace, name, f"uid-{machine.namespace}-{name}")


BOTH: Final = {frozenset({SOURCE, TARGET})}


@pytest.mark.parametrize("order", list(permutations((sends(SOURCE), receives(TARGET)))), ids=["source first", "last"])
def test_source_and_target_are_one_whichever_is_seen_first(order: tuple[Side, ...]) -> None:
    assert Scene(*order).united() == BOTH


def test_instances_without_machines_are_one_as_well() -> None:
    scene = Scene(sends(SOURCE), receives(TARGET))
    for one, other in ((SOURCE, TARGET), (TARGET, SOURCE), (SOURCE, SOURCE)):
        assert scene.ledger.are_one(one._replace(kind="VirtualMachineInstance"), other)


@pytest.mark.parametrize("ended", [sends(SOURCE), receives(TARGET)], ids=["source", "target"])
def test_they_are_two_again_when_either_side_has_ended(ended: Side) -> None:
    scene = Scene(sends(SOURCE), receives(TARGET))
    scene.gone(ended)
    assert scene.united() == set()


@pytest.mark.parametrize(
    "sides",
    [
        (sends(SOURCE),),
        (receives(TARGET),),
        (sends(SOURCE), sends(TARGET)),
        (receives(SOURCE), receives(TARGET)),
        (sends(SOURCE), receives(TARGET, "another")),
    ],
    ids=["a source alone", "a target alone", "two sources", "two targets", "two migrations"],
)
def test_only_a_source_and_a_target_of_one_migration_are_united(sides: tuple[Side, ...]) -> None:
    assert Scene(*sides).united() == set()


@pytest.mark.parametrize("third", [sends(THIRD), receives(THIRD)], ids=["a second source", "a second target"])
def test_users_that_call_their_migrations_the_same_are_united_with_nobody(third: Side) -> None:
    for order in permutations((sends(SOURCE), receives(TARGET), third)):
        scene = Scene(*order)
        assert scene.united() == set()
        scene.gone(third)
        assert scene.united() == BOTH


def test_a_machine_with_a_part_in_two_migrations_is_united_with_nobody_until_one_has_ended() -> None:
    onward = (sends(TARGET, "a"), receives(THIRD, "a"))
    for order in permutations((sends(SOURCE), receives(TARGET), *onward)):
        scene = Scene(*order)
        assert scene.united() == set()
        scene.gone(onward[1])
        assert scene.united() == BOTH


def test_two_migrations_at_a_time_unite_each_its_own() -> None:
    fourth = Party("VirtualMachine", "far", "vm")
    scene = Scene(sends(SOURCE), receives(TARGET), sends(THIRD, "another"), receives(fourth, "another"))
    assert scene.united() == BOTH
    assert scene.ledger.are_one(THIRD, fourth)
    assert not scene.ledger.are_one(SOURCE, fourth)


def test_a_side_that_turns_into_another_one_leaves_the_migration() -> None:
    scene = Scene(sends(SOURCE), receives(TARGET))
    scene.follower.present(identity(receives(TARGET)), Migration("another", TARGET.name, sends=False), 2)
    assert scene.united() == set()


def test_the_end_of_what_was_never_seen_changes_nothing() -> None:
    scene = Scene(sends(SOURCE), receives(TARGET))
    scene.gone(sends(THIRD))
    assert scene.united() == BOTH


def test_a_migration_that_cannot_be_read_is_logged_and_unites_nobody() -> None:
    scene = Scene(sends(SOURCE))
    with capture_logs() as logs:
        scene.follower.unreadable(ObjectIdentity("to", "odd", "u"), "why")
    expected = {"event": "migration passed over", "namespace": "to", "name": "odd", "reason": "why"}
    assert [log.items() >= expected.items() for log in logs] == [True]
    assert scene.united() == set()


def test_the_view_is_as_new_as_was_told_and_begins_anew_when_the_kind_is_gone() -> None:
    follower = Scene().follower
    follower.begin()
    follower.reached(7)
    assert follower.progress.resource_version == 7
    follower.end()
    assert follower.progress.resource_version == 0


SIDES: Final = [
    (machine, Migration(migration, machine.name, sends=sends_off))
    for machine in (SOURCE, TARGET, THIRD)
    for migration in ("one", "two", "three")
    for sends_off in (True, False)
]


def _united_from_scratch(there: list[Side]) -> set[frozenset[Party]]:
    """By the rule: one source and one target with a name to themselves, and neither with a part in another."""
    reserved = {migration.id: [side for side in there if side[1].id == migration.id] for _, migration in there}
    pairs = [sides for sides in reserved.values() if sorted(side[1].sends for side in sides) == [False, True]]
    parts = Counter(machine for sides in pairs for machine, _ in sides)
    machines = [frozenset(machine for machine, _ in sides) for sides in pairs]
    return {pair for pair in machines if len(pair) == 2 and all(parts[machine] == 1 for machine in pair)}


@given(st.lists(st.tuples(st.sampled_from(SIDES), st.booleans()), max_size=40))
def test_after_any_history_those_are_united_that_would_be_if_it_were_told_anew(
    history: list[tuple[Side, bool]],
) -> None:
    scene = Scene()
    there: dict[ObjectIdentity, Side] = {}
    for side, comes in history:
        if comes:
            scene.see(side)
            there[identity(side)] = side
        else:
            scene.gone(side)
            there.pop(identity(side), None)
        assert scene.united() == _united_from_scratch(list(there.values()))
    for side in list(there.values()):
        scene.gone(side)
    follower = scene.follower
    assert not any((follower._sides, follower._named, follower._pairs, follower._parts, follower._united))
    assert not scene.ledger._unity._one


def test_a_side_that_becomes_that_of_another_migration_leaves_the_first() -> None:
    scene = Scene(sends(SOURCE), receives(TARGET))
    scene.follower.present(identity(sends(SOURCE)), Migration("another", SOURCE.name, sends=True), 2)
    assert scene.united() == set()
    scene.follower.present(identity(receives(TARGET)), Migration("another", TARGET.name, sends=False), 3)
    assert scene.united() == {frozenset((SOURCE, TARGET))}


def test_many_migrations_of_one_machine_cost_each_what_the_first_did(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asked: list[object] = []
    monkeypatch.setattr(scene.ledger, "unite", asked.append)
    for number in range(200):
        scene.see(sends(SOURCE, f"id-{number}"))
        scene.see(receives(Party("VirtualMachine", "to", f"vm-{number}"), f"id-{number}"))
    assert len(asked) == 2, "the first is united, and divided when the second has come"
