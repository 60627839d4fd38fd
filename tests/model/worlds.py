"""The worlds that are searched: small ones in which everything can happen that the rules are about.

Four allocations of addresses of the users' choice meet two acquisitions only: a third one is in the worlds with three
allocations, and in the one with four where any address is asked for.
"""

from collections.abc import Callable
from typing import Final

from tests.model.cluster import Bounds
from tests.model.core_states import CoreStates
from tests.model.frozen import LONG
from tests.model.mutants import Mutant
from tests.model.pod_world import SHORT_LIFE, Creator, Life, PodWorld

from kubemacpool.core.pool import AddressRange, Pool

FIRST: Final = 0x02_00_00_00_00_01
ANY: Final = (None,)
"""One interface, any address."""
THIS: Final = (FIRST,)
"""One interface, the pool's first address."""

Maker = Callable[[Mutant], PodWorld]


def reserved(name: str, creations: int, *wishes: tuple[int | None, ...]) -> Creator:
    """One that names its pods."""
    return Creator(name, creations, wishes)


def unreserved(name: str, *wishes: tuple[int | None, ...]) -> Creator:
    """One that sends a prefix, once; `name` is what the API server makes of it."""
    return Creator(name, 1, wishes, name.partition("-")[0] + "-")


def explicit(addresses: int) -> tuple[tuple[int | None, ...], ...]:
    """One interface, each of so many addresses."""
    return tuple((FIRST + number,) for number in range(addresses))


def alone(
    addresses: int,
    *creators: Creator,
    cool_down: float = LONG,
    life: Life = SHORT_LIFE,
    a_moment: int = 1,
) -> Maker:
    """One replica that decides from the beginning; everything is named."""

    def make(mutant: Mutant) -> PodWorld:
        pool = Pool([AddressRange(FIRST, FIRST + addresses - 1)])
        everything = range(FIRST, FIRST + addresses)
        return PodWorld(
            CoreStates(pool, mutant.empty, cool_down=cool_down, reserved=everything),
            creators,
            laws=mutant.laws,
            life=life,
            a_moment=a_moment,
        )

    return make


def replicated(
    bounds: Bounds, addresses: int, *wishes: tuple[int | None, ...], parties: int = 3, life: Life = SHORT_LIFE
) -> Maker:
    """Two replicas, and parties that are alike, each of which may ask twice."""

    def make(mutant: Mutant) -> PodWorld:
        pool = Pool([AddressRange(FIRST, FIRST + addresses - 1)])
        return PodWorld(
            CoreStates(pool, mutant.empty, cool_down=0),
            tuple(reserved(name, 2, *wishes) for name in ("web", "db", "app")[:parties]),
            bounds,
            laws=mutant.laws,
            alike=True,
            life=life,
        )

    return make


def warned(name: str, creations: int, *wishes: tuple[int | None, ...]) -> Creator:
    """One that names its pods, and may have what others have."""
    return Creator(name, creations, wishes, warned=True)


EDITED: Final = alone(2, reserved("web", 2, ANY, THIS), reserved("db", 1, ANY, THIS), life=Life(edits=True))
"""One replica, and annotations that change."""

PLUGGABLE: Final = Life(edits=True, reports=True)
"""Annotations change, and interfaces are unplugged."""

UNPLUGGED: Final = alone(2, reserved("web", 1, (None, FIRST)), reserved("db", 1, ANY, THIS), life=PLUGGABLE)
"""The same with a network-status."""

WARNED: Final = alone(2, reserved("web", 1, THIS), warned("db", 1, THIS), reserved("app", 1, ANY, THIS), cool_down=0)
"""One replica, and a party that may have what another has."""

TERMINATING: Final = alone(2, reserved("web", 2, ANY, THIS), reserved("db", 1, ANY, THIS), life=Life(grace=True))
"""One replica, in a world in which every rule of one leader is needed."""

OF_ONE: Final = {
    "one address for three parties": alone(
        1, reserved("web", 2, ANY), reserved("db", 1, ANY), unreserved("web-x", ANY)
    ),
    "explicit and automatic, no cool-down": alone(
        2, reserved("web", 2, ANY, THIS), reserved("db", 1, ANY), unreserved("web-x", ANY), cool_down=0
    ),
    "two unnamed pods of one prefix, no cool-down": alone(
        2, reserved("web", 2, ANY, THIS), unreserved("web-x", THIS), unreserved("web-y", ANY), cool_down=0
    ),
    "a pod created by name with the name that another was given": alone(
        2, reserved("web-x", 2, ANY, THIS), unreserved("web-x", ANY, THIS), reserved("db", 1, ANY)
    ),
    "two interfaces, and an annotation that changes": alone(
        3, reserved("web", 2, (None, FIRST)), reserved("db", 1, ANY, THIS), life=Life(edits=True)
    ),
    "an annotation that changes": EDITED,
    "an annotation that changes, and interfaces that are unplugged": UNPLUGGED,
    "a party that may have what another has": WARNED,
    "objects that are terminating for a while": TERMINATING,
    "a clock that stands still between allocations": alone(
        2, reserved("web", 2, ANY, THIS), reserved("db", 2, ANY), a_moment=2
    ),
    "three addresses for three parties, no cool-down": alone(
        3, reserved("web", 2, ANY), reserved("db", 1, ANY), unreserved("web-x", ANY), cool_down=0
    ),
}
"""One replica that decides."""

TWO_ADDRESSES: Final = replicated(Bounds(2, acquisitions=3, allocations=3), 2, ANY, *explicit(2))
"""Two replicas, in a world in which every rule is needed."""

LOST_WRITES: Final = replicated(Bounds(2, acquisitions=3, allocations=2, losses=True), 2, ANY, *explicit(2), parties=2)
"""The same, where a write of the Lease may be under way while other things happen."""

REPORTED: Final = replicated(
    Bounds(2, acquisitions=2, allocations=2, early_sightings=True),
    1,
    THIS,
    parties=2,
    life=Life(edits=True, reports=True),
)
"""Two replicas, annotations that change, and interfaces that are unplugged."""

RESTORED: Final = replicated(Bounds(2, acquisitions=2, allocations=2, restores=True), 1, THIS, parties=2)
"""Two replicas, and a cluster that is restored from a backup."""

OF_TWO: Final = {
    "two addresses, any or this, three allocations, three acquisitions": TWO_ADDRESSES,
    "two addresses, this, four allocations, two acquisitions": replicated(
        Bounds(2, acquisitions=2, allocations=4), 2, *explicit(2)
    ),
    "two addresses, any, four allocations, three acquisitions": replicated(
        Bounds(2, acquisitions=3, allocations=4), 2, ANY
    ),
    "three addresses, any or this, three allocations, two acquisitions": replicated(
        Bounds(2, acquisitions=2, allocations=3), 3, ANY, *explicit(3)
    ),
    "two addresses, replicas that see things while they stand by": replicated(
        Bounds(2, acquisitions=2, allocations=3, early_sightings=True), 2, ANY, *explicit(2)
    ),
}
"""Two replicas."""

OF_LOSSES: Final = {
    "any or this, two parties, two allocations, three acquisitions": LOST_WRITES,
    "any, three parties, three allocations, two acquisitions": replicated(
        Bounds(2, acquisitions=2, allocations=3, losses=True), 2, ANY
    ),
}
"""Two replicas, and writes that are lost."""
