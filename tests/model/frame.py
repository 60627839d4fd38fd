"""The frame of every world: its states, and the steps that lead from one to the next.

What one replica may do is found once for a Lease, a cluster and a replica, whatever the others are like. States that
differ in nothing that can matter any more are one:

- Replicas are interchangeable, and what all of them have observed is forgotten.
- When nobody may acquire the Lease any more, a replica that stands by takes no part, and the Lease says nothing to a
  successor.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Generic, NamedTuple

from tests.model.cluster import (
    CATCHING_UP,
    LEADING,
    STANDING_BY,
    Backup,
    Bounds,
    Cluster,
    Laws,
    Lease,
    LiveT,
    Replica,
    State,
    Step,
    Versions,
    Write,
    less,
)
from tests.model.core_states import CoreStates
from tests.model.moves import Move, Moves, Scene
from tests.model.numbered import Numbered


class Happening(NamedTuple, Generic[LiveT]):
    """One thing that may happen to objects and admissions, whatever we do.

    Attributes:
        what: in a few words.
        details: to which object.
        cluster: as it is after that.
        duplicate: whether two parties hold one address after it.
    """

    what: str
    details: tuple[object, ...]
    cluster: Cluster[LiveT]
    duplicate: bool = False


class _Known(NamedTuple):
    """A move, its outcome by number; `replica` is None for one that is there no more."""

    what: str
    details: tuple[object, ...]
    lease: int
    cluster: int
    replica: int | None
    deposes: bool
    conflict: bool
    refused: bool


class Frame(Moves[LiveT]):
    """Puts replicas, a Lease and a cluster together."""

    def __init__(self, cores: CoreStates, bounds: Bounds, laws: Laws, kinds: Versions, *, a_moment: int = 1) -> None:
        """Know no state yet; the arguments are those of `Moves`."""
        super().__init__(cores, bounds, laws, kinds, a_moment=a_moment)
        self._leases: Numbered[Lease] = Numbered()
        self._clusters: Numbered[Cluster[LiveT]] = Numbered()
        self._replicas: Numbered[Replica] = Numbered()
        self._happening: dict[int, list[tuple[str, tuple[object, ...], int, bool]]] = {}
        self._moves: dict[tuple[int, int, int, Write | None], list[_Known]] = {}
        self._deposed: dict[int, int] = {}
        self._states: dict[tuple[int, ...], State] = {}

    @abstractmethod
    def first_cluster(self) -> Cluster[LiveT]:
        """What there is in the beginning; everybody has observed it."""

    @abstractmethod
    def may_conflict(self, cluster: Cluster[LiveT]) -> bool:
        """Whether there can be another allocation, and a conflict: else nothing is to be found any more."""

    @abstractmethod
    def happen(self, cluster: Cluster[LiveT]) -> Iterator[Happening[LiveT]]:
        """What may happen to objects and admissions, whatever we do."""

    def start(self) -> State:
        """In the beginning."""
        parts = [STANDING_BY if self.bounds.acquisitions else LEADING] * self.bounds.replicas
        return self.beginning(self.first_cluster(), parts)

    def beginning(self, cluster: Cluster[LiveT], parts: list[int]) -> State:
        """Replicas with these parts."""
        lease = Lease(frozenset(), self.none_seen)
        return self._state(lease, cluster, [self.listed(cluster, self.fresh(part)) for part in parts])

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        lease, cluster = self._leases.values[state[0]], self._clusters.values[state[1]]
        replicas = [self._replicas.values[number] for number in state[2:]]
        leads = any(replica.part != STANDING_BY for replica in replicas)
        if not (leads or self.may_be_acquired(lease)) or not self.may_conflict(cluster):
            return
        yield from self.happenings(state)
        if self.bounds.restores:
            yield from self._restores(lease, cluster, replicas)
        if len(replicas) == 1:
            yield from self._steps_alone(Scene(lease, cluster, replicas[0], None))
            return
        for each, number in enumerate(state[2:]):
            others = state[2 : 2 + each] + state[3 + each :]
            if number not in others[:each]:
                yield from self._steps_of(state, number, others)

    def happenings(self, state: State) -> Iterator[Step]:
        """What may happen to objects and admissions, whatever we do."""
        known = self._happening.get(state[1])
        if known is None:
            number = self._clusters.number
            known = self._happening[state[1]] = [
                (what, details, number(after), duplicate)
                for what, details, after, duplicate in self.happen(self._clusters.values[state[1]])
            ]
        for what, details, after, duplicate in known:
            yield Step(what, details, (state[0], after, *state[2:]), duplicate)

    def _steps_alone(self, scene: Scene[LiveT]) -> Iterator[Step]:
        for what, details, lease, cluster, replica, _, conflict, refused in self.moves(scene):
            if replica is not None:
                state = self._state(lease, cluster, [replica])
                yield Step(what, details, state, conflict=conflict, refused=refused)

    def _steps_of(self, state: State, number: int, others: tuple[int, ...]) -> Iterator[Step]:
        deposed: list[int] | None = None
        for what, details, lease, cluster, replica, deposes, conflict, refused in self._moves_of(state, number, others):
            rest: list[int] | tuple[int, ...] = others
            if deposes:
                rest = deposed = deposed or [self._deposed_number(other) for other in others]
            outcome = (lease, cluster, *sorted(rest if replica is None else (replica, *rest)))
            after = self._states.get(outcome)
            if after is None:
                values = self._replicas.values
                after = self._states[outcome] = self._state(
                    self._leases.values[lease], self._clusters.values[cluster], [values[each] for each in outcome[2:]]
                )
            yield Step(what, details, after, conflict=conflict, refused=refused)

    def _moves_of(self, state: State, number: int, others: tuple[int, ...]) -> list[_Known]:
        """What a replica may do, by number, whatever the others are like but for a write that one has under way."""
        under_way = None
        if self.bounds.losses:
            writes = [
                other.write for each in others if (other := self._replicas.values[each]).part in {CATCHING_UP, LEADING}
            ]
            under_way = next(iter(writes), None)
        key = (state[0], state[1], number, under_way)
        known = self._moves.get(key)
        if known is None:
            scene = Scene(
                self._leases.values[state[0]], self._clusters.values[state[1]], self._replicas.values[number], under_way
            )
            known = self._moves[key] = [self._by_number(move) for move in self.moves(scene)]
        return known

    def _by_number(self, move: Move[LiveT]) -> _Known:
        return _Known(
            move.what,
            move.details,
            self._leases.number(move.lease),
            self._clusters.number(move.cluster),
            None if move.replica is None else self._replicas.number(move.replica),
            move.deposes,
            move.conflict,
            move.refused,
        )

    def _deposed_number(self, number: int) -> int:
        known = self._deposed.get(number)
        if known is None:
            deposed = self.deposed(self._replicas.values[number])
            known = self._deposed[number] = self._replicas.number(deposed)
        return known

    def _restores(self, lease: Lease, cluster: Cluster[LiveT], replicas: list[Replica]) -> Iterator[Step]:
        """From a backup: versions fall, and everything is as it was then; no watch tells of that.

        `Elector.rewound`: that is a loss of the Lease, which whoever led notices before anything else. Nobody acquires
        it before the bound has passed, and everybody has listed afresh after that.
        """
        if cluster.lost:
            waited = cluster._replace(lost=False, flights=())
            yield Step("bound passes", (), self._state(lease, waited, self._relisted(waited, replicas)))
        elif cluster.backup is not None:
            objects, saved = cluster.backup
            lease = saved._replace(seen=self.none_seen, acquisitions=lease.acquisitions)
            cluster = cluster._replace(
                objects=objects,
                logs=((),) * len(self.none_seen),
                backup=None,
                restored=True,
                lost=self.laws.rewound_is_waited_for,
            )
            after = [self.down(replica)._replace(view=self.none_seen, sighted=self.none_seen) for replica in replicas]
            if not cluster.lost:
                after = self._relisted(cluster, after)
            yield Step("restore", objects, self._state(lease, cluster, after))
        elif not cluster.restored:
            backed_up = cluster._replace(backup=Backup(cluster.objects, lease))
            yield Step("back up", (), self._state(lease, backed_up, replicas))

    # States

    def _relisted(self, cluster: Cluster[LiveT], replicas: list[Replica]) -> list[Replica]:
        if not self.laws.rewound_is_listed:
            return replicas
        return [self.listed(cluster, replica)._replace(sighted=self.none_seen) for replica in replicas]

    def _state(self, lease: Lease, cluster: Cluster[LiveT], replicas: list[Replica]) -> State:
        """The state's numbers; what every replica has observed is forgotten, and what cannot matter any more."""
        if self.bounds.acquisitions and not self.may_be_acquired(lease):
            lease = Lease(
                lease.reserved if self.bounds.losses else frozenset(), self.none_seen, None, lease.acquisitions
            )
            replicas = [
                replica if replica.sighted == self.none_seen else replica._replace(sighted=self.none_seen)
                for replica in replicas
                if replica.part != STANDING_BY
            ]
        if replicas:
            old = replicas[0].view
            for replica in replicas[1:]:
                old = tuple(map(min, old, replica.view))
            if any(old):
                lease = lease._replace(seen=less(lease.seen, old))
                cluster = cluster._replace(
                    logs=tuple([log[gone:] for log, gone in zip(cluster.logs, old, strict=True)])
                )
                replicas = [replica.less(old) for replica in replicas]
        numbers = sorted([self._replicas.number(self._canonical(replica, lease)) for replica in replicas])
        return (self._leases.number(lease), self._clusters.number(cluster), *numbers)

    def _canonical(self, replica: Replica, lease: Lease) -> Replica:
        """Less what cannot matter any more."""
        if any(replica.sighted):  # what the Lease says already only grows
            sighted = tuple(
                [0 if each <= told else each for each, told in zip(replica.sighted, lease.seen, strict=True)]
            )
            if sighted != replica.sighted:
                replica = replica._replace(sighted=sighted)
        if replica.part == STANDING_BY and lease.last is not None:  # the Lease will tell it where to go on
            core = self.cores.forget_last(replica.core)
            if core != replica.core:
                replica = replica._replace(core=core)
        return replica
