"""The worlds of virtual machines that are searched."""

from collections.abc import Callable
from typing import Final

from tests.model.core_states import CoreStates
from tests.model.frozen import LONG
from tests.model.machine_world import Cast, MachineWorld
from tests.model.mutants import Mutant
from tests.model.worlds import ANY, FIRST, THIS, explicit

from kubemacpool.core.pool import AddressRange, Pool

Maker = Callable[[Mutant], MachineWorld]


def cast(casting: Cast, *, addresses: int = 1) -> Maker:
    """A world with so many addresses. With one leader all is named and an address cools down; with two it does not."""

    def make(mutant: Mutant) -> MachineWorld:
        alone = not casting.acquisitions
        cores = CoreStates(
            Pool([AddressRange(FIRST, FIRST + addresses - 1)]),
            mutant.empty,
            cool_down=LONG if alone else 0,
            reserved=range(FIRST, FIRST + addresses) if alone else (),
            families=mutant.families,
        )
        return MachineWorld(cores, casting, laws=mutant.laws)

    return make


FORGED: Final = cast(Cast((THIS,), (THIS,), launchers=1, forged=True))
COUNTED: Final = cast(Cast((THIS,), (ANY,), launchers=1, instances_count=True))
RECREATED: Final = cast(Cast((THIS,), (THIS, ANY), machines=2, launchers=1))
LAUNCHED_TWICE: Final = cast(Cast((THIS,), (THIS,), machines=2))

TOUCHED: Final = cast(Cast((THIS,), (THIS,), running=THIS, touched=True))

ROBBED: Final = cast(Cast((THIS,), (), launchers=1, machines=2, thief=THIS))
"""A pod past us comes to carry a machine's address."""

OF_ONE: Final = {
    "a machine whose address somebody has come to carry": ROBBED,
    "a machine, two launcher pods, and a pod that wants its address": cast(Cast((THIS,), (THIS, ANY))),
    "a machine that is given any address": cast(Cast((ANY,), (THIS, ANY), launchers=1), addresses=2),
    "a machine that is created again": RECREATED,
    "a machine that is created again, two launcher pods": LAUNCHED_TWICE,
    "a machine that runs, launcher pods that are told of again": TOUCHED,
    "a pod that forges its owner": FORGED,
    "an instance that comes past us, and a pod that takes any address": COUNTED,
}
"""One replica that decides."""

FOLLOWED: Final = cast(Cast((THIS,), (THIS,), launchers=1, acquisitions=1))
RUNNING: Final = cast(Cast((THIS,), (THIS,), acquisitions=1, running=THIS))
PLUGGED: Final = cast(
    Cast((THIS,), (explicit(2)[1],), launchers=1, acquisitions=1, running=THIS, launcher=(explicit(2)[1],)), addresses=2
)

OF_TWO: Final = {
    "a machine, its launcher pod, and a pod that wants its address": FOLLOWED,
    "a machine, its launcher pod, and a pod that takes any address": cast(
        Cast((THIS,), (ANY,), launchers=1, acquisitions=1)
    ),
    "a machine that runs, two launcher pods": RUNNING,
    "a launcher pod with an address that its machine does not have": PLUGGED,
    "a machine whose address somebody has come to carry": cast(
        Cast((THIS,), (), launchers=1, acquisitions=1, running=THIS, thief=THIS)
    ),
    "a machine that runs, two acquisitions": cast(Cast((THIS,), (THIS,), launchers=1, acquisitions=2, running=THIS)),
}
"""Two replicas."""
