"""The core that runs in production, driven through every interleaving of a small cluster."""

from typing import Final

import pytest
from tests.model.core_states import CoreStates
from tests.model.explore import explore
from tests.model.frozen import LONG
from tests.model.mutants import MUTANTS, NeverExpires
from tests.model.world import EVERY_LAW, Creator, Laws, World

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import AddressRange, Pool

FIRST: Final = 0x02_00_00_00_00_01
ANY: Final = (None,)
"""One interface, any address."""
THIS: Final = (FIRST,)
"""One interface, the pool's first address."""


def cores(addresses: int, ledger_type: type[Ledger] = Ledger, *, cool_down: float = LONG) -> CoreStates:
    """The core with a pool of so many addresses."""
    return CoreStates(Pool([AddressRange(FIRST, FIRST + addresses - 1)]), ledger_type, cool_down=cool_down)


def named(name: str, creations: int, *wishes: tuple[int | None, ...]) -> Creator:
    """One that names its pods."""
    return Creator(name, creations, wishes)


def unnamed(name: str, *wishes: tuple[int | None, ...]) -> Creator:
    """One that sends a prefix, once; `name` is what the API server makes of it."""
    return Creator(name, 1, wishes, name.partition("-")[0] + "-")


def terminating(ledger_type: type[Ledger] = Ledger, laws: Laws = EVERY_LAW) -> World:
    """A world in which every rule is needed."""
    creators = (named("web", 2, ANY, THIS), named("db", 1, ANY, THIS))
    return World(cores(2, ledger_type), creators, laws=laws, grace=True)


WORLDS: Final = {
    "one address for three parties": World(
        cores(1),
        (named("web", 2, ANY), named("db", 1, ANY), unnamed("web-x", ANY)),
    ),
    "explicit and automatic, no cool-down": World(
        cores(2, cool_down=0),
        (named("web", 2, ANY, THIS), named("db", 1, ANY), unnamed("web-x", ANY)),
    ),
    "two unnamed pods of one prefix, no cool-down": World(
        cores(2, cool_down=0),
        (named("web", 2, ANY, THIS), unnamed("web-x", THIS), unnamed("web-y", ANY)),
    ),
    "a pod created by name with the name that another was given": World(
        cores(2),
        (named("web-x", 2, ANY, THIS), unnamed("web-x", ANY, THIS), named("db", 1, ANY)),
    ),
    "two interfaces, one of which may go": World(
        cores(3),
        (named("web", 2, (None, FIRST)), named("db", 1, ANY, THIS)),
    ),
    "objects that are terminating for a while": terminating(),
    "a clock that stands still between grants": World(
        cores(2),
        (named("web", 2, ANY, THIS), named("db", 2, ANY)),
        grants_a_moment=2,
    ),
    "three addresses for three parties, no cool-down": World(
        cores(3, cool_down=0),
        (named("web", 2, ANY), named("db", 1, ANY), unnamed("web-x", ANY)),
    ),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_two_parties_never_hold_one_address_and_nothing_leaks(world: World) -> None:
    """In no state, whatever the order of grants, sightings, releases, dropped admissions, proofs and cool-downs."""
    result = explore(world)
    assert not result.path, str(result)
    assert result.states > 1_000


@pytest.mark.parametrize("name", MUTANTS)
def test_the_search_finds_the_duplicate_that_leaving_out_a_rule_makes_possible(name: str) -> None:
    """Otherwise the search would not show that the rule is kept; with the rule, the same world is safe (above)."""
    result = explore(terminating(*MUTANTS[name]))
    print(f"{name}: {result}")  # noqa: T201 (the path is what a reader wants to see)
    assert result.path, f"{name}: no duplicate in {result.states} states"
    assert result.path[-1].what == "persist"


def test_the_search_finds_an_address_that_is_never_free_again() -> None:
    """And says how it came to that."""
    with pytest.raises(AssertionError, match="leaks") as caught:
        explore(terminating(NeverExpires))
    assert "grant Pod ns/web" in caught.value.__notes__[0]
