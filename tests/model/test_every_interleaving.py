"""The core that runs in production, driven through every interleaving of a small cluster with one replica or two."""

from typing import Final

import pytest
from tests.model import mutants, worlds
from tests.model.explore import Result, World, explore
from tests.model.mutants import UNCHANGED, Mutant, NeverExpires
from tests.model.worlds import Maker

EVERYWHERE: Final = {"allocate", "persist", "delete", "see", "list afresh", "prove"}
OF_TWO_REPLICAS: Final = EVERYWHERE | {"acquire", "crash", "release", "write"}
WITH_LOST_WRITES: Final = OF_TWO_REPLICAS | {
    "write confirmed",
    "write lost",
    "write made, answer lost",
    "write in vain",
    "read the Lease",
    "acquire after a write was made",
    "crash after a write was made",
}


def searched(world: World) -> Result:
    """All that can happen in a world, in none of which two parties come to one address."""
    result = explore(world)
    assert not result.path, str(result)
    print(f"{result.states} states, {len(world.cores)} of the core; {dict(result.taken)}")  # noqa: T201 (the extent of the search is its result)
    return result


@pytest.mark.parametrize("make", worlds.OF_ONE.values(), ids=worlds.OF_ONE)
def test_one_leader_never_gives_two_parties_one_address_and_leaks_none(make: Maker) -> None:
    """In no state, whatever the order of allocations, sightings, releases, dropped admissions, barriers, cool-downs."""
    assert set(searched(make(UNCHANGED)).taken) >= EVERYWHERE


@pytest.mark.parametrize("make", worlds.OF_TWO.values(), ids=worlds.OF_TWO)
def test_two_replicas_never_give_two_parties_one_address_and_leak_none(make: Maker) -> None:
    """Nor with acquisitions from a leader that lives or has died, hand-overs, and views that lag, in any order."""
    world = make(UNCHANGED)
    assert set(searched(world).taken) >= OF_TWO_REPLICAS
    assert any(state.in_doubt and state.in_flight for state in world.cores.states)


def test_two_replicas_hold_what_the_interfaces_of_running_pods_have() -> None:
    """Also one that was started when an annotation did not say it any more."""
    assert set(searched(worlds.REPORTED(UNCHANGED)).taken) >= {"report", "edit", "unplug", "acquire", "crash"}


@pytest.mark.parametrize("make", worlds.OF_LOSSES.values(), ids=worlds.OF_LOSSES)
def test_two_replicas_never_do_so_when_writes_of_the_lease_are_slow_or_lost(make: Maker) -> None:
    """Nor when a paused leader resumes after somebody else has taken over."""
    world = make(UNCHANGED)
    assert set(searched(world).taken) >= WITH_LOST_WRITES
    assert any(state.doubtful for state in world.cores.states)


def test_two_replicas_never_do_so_when_the_cluster_is_restored_from_a_backup() -> None:
    """Whatever was on its way then, and whatever has come since the backup, or gone."""
    assert set(searched(worlds.RESTORED(UNCHANGED)).taken) >= OF_TWO_REPLICAS | {"back up", "restore", "bound passes"}


@pytest.mark.parametrize("mutant", mutants.OF_ONE.values(), ids=mutants.OF_ONE)
def test_a_leader_without_one_of_its_rules_gives_an_address_twice(mutant: Mutant) -> None:
    """Otherwise the search would not show that the rule is kept; with the rule, the same world is safe (above)."""
    check_found(explore(worlds.TERMINATING(mutant)))


@pytest.mark.parametrize("mutant", mutants.OF_TWO.values(), ids=mutants.OF_TWO)
def test_two_replicas_without_one_of_the_rules_give_an_address_twice(mutant: Mutant) -> None:
    """The same for the rules that are there because another replica may decide next."""
    check_found(explore(worlds.TWO_ADDRESSES(mutant), deep=True))


@pytest.mark.parametrize("mutant", mutants.OF_LOSSES.values(), ids=mutants.OF_LOSSES)
def test_careless_writes_of_the_lease_give_an_address_twice(mutant: Mutant) -> None:
    """The same for what is known of a write that is under way, or whose answer was lost."""
    check_found(explore(worlds.LOST_WRITES(mutant)))


@pytest.mark.parametrize("mutant", mutants.OF_RESTORES.values(), ids=mutants.OF_RESTORES)
def test_a_restored_cluster_of_which_one_thing_is_neglected_gives_an_address_twice(mutant: Mutant) -> None:
    """The same for what is done when resourceVersions have fallen."""
    check_found(explore(worlds.RESTORED(mutant)))


OF_RUNNING_PODS: Final = {
    "edited-annotation": (worlds.EDITED, mutants.EDITED_ANNOTATION),
    "unreported": (worlds.REPORTED, mutants.UNREPORTED),
    "unrecorded-warn": (worlds.WARNED, mutants.UNRECORDED_WARN),
}


@pytest.mark.parametrize(("make", "mutant"), OF_RUNNING_PODS.values(), ids=OF_RUNNING_PODS)
def test_without_one_of_the_rules_for_what_is_held_already_an_address_is_given_twice(
    make: Maker, mutant: Mutant
) -> None:
    """The same for what a running pod holds, and for what a policy lets through."""
    check_found(explore(make(mutant)))


def test_the_search_finds_an_address_that_is_never_free_again() -> None:
    """And says in which state it is."""
    with pytest.raises(AssertionError, match="leaks: the Lease lists"):
        explore(worlds.TERMINATING(Mutant(ledger=NeverExpires)))


def check_found(result: Result) -> None:
    """The search came to a duplicate, and can tell how."""
    assert result.path, f"no duplicate in {result.states} states"
    print(result)  # noqa: T201 (the path is what a reader wants to see)
    assert result.path[-1].what in {"persist", "create"}
    assert result.path[-1].duplicate
