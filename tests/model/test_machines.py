"""Parties of several objects: a virtual machine, its instance and its launcher pods, through every interleaving.

Each kind is watched by itself, so a launcher pod may be seen before its instance, and a machine be gone before either.
"""

from typing import Final

import pytest
from tests.model import machine_mutants, machine_worlds
from tests.model.explore import explore
from tests.model.machine_worlds import Maker
from tests.model.mutants import UNCHANGED, Mutant
from tests.model.test_every_interleaving import check_found, searched

EVERYWHERE: Final = {"allocate", "persist", "delete", "see", "prove"}


@pytest.mark.parametrize("make", machine_worlds.OF_ONE.values(), ids=machine_worlds.OF_ONE)
def test_one_leader_never_gives_a_machines_address_to_somebody_else_and_leaks_none(make: Maker) -> None:
    """Whatever is created late, orphaned, created again under its name, or seen in another order."""
    assert set(searched(make(UNCHANGED)).taken) >= EVERYWHERE


@pytest.mark.parametrize("make", machine_worlds.OF_TWO.values(), ids=machine_worlds.OF_TWO)
def test_two_replicas_never_give_a_machines_address_to_somebody_else_and_leak_none(make: Maker) -> None:
    """Nor with acquisitions, though what launcher pods were allocated implicitly is named nowhere."""
    world = make(UNCHANGED)
    assert set(searched(world).taken) >= EVERYWHERE | {"acquire", "crash", "release", "write"}
    assert any(allocation.terms.implicit for state in world.cores.states for allocation in state.in_flight)
    assert any(state.departures for state in world.cores.states)


NEEDED: Final = {
    "uid-unchecked": (machine_worlds.FORGED, machine_mutants.UID_UNCHECKED),
    "given-early": (machine_worlds.COUNTED, machine_mutants.GIVEN_EARLY),
    "awaits-the-party": (machine_worlds.LAUNCHED_TWICE, machine_mutants.AWAITS_THE_PARTY),
    "settle-on-known-uid": (machine_worlds.TOUCHED, machine_mutants.SETTLE_ON_KNOWN_UID),
    "implicit-always": (machine_worlds.PLUGGED, machine_mutants.TACIT_ALWAYS),
    "settles-in-office": (machine_worlds.RUNNING, machine_mutants.SETTLES_IN_OFFICE),
    "departed-before": (machine_worlds.FOLLOWED, machine_mutants.DEPARTED_BEFORE),
    "departed-since": (machine_worlds.FOLLOWED, machine_mutants.DEPARTED_SINCE),
}


@pytest.mark.parametrize(("make", "mutant"), NEEDED.values(), ids=NEEDED)
def test_without_one_of_the_rules_for_machines_an_address_is_given_twice(make: Maker, mutant: Mutant) -> None:
    """Otherwise the search would not show that the rule is kept; with the rule, the same world is safe (above)."""
    check_found(explore(make(mutant), deep=True))


def test_a_successor_that_never_saw_the_machine_is_why_replicas_follow_the_cluster_while_they_stand_by() -> None:
    """The limit of what is shown above: docs/architecture.md, rule 2, says when it matters."""
    check_found(explore(machine_worlds.RUNNING(machine_mutants.NEVER_SAW_THE_MACHINE)))


def test_without_the_rule_that_whoever_has_an_address_keeps_it_a_thief_keeps_a_machine_from_starting() -> None:
    """That is no duplicate, and a promise that is broken all the same."""
    result = explore(machine_worlds.ROBBED(machine_mutants.UNENTITLED))
    assert result.path
    print(result)  # noqa: T201 (the path is what a reader wants to see)
    assert result.path[-1].refused
