"""Breadth-first search through every state of a world: the first duplicate found is one with the shortest path."""

from collections import deque
from typing import NamedTuple

from tests.model.core_states import START
from tests.model.world import Replica, State, Step, World


class Result(NamedTuple):
    """What a search came to: how many states it saw, and how to come to a duplicate, if one can."""

    states: int
    path: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n  ".join([f"two parties hold one address after {self.states} states:", *map(str, self.path)])


Came = dict[State, tuple[State, Step] | None]
"""How each state was first come to."""


def explore(world: World) -> Result:
    """Go through every state until two parties hold one address, and check that none can leak an address."""
    first = world.start()
    came: Came = {first: None}
    queue = deque([first])
    drained: set[Replica] = set()
    while queue:
        state = queue.popleft()
        try:
            found = _expand(world, state, came, queue, drained)
        except Exception as error:
            error.add_note("\n  ".join(["after:", *map(str, _path(came, state))]))
            raise
        if found is not None:
            return Result(len(came), (*_path(came, state), found))
    return Result(len(came), ())


def _expand(world: World, state: State, came: Came, queue: deque[State], drained: set[Replica]) -> Step | None:
    """Go one step on from a state in every direction; what is found is the step that makes a duplicate."""
    for replica in state.replicas:
        if replica not in drained:
            drained.add(replica)
            rest = world.cores.states[world.drained(replica)]
            assert rest._replace(last=0) == world.cores.states[START]._replace(last=0), f"leaks: {rest}"
    for step in world.steps(state):
        if step.duplicate:
            return step
        if step.state not in came:
            came[step.state] = (state, step)
            queue.append(step.state)
    return None


def _path(came: Came, state: State) -> list[Step]:
    path: list[Step] = []
    while (before := came[state]) is not None:
        state, step = before
        path.append(step)
    return path[::-1]
