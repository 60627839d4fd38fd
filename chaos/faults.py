"""Which faults there are, and how they are drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Kind(StrEnum):
    """What is done to a replica, to what connects it, or to the control plane."""

    KILL_DECIDER = "kill-leader"
    KILL_FOLLOWER = "kill-follower"
    PAUSE_DECIDER = "pause-leader"
    PAUSE_FOLLOWER = "pause-follower"
    ROLL = "roll"
    CUT_PEERS = "cut-peers"
    SILENCE_PEERS = "silence-peers"
    CUT_DECIDER = "cut-leader"
    SILENCE_DECIDER = "silence-leader"
    CUT_FOLLOWER = "cut-follower"
    SILENCE_FOLLOWER = "silence-follower"
    RESTART_API_SERVER = "restart-api-server"
    COMPACT = "compact"


ENDING = frozenset({Kind.KILL_DECIDER, Kind.KILL_FOLLOWER, Kind.ROLL})
"""After these a replica's process is another one, and that is no fault of its own."""

DESCRIPTIONS = {
    Kind.KILL_DECIDER: "kill -9 of the leader",
    Kind.KILL_FOLLOWER: "kill -9 of a follower",
    Kind.PAUSE_DECIDER: "SIGSTOP of the leader",
    Kind.PAUSE_FOLLOWER: "SIGSTOP of a follower",
    Kind.ROLL: "SIGTERM rolling through all replicas",
    Kind.CUT_PEERS: "connections between replicas reset and refused",
    Kind.SILENCE_PEERS: "nothing passes between replicas",
    Kind.CUT_DECIDER: "leader's connections to the API server reset and refused",
    Kind.SILENCE_DECIDER: "nothing passes between leader and API server",
    Kind.CUT_FOLLOWER: "a follower's connections to the API server reset and refused",
    Kind.SILENCE_FOLLOWER: "nothing passes between a follower and the API server",
    Kind.RESTART_API_SERVER: "API server restarted",
    Kind.COMPACT: "etcd compacted, then every watch cut",
}

# Seconds, least and most. A pause is longer than the Lease (5 s), so that somebody else takes over meanwhile; some are
# longer than the webhook's time-out (10 s).
DURATIONS = {
    Kind.PAUSE_DECIDER: (6.0, 13.0),
    Kind.PAUSE_FOLLOWER: (6.0, 13.0),
    Kind.CUT_PEERS: (0.0, 4.0),
    Kind.SILENCE_PEERS: (1.0, 4.0),
    Kind.CUT_DECIDER: (0.0, 12.0),
    Kind.SILENCE_DECIDER: (3.0, 12.0),
    Kind.CUT_FOLLOWER: (0.0, 12.0),
    Kind.SILENCE_FOLLOWER: (3.0, 12.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how long it lasts, and a number from 0 to 1 that says which of several replicas is meant."""

    kind: Kind
    seconds: float
    draw: float

    def __str__(self) -> str:
        """What is done, for how long."""
        lasting = f" for {self.seconds:.1f} s" if self.kind in DURATIONS else ""
        return DESCRIPTIONS[self.kind] + lasting


def drawn(seed: int, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """Faults without end: each kind once in an order of the seed's, then again in another."""
    chance = random.Random(seed)  # noqa: S311 (to be replayed, not to be secret)
    while True:
        deck = list(kinds)
        chance.shuffle(deck)
        for kind in deck:
            yield Fault(kind, chance.uniform(*DURATIONS.get(kind, (0.0, 0.0))), chance.random())
