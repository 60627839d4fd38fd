"""What one replica may do: a Lease that is written, replicas that acquire it, and views that lag.

The core is the real one. What production's services add to it is modelled here, each with a pointer to the function
that it stands for. What objects there are, who creates them and what becomes of them is left to the worlds.

Some steps are left to the moment at which they could first make a difference, which leaves out states and no histories:

- Time is modelled as far as the rules need it. Allocations are numbered, and the number tells the moment. An admission
  may be dropped at any time; that is done where it matters, when the bound of an allocation has passed: nothing that
  was allocated up to then is in flight any more. A cool-down can pass at any time.
- Whether a write of the Lease was made is settled when its answer comes or is lost, or when somebody acquires it.
- What a replica observes while it stands by, it observes just before it acquires the Lease: until then nobody asks it.
  What it must have observed before it leads is what the Lease says; so where what was observed before makes no other
  difference, it may as well begin to lead with a view as old as can be, and observe the rest then.
- A leader that is deposed does nothing more, unless a rule is left out that keeps it from that: it stands by at once.
- Renewals that change nothing are not written.
- After the last allocation nothing is looked at: an allocation is in conflict if another party has one of its
  addresses, or has an admission in flight with one. Without a conflict then, no two objects can come to one address.

A paused replica is one that takes no step for a while.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple

from tests.model.cluster import (
    CATCHING_UP,
    DEPOSED,
    LEADING,
    STANDING_BY,
    Bounds,
    Cluster,
    Flight,
    Laws,
    Lease,
    LiveT,
    Replica,
    Versions,
    Write,
    newest,
    put,
)
from tests.model.core_states import START, CoreStates

from kubemacpool.core.requests import AddressRequest, Allocated, Refused, Unreserved


class Ask(NamedTuple, Generic[LiveT]):
    """What somebody may ask for.

    Attributes:
        request: as the core is asked.
        creator: who asks, by number.
        slot: where the object will be.
        pattern: the object, but for its addresses.
        warned: whether the policy `warn` lets it have what others have.
    """

    request: AddressRequest
    creator: int
    slot: int
    pattern: LiveT
    warned: bool = False


class _Grant(NamedTuple, Generic[LiveT]):
    """What a request would be allocated, and what comes of it."""

    details: tuple[object, ...]
    core: int
    flight: Flight[LiveT]
    asked: tuple[int, ...]


class _Wish(NamedTuple):
    """What a request needs to have reserved."""

    addresses: tuple[int, ...]
    automatic: int


class _Asked(NamedTuple, Generic[LiveT]):
    """What a core would allocate to those who may ask, what they would have the Lease list, and who is robbed."""

    grants: list[_Grant[LiveT]]
    wishes: set[_Wish]
    robbed: list[AddressRequest]


class Move(NamedTuple, Generic[LiveT]):
    """What one replica does, and what it leads to.

    Attributes:
        what: in a few words.
        details: with what.
        lease: after that.
        cluster: after that.
        replica: after that; None for one that is there no more.
        deposes: whether the others lead no more.
        conflict: two parties may come to one address, whatever we do from here on.
        refused: a party is refused what it has.
    """

    what: str
    details: tuple[object, ...]
    lease: Lease
    cluster: Cluster[LiveT]
    replica: Replica | None
    deposes: bool = False
    conflict: bool = False
    refused: bool = False


class Scene(NamedTuple, Generic[LiveT]):
    """A state, as one of the replicas meets it.

    Attributes:
        lease: as it is.
        cluster: as it is.
        replica: the one.
        under_way: another leader's write of the Lease.
    """

    lease: Lease
    cluster: Cluster[LiveT]
    replica: Replica
    under_way: Write | None

    def move(
        self,
        what: str,
        details: tuple[object, ...],
        replica: Replica,
        *,
        lease: Lease | None = None,
        cluster: Cluster[LiveT] | None = None,
    ) -> Move[LiveT]:
        """The replica is another after it, and perhaps the Lease or the cluster."""
        return Move(what, details, lease or self.lease, cluster or self.cluster, replica)


class Moves(ABC, Generic[LiveT]):
    """Finds what a replica may do in a scene."""

    lists_afresh = False
    """Whether a leader's watch may end, so that it passes over what has gone already."""

    observes_at_once = False
    """Whether something happens only once all have observed something else: then a replica that stands by cannot leave
    that to the moment at which it acquires the Lease."""

    def __init__(self, cores: CoreStates, bounds: Bounds, laws: Laws, kinds: Versions, *, a_moment: int = 1) -> None:
        """Know nothing yet.

        Args:
            cores: the core under test.
            bounds: how large the world is.
            laws: what the core's caller keeps to.
            kinds: by slot, the number of its kind.
            a_moment: how many allocations are made before the clock moves on.
        """
        self.cores = cores
        self.bounds = bounds
        self.laws = laws
        self._kinds = kinds
        self._a_moment = a_moment
        self.none_seen: Versions = (0,) * (max(kinds) + 1)
        self._asking: dict[tuple[int, Hashable], _Asked[LiveT]] = {}

    # What a world has to say

    @abstractmethod
    def asks(self, core: int, cluster: Cluster[LiveT]) -> Iterator[Ask[LiveT]]:
        """What those may ask for who have not asked often enough; what they ask for may rest on who is asked."""

    @abstractmethod
    def concerns(self, cluster: Cluster[LiveT]) -> Hashable:
        """What `asks` depends on."""

    @abstractmethod
    def created(self, pattern: LiveT, addresses: tuple[int, ...], allocation: int, *, shared: bool) -> LiveT:
        """An object with the addresses that it was allocated."""

    @abstractmethod
    def is_last(self, asked: tuple[int, ...]) -> bool:
        """Whether nobody may ask any more."""

    @abstractmethod
    def conflicts(self, cluster: Cluster[LiveT], flight: Flight[LiveT]) -> bool:
        """Whether another party has one of the addresses as well, or may come to have it."""

    @abstractmethod
    def told(self, core: int, slot: int, live: LiveT | None) -> tuple[int, bool]:
        """The core that has observed an object as it is now, and whether a successor must have observed as much."""

    def robbed(self, core: int, cluster: Cluster[LiveT], request: AddressRequest) -> bool:  # noqa: ARG002 (for those that have thieves)
        """Whether a request that was refused asks for what is its party's own."""
        return False

    def cooled(self, cluster: Cluster[LiveT], replica: Replica) -> Cluster[LiveT] | None:  # noqa: ARG002 (for those that know better)
        """The cluster when a cool-down passes; None where that takes longer."""
        return cluster

    def after_crash(self, cluster: Cluster[LiveT]) -> Replica | None:
        """The process that takes the place of one that has crashed; it has listed the cluster as it is."""
        return self.listed(cluster, self.fresh(STANDING_BY))

    # The moves

    def moves(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """Everything that the replica may do."""
        part = scene.replica.part
        if part == STANDING_BY:
            if self.observes_at_once:
                yield from self._sightings(scene)
            yield from self._acquisitions(scene)
        elif part == DEPOSED:
            yield from self._returns(scene)
        else:
            yield from self._sightings(scene)
            yield from self._passing_of_time(scene)
            if part == LEADING:
                yield from self._allocations(scene)
            if self.bounds.acquisitions:
                yield from self._writes(scene)
            if self.may_be_acquired(scene.lease):
                yield from self._ends_of_leading(scene)

    def moment(self, allocation: int) -> int:
        """When that was."""
        return allocation // self._a_moment + 1

    def may_be_acquired(self, lease: Lease) -> bool:
        """Whether anybody may lead who does not yet."""
        return lease.acquisitions < self.bounds.acquisitions

    # Requests

    def _asked(self, core: int, cluster: Cluster[LiveT]) -> _Asked[LiveT]:
        """What a core would say to those who may ask."""
        key = core, self.concerns(cluster)
        known = self._asking.get(key)
        if known is None:
            known = self._asking[key] = _Asked([], set(), [])
            asked = cluster.asked
            allocation = sum(asked)
            for ask in self.asks(core, cluster):
                request = ask.request
                decision, after = self.cores.decide(core, request, self.moment(allocation))
                if isinstance(decision, Refused) and ask.warned:  # `allocation`'s conflict policies
                    request = request._replace(shared=frozenset(each.address for each in decision.refusals))
                    decision, after = self.cores.decide(core, request, self.moment(allocation))
                if isinstance(decision, Allocated):
                    live = self.created(ask.pattern, decision.addresses, allocation, shared=bool(request.shared))
                    details = (request.dependent or request.party, request.wanted, decision.addresses)
                    known.grants.append(
                        _Grant(
                            details,
                            after,
                            Flight(ask.slot, live, allocation),
                            put(asked, ask.creator, asked[ask.creator] + 1),
                        )
                    )
                elif isinstance(decision, Unreserved):
                    known.wishes.add(_Wish(decision.addresses, decision.automatic))
                elif isinstance(decision, Refused) and self.robbed(core, cluster, request):
                    known.robbed.append(request)
        return known

    def _allocations(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`AddressAllocation.allocate`."""
        cluster = scene.cluster
        asked = self._asked(scene.replica.core, scene.cluster)
        for request in asked.robbed:
            yield Move("refuse", (request,), scene.lease, cluster, scene.replica, refused=True)
        for grant in asked.grants:
            conflict = self.conflicts(cluster, grant.flight)
            if not conflict and self.is_last(grant.asked):
                continue  # nothing can come of it any more
            after = cluster._replace(flights=(*cluster.flights, grant.flight), asked=grant.asked)
            replica = scene.replica._replace(core=grant.core)
            yield Move("allocate", grant.details, scene.lease, after, replica, conflict=conflict)

    # The view

    def _sightings(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        for what, details, replica in self._seen_next(scene.cluster, scene.replica):
            yield scene.move(what, details, self._caught_up(replica))

    def _seen_next(
        self, cluster: Cluster[LiveT], replica: Replica
    ) -> Iterator[tuple[str, tuple[object, ...], Replica]]:
        """`Follower.present` and `gone`, as a watch tells it or, passing over what has gone already, a list."""
        for kind, log in enumerate(cluster.logs):
            seen = replica.view[kind]
            if seen < len(log):
                change = log[seen]
                yield "see", (change.slot, change.live), self._observing(replica, change.slot, change.live, seen + 1)
            if self.lists_afresh and seen + 1 < len(log):
                yield "list afresh", (), self.listed(cluster, replica)

    def _observing(self, replica: Replica, slot: int, live: LiveT | None, version: int) -> Replica:
        kind = self._kinds[slot]
        core, sighted = self.told(replica.core, slot, live)
        view = put(replica.view, kind, version)
        if sighted and self.bounds.acquisitions:  # it matters to successors only
            return replica._replace(core=core, view=view, sighted=put(replica.sighted, kind, version))
        return replica._replace(core=core, view=view)

    def listed(self, cluster: Cluster[LiveT], replica: Replica) -> Replica:
        """`Reflector`: every object as it is now, then what has gone."""
        last = [{change.slot: version for version, change in enumerate(log, 1)} for log in cluster.logs]
        sighted = replica.sighted
        for slot, live in sorted(enumerate(cluster.objects), key=lambda item: item[1] is None):
            replica = self._observing(replica, slot, live, last[self._kinds[slot]].get(slot, 0))
            sighted = newest(sighted, replica.sighted)
        return replica._replace(view=tuple(map(len, cluster.logs)), sighted=sighted)

    def _caught_up(self, replica: Replica) -> Replica:
        """`Leadership._catch_up`: it leads once its view of every kind is as new as the Lease asks."""
        if replica.part == CATCHING_UP:
            reached = all(view >= asked for view, asked in zip(replica.view, replica.required, strict=True))
            if reached or not self.laws.view_reaches_lease:
                return replica._replace(part=LEADING, required=self.none_seen)
        return replica

    # Time

    def _passing_of_time(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`ReadBarrier.prove_if_due`: the bound has passed since a moment, and every view is proven to be past that."""
        cluster, replica = scene.cluster, scene.replica
        for moment, core, sighted in self.cores.pass_barrier(replica.core):
            came = self._came(cluster, moment)
            if self.laws.proof_needs_view and any(at > view for at, view in zip(came, replica.view, strict=True)):
                continue
            proven = replica._replace(
                core=core,
                sighted=newest(replica.sighted, came) if sighted and self.bounds.acquisitions else replica.sighted,
            )
            after = cluster
            if self.laws.bound_before_proof:
                left = tuple([flight for flight in cluster.flights if self.moment(flight.allocation) > moment])
                after = cluster._replace(flights=left)
            yield scene.move("prove", (f"moment {moment}",), proven, cluster=after)
        cores = self.cores.cool(replica.core)
        cooled = self.cooled(cluster, replica) if cores else None
        if cooled is not None:
            for core in cores:
                yield scene.move("cool-down passes", (), replica._replace(core=core), cluster=cooled)

    def _came(self, cluster: Cluster[LiveT], moment: int) -> Versions:
        """By kind, the newest change that a view must have observed which is proven to be past the bound."""
        return tuple(
            [
                max([at for at, change in enumerate(log, 1) if self.moment(change.allocation) <= moment], default=0)
                for log in cluster.logs
            ]
        )

    # The Lease

    def _writes(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`Leadership.renew`, and what may become of it; at most one is under way at a time."""
        replica = scene.replica
        if replica.write is not None:
            made = replica.write.on(scene.lease)
            core = self.cores.confirm(replica.core, made.reserved)
            yield scene.move("write confirmed", (), replica._replace(core=core, write=None), lease=made)
            unaware = replica._replace(write=None, informed=False)
            yield scene.move("write made, answer lost", (), unaware, lease=made)
            yield scene.move("write lost", (), replica._replace(write=None))
            return
        frozen = self.cores.states[replica.core]
        for wish in self._wishes(scene):
            update, core = self.cores.write(replica.core, wish.addresses, wish.automatic)
            if core == replica.core and update.reserved == frozen.reserved and not frozen.doubtful:
                continue
            # One that does not know the Lease as it is will be answered 409, so its write comes to nothing.
            write = Write.of(update, replica.sighted) if replica.informed else None
            details = (update.reserved, "for", wish.addresses, "and any", f"x{wish.automatic}")
            if write is not None and not self.bounds.losses:
                core = self.cores.confirm(core, write.reserved)
                yield scene.move("write", details, replica._replace(core=core), lease=write.on(scene.lease))
                continue
            what = "write" if replica.informed else "write in vain"
            yield scene.move(what, details, replica._replace(core=core, write=write))
        if not replica.informed:
            core = self.cores.confirm(replica.core, scene.lease.reserved)
            yield scene.move("read the Lease", (), replica._replace(core=core, informed=True))

    def _wishes(self, scene: Scene[LiveT]) -> set[_Wish]:
        """What may wait for a write: nothing, what one request needs, or what all need together."""
        wishes = {_Wish((), 0)}
        if scene.replica.part == LEADING:
            asked = self._asked(scene.replica.core, scene.cluster).wishes
            wishes |= asked
            together = sorted({address for wish in asked for address in wish.addresses})
            wishes.add(_Wish(tuple(together), sum(wish.automatic for wish in asked)))
        return wishes

    def _acquisitions(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`Elector._acquire`, by a replica that stands by; the leader has been silent for long enough."""
        if not self.may_be_acquired(scene.lease) or scene.cluster.lost:
            return
        moment = self.moment(sum(scene.cluster.asked) - 1)
        for made in {None, scene.under_way}:
            lease = scene.lease if made is None else made.on(scene.lease)
            acquired = lease._replace(acquisitions=lease.acquisitions + 1)
            what = "acquire" if made is None else "acquire after a write was made"
            for replica in self._views_before(scene):
                core = self.cores.acquire(replica.core, lease.reserved, lease.last, moment)
                leader = self._caught_up(replica._replace(core=core, part=CATCHING_UP, required=lease.seen))
                details = (f"in doubt: {len(lease.reserved)}, observed: {replica.view}",)
                yield Move(what, details, acquired, scene.cluster, leader, deposes=True)

    def _views_before(self, scene: Scene[LiveT]) -> list[Replica]:
        """What a replica that stood by may have come to observe."""
        views = {scene.replica: None}
        if self.bounds.early_sightings and not self.observes_at_once:
            queue = [scene.replica]
            for replica in queue:
                for _, _, seen in self._seen_next(scene.cluster, replica):
                    if seen not in views:
                        views[seen] = None
                        queue.append(seen)
        return list(views)

    def deposed(self, replica: Replica) -> Replica:
        """`Leadership.hindrance`: fenced by its own clock, whatever it knows."""
        if replica.part == STANDING_BY:
            return replica
        late = replica.write if not self.laws.writes_carry_version else None
        if late is not None or not self.laws.deposed_is_fenced:
            return replica._replace(part=DEPOSED, required=self.none_seen, write=late, informed=True)
        return self.down(replica)

    def down(self, replica: Replica) -> Replica:
        """It stands by, with what it has observed."""
        core = self.cores.step_down(replica.core)
        return Replica(core, STANDING_BY, replica.view, replica.sighted, self.none_seen)

    def _returns(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`Elector._take_note`, after a pause: the Lease is somebody else's. Only where a rule is left out."""
        replica = scene.replica
        yield scene.move("resume and step down", (), self.down(replica))
        if not self.laws.deposed_is_fenced:
            yield from self._allocations(scene)
        if replica.write is not None:
            lease = replica.write.on(scene.lease)
            yield scene.move("late write made", (), replica._replace(write=None), lease=lease)

    def _ends_of_leading(self, scene: Scene[LiveT]) -> Iterator[Move[LiveT]]:
        """`Elector._release`, or the end of the process."""
        replica = scene.replica
        if replica.write is None and replica.informed:
            update, core = self.cores.hand_over(replica.core)
            lease = Write.of(update, replica.sighted).on(scene.lease)
            down = Replica(core, STANDING_BY, replica.view, replica.sighted, self.none_seen)
            yield scene.move("release", (update.reserved,), down, lease=lease)
        fresh = self.after_crash(scene.cluster)
        yield Move("crash", (), scene.lease, scene.cluster, fresh)
        if replica.write is not None:
            made = replica.write.on(scene.lease)
            yield Move("crash after a write was made", (), made, scene.cluster, fresh)

    def fresh(self, part: int) -> Replica:
        """A process that has just been started."""
        return Replica(START, part, self.none_seen, self.none_seen, self.none_seen)
