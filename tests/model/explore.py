"""Search through every state of a world: unless it goes deep, the first duplicate found has the shortest path."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from tests.model.cluster import State, Step
from tests.model.core_states import CoreStates


class World(Protocol):
    """What can be searched."""

    cores: CoreStates

    def start(self) -> State:
        """The first state."""
        ...

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        ...

    def happenings(self, state: State) -> Iterator[Step]:
        """What of it is none of our doing."""
        ...


class Result(NamedTuple):
    """What a search came to.

    Attributes:
        states: how many states it saw.
        taken: by what happens, in how many ways.
        path: how to come to a duplicate, or to a party that is refused what it has, if one can.
    """

    states: int
    taken: Counter[str]
    path: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "\n  ".join(
            [
                f"two parties hold one address, or one is refused what it has, after {self.states} states:",
                *map(str, self.path),
            ]
        )


Came = dict[State, State | None]
"""Where each state was first come from."""


def explore(world: World, *, deep: bool = False, most: int = 10_000_000) -> Result:
    """Go through every state until a promise is broken, and check that none can leak an address.

    Args:
        world: what is searched.
        deep: whether to follow the newest state first: it comes to what is far off sooner, though not the shortest way.
        most: states.
    """
    first = world.start()
    came: Came = {first: None}
    queue = deque([first])
    taken: Counter[str] = Counter()
    while queue:
        state = queue.pop() if deep else queue.popleft()
        try:
            for step in world.steps(state):
                taken[step.what] += 1
                if step.refused:
                    return Result(len(came), taken, (*_path(world, came, state), step))
                if step.conflict:
                    return Result(len(came), taken, (*_path(world, came, state), step, *_persisted(world, step.state)))
                if step.state not in came:
                    came[step.state] = state
                    queue.append(step.state)
        except Exception as error:
            error.add_note("\n  ".join(["after:", *map(str, _path(world, came, state))]))
            raise
        assert len(came) < most, "the world is larger than was thought"
    for number in range(len(world.cores)):
        world.cores.check_drained(number)
    return Result(len(came), taken)


def _path(world: World, came: Came, state: State) -> list[Step]:
    path: list[Step] = []
    while (before := came[state]) is not None:
        path.append(next(step for step in world.steps(before) if step.state == state))
        state = before
    return path[::-1]


def _persisted(world: World, state: State) -> tuple[Step, ...]:
    """How a conflict of admissions becomes one of objects."""
    queue: deque[tuple[State, tuple[Step, ...]]] = deque([(state, ())])
    while queue:
        state, path = queue.popleft()
        for step in world.happenings(state):
            if step.duplicate:
                return (*path, step)
            queue.append((step.state, (*path, step)))
    raise AssertionError("a conflict that cannot come to a duplicate")
