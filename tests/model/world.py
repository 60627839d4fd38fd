"""The cluster around one leader or two: admissions in flight, a Lease that is written, views that lag.

The core is the real one. What production's services add to it is modelled here, each with a pointer to the function
that it stands for. Some steps are left to the moment at which they could first make a difference, which leaves out
states and no histories:

- Time is modelled as far as the rules need it. Allocations are numbered, and the number tells the moment. An admission
  may be dropped at any time; that is done where it matters, when the bound of an allocation has passed: nothing that
  was allocated up to then is in flight any more. A cool-down can pass at any time.
- Whether a write of the Lease was made is settled when its answer comes or is lost, or when somebody takes over.
- A replica that stands by sees what it sees once it has taken over: until then nobody asks it. What it must have seen
  before it decides is what the Lease says, so it may decide with a view as old as can be. (One world does without
  this.)
- A replica that was started again has listed the cluster as it is.
- Renewals that change nothing are not written.
- After the last allocation nothing is looked at: an allocation is in conflict if another party has one of its
  addresses, or has an
  admission in flight with one. Without a conflict then, no two objects can come to one address.

A paused replica is one that takes no step for a while.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.cluster import (
    CATCHING_UP,
    DECIDING,
    DEPOSED,
    EVERY_LAW,
    ONE_REPLICA,
    STANDING_BY,
    Bounds,
    Change,
    Cluster,
    Creator,
    Flight,
    Laws,
    Lease,
    Live,
    Replica,
    State,
    Step,
    clash,
    less,
    put,
    write_of,
    written,
)
from tests.model.core_states import START, CoreStates
from tests.model.happenings import Happenings
from tests.model.numbered import Numbered

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Refused, Unreserved


class World:
    """The steps that lead from one state to the next."""

    def __init__(
        self,
        cores: CoreStates,
        creators: tuple[Creator, ...],
        bounds: Bounds = ONE_REPLICA,
        *,
        laws: Laws = EVERY_LAW,
        grace: bool = False,
        alike: bool = False,
        grants_a_moment: int = 1,
        edits: bool = False,
        reports: bool = False,
    ) -> None:
        """Take the actors of a world.

        Args:
            cores: the core under test.
            creators: who creates pods.
            bounds: how large it is.
            laws: what the core's caller keeps to.
            grace: whether an object may be terminating for a while.
            alike: whether the creators differ in nothing but their names; then they may as well ask first in order.
            grants_a_moment: how many allocations are made before the clock moves on.
            edits: whether annotations change on objects that live.
            reports: whether there is a network-status.
        """
        self.cores = cores
        self._creators = creators
        self._grants_at_most = min(bounds.allocations, sum(creator.creations for creator in creators))
        self._bounds = bounds
        self._laws = laws
        self._alike = alike
        self._grants_a_moment = grants_a_moment
        self._update = sorted({creator.name for creator in creators})
        self._keys = [ObjectKey("Pod", "ns", name) for name in self._update]
        self._name_of = [self._update.index(creator.name) for creator in creators]
        self._leases: Numbered[Lease] = Numbered()
        self._clusters: Numbered[Cluster] = Numbered()
        self._happenings = Happenings(self._update, self._clusters, grace=grace, edits=edits, reports=reports)
        self._replicas: Numbered[Replica] = Numbered()
        self._asking: dict[tuple[int, tuple[int, ...]], tuple[list[_Grant], set[_Wish]]] = {}

    def start(self) -> State:
        """Nothing exists and nobody has asked."""
        replica = Replica(START, STANDING_BY if self._bounds.acquisitions else DECIDING)
        nothing = Cluster((None,) * len(self._update), (), (0,) * len(self._creators))
        return self._state(Lease(), nothing, [replica] * self._bounds.replicas)

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        lease, cluster = self._leases.values[state[0]], self._clusters.values[state[1]]
        replicas = [self._replicas.values[number] for number in state[2:]]
        if not self._may_grant(lease, cluster, replicas):
            return
        yield from self.happenings(state)
        for each, replica in enumerate(replicas):
            others = replicas[:each] + replicas[each + 1 :]
            if replica in others[:each]:
                continue
            scene = _Scene(lease, cluster, replica, others)
            if replica.part == STANDING_BY:
                yield from self._acquisitions(scene)
                if self._bounds.early_sightings:
                    yield from self._sightings(scene)
            elif replica.part == DEPOSED:
                yield from self._returns(scene)
            else:
                yield from self._sightings(scene)
                yield from self._passing_of_time(scene)
                if replica.part == DECIDING:
                    yield from self._allocations(scene)
                if self._bounds.acquisitions:
                    yield from self._writes(scene)
                if lease.acquisitions < self._bounds.acquisitions:
                    yield from self._ends_of_deciding(scene)

    def happenings(self, state: State) -> Iterator[Step]:
        """What may happen to objects and admissions, whatever we do."""
        for what, details, after, duplicate in self._happenings.from_(state[1]):
            yield Step(what, details, (state[0], after, *state[2:]), duplicate)

    def _may_grant(self, lease: Lease, cluster: Cluster, replicas: list[Replica]) -> bool:
        """Whether there can be another allocation; else nothing is to be found, for `_allocations` looks ahead."""
        decides = any(replica.part != STANDING_BY for replica in replicas)
        return sum(cluster.asked) < self._grants_at_most and (decides or lease.acquisitions < self._bounds.acquisitions)

    # Requests

    def _asked(self, core: int, asked: tuple[int, ...]) -> "tuple[list[_Grant], set[_Wish]]":
        """What a core would allocate to those who may ask, and what they would have the Lease list."""
        known = self._asking.get((core, asked))
        if known is None:
            known = self._asking[core, asked] = [], set()
            allocations, wishes = known
            number = sum(asked)
            for each, creator in enumerate(self._creators):
                count = asked[each]
                if count == creator.creations or number == self._grants_at_most:
                    continue
                if self._alike and not all(asked[:each]):
                    continue
                name = creator.name if not creator.generate_name else ""
                party = Party("Pod", "ns", name, creator.generate_name, f"request-{each}-{count}" if not name else "")
                for wish in creator.wishes:
                    request = AddressRequest(party, wish)
                    decision, after = self.cores.decide(core, request, self._moment(number))
                    if isinstance(decision, Refused) and creator.warned:  # `conflicts.decide`
                        request = request._replace(shared=frozenset(each.address for each in decision.refusals))
                        decision, after = self.cores.decide(core, request, self._moment(number))
                    if isinstance(decision, Allocated):
                        shared = bool(request.shared)
                        flight = Flight(self._name_of[each], decision.addresses, number, shared)
                        details = (party, wish, decision.addresses)
                        allocations.append(_Grant(details, after, flight, put(asked, each, count + 1)))
                    elif isinstance(decision, Unreserved):
                        wishes.add(_Wish(decision.addresses, decision.automatic))
        return known

    def _allocations(self, scene: "_Scene") -> Iterator[Step]:
        """`AddressAllocation.allocate`. In conflict is what another party has as well, or may come to have."""
        cluster = scene.cluster
        for allocation in self._asked(scene.replica.core, cluster.asked)[0]:
            name = allocation.flight.name
            conflict = any(
                other != name and live is not None and clash(allocation.flight, live)
                for other, live in (*enumerate(cluster.objects), *((each.name, each) for each in cluster.flights))
            )
            if not conflict and sum(allocation.asked) == self._grants_at_most:
                continue  # nothing can come of it any more
            after = cluster._replace(flights=(*cluster.flights, allocation.flight), asked=allocation.asked)
            state = scene.after(self, scene.replica._replace(core=allocation.core), cluster=after)
            yield Step("grant", allocation.details, state, conflict=conflict)

    def _moment(self, allocation: int) -> int:
        return allocation // self._grants_a_moment + 1

    # The view

    def _sightings(self, scene: "_Scene") -> Iterator[Step]:
        """`PodFollower.present` and `gone`, as a watch tells it or, passing over what has gone already, a list."""
        log, replica = scene.cluster.log, scene.replica
        if replica.view < len(log):
            change = log[replica.view]
            seen = self._caught_up(self._told(replica, change, replica.view + 1))
            yield Step("see", (self._update[change.name], change.live), scene.after(self, seen))
        if replica.view + 1 < len(log):
            yield Step("list afresh", (), scene.after(self, self._caught_up(self._listed(scene.cluster, replica))))

    def _told(self, replica: Replica, change: Change, version: int) -> Replica:
        """As production tells it: an object that has completed is gone."""
        key, live = self._keys[change.name], change.live
        if live is None or self._has_completed(live) or (live.terminating and not self._laws.terminating_still_holds):
            # A successor need not have seen that here: whoever is given the address next is seen later in the same log.
            core, sighted = self.cores.tell(replica.core, key, None)[0], False
        else:
            holder = Holder(key, str(live.allocation), Party(*key), live.annotated, attached=live.reported)
            core, sighted = self.cores.tell(replica.core, key, holder)
        return replica._replace(core=core, view=version, sighted=version if sighted else replica.sighted)

    @staticmethod
    def _has_completed(live: Live) -> bool:
        return not live.addresses and live.said is None

    def _listed(self, cluster: Cluster, replica: Replica) -> Replica:
        """`Reflector`: every object as it is now, then what has gone."""
        newest = {change.name: version for version, change in enumerate(cluster.log, 1)}
        sighted = replica.sighted
        for name, live in sorted(enumerate(cluster.objects), key=lambda item: item[1] is None):
            replica = self._told(replica, Change(name, live), newest.get(name, 0))
            sighted = max(sighted, replica.sighted)
        return replica._replace(view=len(cluster.log), sighted=sighted)

    def _caught_up(self, replica: Replica) -> Replica:
        """`Leadership._catch_up`: it decides once its view is as new as the Lease asks."""
        if replica.part == CATCHING_UP and (replica.view >= replica.required or not self._laws.view_reaches_lease):
            return replica._replace(part=DECIDING, required=0)
        return replica

    # Time

    def _passing_of_time(self, scene: "_Scene") -> Iterator[Step]:
        """`ReadBarrier.prove_if_due`: the bound has passed since a moment, and the view is proven to be past that."""
        cluster, replica = scene.cluster, scene.replica
        for moment, core, sighted in self.cores.pass_barrier(replica.core):
            came = [
                version
                for version, change in enumerate(cluster.log, 1)
                if change.persisted and change.live and self._moment(change.live.allocation) <= moment
            ]
            version = max(came, default=0)
            if version > replica.view and self._laws.proof_needs_view:
                continue
            after = cluster
            if self._laws.bound_before_proof:
                left = tuple(each for each in cluster.flights if self._moment(each.allocation) > moment)
                after = cluster._replace(flights=left)
            proven = replica._replace(core=core, sighted=max(replica.sighted, version) if sighted else replica.sighted)
            yield Step("prove", (f"moment {moment}",), scene.after(self, proven, cluster=after))
        for core in self.cores.cool(replica.core):
            yield Step("cool-down passes", (), scene.after(self, replica._replace(core=core)))

    # The Lease

    def _writes(self, scene: "_Scene") -> Iterator[Step]:
        """`Leadership.renew`, and what may become of it; at most one is under way at a time."""
        replica = scene.replica
        if replica.write is not None:
            made = written(scene.lease, replica.write)
            core = self.cores.confirm(replica.core, made.reserved)
            yield Step("write confirmed", (), scene.after(self, replica._replace(core=core, write=None), lease=made))
            unaware = replica._replace(write=None, informed=False)
            yield Step("write made, answer lost", (), scene.after(self, unaware, lease=made))
            yield Step("write lost", (), scene.after(self, replica._replace(write=None)))
            return
        for wish in self._wishes(scene):
            names, core = self.cores.write(replica.core, wish.addresses, wish.automatic)
            frozen = self.cores.states[replica.core]
            if core == replica.core and names.reserved == frozen.reserved and not frozen.doubtful:
                continue
            # One that does not know the Lease as it is will be answered 409, so its write comes to nothing.
            write = write_of(names, replica.sighted) if replica.informed else None
            details = (names.reserved, "for", wish.addresses, "and any", f"x{wish.automatic}")
            if write is not None and not self._bounds.losses:
                core = self.cores.confirm(core, write.reserved)
                after = scene.after(self, replica._replace(core=core), lease=written(scene.lease, write))
                yield Step("write", details, after)
                continue
            what = "write" if replica.informed else "write in vain"
            yield Step(what, details, scene.after(self, replica._replace(core=core, write=write)))
        if not replica.informed:
            core = self.cores.confirm(replica.core, scene.lease.reserved)
            yield Step("read the Lease", (), scene.after(self, replica._replace(core=core, informed=True)))

    def _wishes(self, scene: "_Scene") -> "set[_Wish]":
        """What may wait for a write: nothing, what one request needs, or what all need together."""
        wishes = {_Wish((), 0)}
        if scene.replica.part == DECIDING:
            asked = self._asked(scene.replica.core, scene.cluster.asked)[1]
            wishes |= asked
            wishes.add(
                _Wish(
                    tuple(sorted({address for wish in asked for address in wish.addresses})),
                    sum(wish.automatic for wish in asked),
                )
            )
        return wishes

    def _acquisitions(self, scene: "_Scene") -> Iterator[Step]:
        """`Elector._acquire`, by a replica that stands by; the leader has been silent for long enough."""
        if scene.lease.acquisitions == self._bounds.acquisitions:
            return
        in_flight = next((other.write for other in scene.others if other.part in {CATCHING_UP, DECIDING}), None)
        others = [self._deposed(other) for other in scene.others]
        for made in {None, in_flight}:
            lease = scene.lease if made is None else written(scene.lease, made)
            moment = self._moment(sum(scene.cluster.asked) - 1)
            core = self.cores.acquire(scene.replica.core, lease.reserved, lease.last, moment)
            taken = scene.replica._replace(core=core, part=CATCHING_UP, required=lease.seen)
            lease = lease._replace(acquisitions=lease.acquisitions + 1)
            yield Step(
                "take over" if made is None else "take over after a write was made",
                (f"in doubt: {len(lease.reserved)}",),
                self._state(lease, scene.cluster, [self._caught_up(taken), *others]),
            )

    def _deposed(self, replica: Replica) -> Replica:
        """`Leadership.hindrance`: fenced by its own clock, whatever it knows."""
        if replica.part == STANDING_BY:
            return replica
        if self._bounds.losses or not self._laws.deposed_is_fenced:
            late = replica.write if not self._laws.writes_carry_version else None
            return replica._replace(part=DEPOSED, required=0, write=late, informed=True)
        return self._down(replica)

    def _down(self, replica: Replica) -> Replica:
        return Replica(self.cores.step_down(replica.core), view=replica.view, sighted=replica.sighted)

    def _returns(self, scene: "_Scene") -> Iterator[Step]:
        """`Elector._take_note`, after a pause: the Lease is somebody else's."""
        replica = scene.replica
        yield Step("resume and step down", (), scene.after(self, self._down(replica)))
        if not self._laws.deposed_is_fenced:
            yield from self._allocations(scene)
        if replica.write is not None:
            lease = written(scene.lease, replica.write)
            yield Step("late write made", (), scene.after(self, replica._replace(write=None), lease=lease))

    def _ends_of_deciding(self, scene: "_Scene") -> Iterator[Step]:
        """`Elector._hand_over`, or the end of the process; a new one takes its place."""
        replica = scene.replica
        if replica.write is None and replica.informed:
            names, core = self.cores.hand_over(replica.core)
            lease = written(scene.lease, write_of(names, replica.sighted))
            down = Replica(core, view=replica.view, sighted=replica.sighted)
            yield Step("hand over", (names.reserved,), scene.after(self, down, lease=lease))
        fresh = self._listed(scene.cluster, Replica(START))
        yield Step("crash", (), scene.after(self, fresh))
        if replica.write is not None:
            made = written(scene.lease, replica.write)
            yield Step("crash after a write was made", (), scene.after(self, fresh, lease=made))

    # States

    def _state(self, lease: Lease, cluster: Cluster, replicas: list[Replica]) -> State:
        """The state's numbers; what every replica has seen is forgotten."""
        old = min([replica.view for replica in replicas])
        if old:
            lease = lease._replace(seen=max(0, lease.seen - old))
            cluster = cluster._replace(log=cluster.log[old:])
            replicas = [less(replica, old) for replica in replicas]
        numbers = [self._replicas.number(self._canonical(replica, lease)) for replica in replicas]
        numbers.sort()
        return (self._leases.number(lease), self._clusters.number(cluster), *numbers)

    def _canonical(self, replica: Replica, lease: Lease) -> Replica:
        """Less what cannot matter any more."""
        if 0 < replica.sighted <= lease.seen:  # the Lease says it, and what it says only grows
            replica = replica._replace(sighted=0)
        if replica.part == STANDING_BY and lease.last is not None:  # the Lease will tell it where to go on
            replica = replica._replace(core=self.cores.forget_last(replica.core))
        return replica


class _Grant(NamedTuple):
    """What a request would be allocated, and what comes of it."""

    details: tuple[object, ...]
    core: int
    flight: Flight
    asked: tuple[int, ...]


class _Wish(NamedTuple):
    """What a request needs to have named."""

    addresses: tuple[int, ...]
    automatic: int


class _Scene(NamedTuple):
    """A state, as one of the replicas meets it."""

    lease: Lease
    cluster: Cluster
    replica: Replica
    others: list[Replica]

    def after(
        self, world: World, replica: Replica, *, lease: Lease | None = None, cluster: Cluster | None = None
    ) -> State:
        """The state in which the replica is another, and perhaps the Lease or the cluster."""
        return world._state(lease or self.lease, cluster or self.cluster, [replica, *self.others])
