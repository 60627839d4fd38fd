"""A virtual machine, its instance and its launcher pods around one leader or two: each kind is watched by itself.

It is made as `world` is, and leaves to that one what has nothing to do with parties of several objects: writes of the
Lease that are lost, pods that are alike, terminating objects. What is new:

- The machine and its launcher pods come through us. The instance does not; the machine's controller creates it from the
  machine, with the same addresses, perhaps when the machine has gone already. Launcher pods are created for the
  instance, perhaps when that has gone.
- Every kind has a log of its own, and each replica a view of each.
- A replica that has crashed does not come back: the other one takes over. One that was started again cannot know what
  was allocated to the launcher pods of a machine that it has never seen; when nothing of that is on its way any more,
  it is like the first leader ever.
- A replica remembers for two bounds which machines have left which addresses, which is longer than a history here.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.cluster import CATCHING_UP, DECIDING, EVERY_LAW, STANDING_BY, Laws, State, Step, put
from tests.model.core_states import START, CoreStates
from tests.model.households import (
    INSTANCE,
    KINDS,
    LAUNCHERS,
    MACHINE,
    NONE_SEEN,
    PREFIX,
    SLOTS,
    STRANGER,
    THIEF,
    Cast,
    Change,
    Cluster,
    Flight,
    Lease,
    Live,
    Replica,
    less,
    newest,
)
from tests.model.numbered import Numbered

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Refused, Unreserved


class MachineWorld:
    """The steps that lead from one state to the next."""

    def __init__(self, cores: CoreStates, cast: Cast, *, laws: Laws = EVERY_LAW) -> None:
        """Take the actors of a world.

        Args:
            cores: the core under test.
            cast: who asks for what.
            laws: what the core's caller keeps to.
        """
        self.cores = cores
        self._cast = cast
        self._laws = laws
        self._most = (cast.machines, cast.launchers, 1)
        self._leases: Numbered[Lease] = Numbered()
        self._clusters: Numbered[Cluster] = Numbered()
        self._replicas: Numbered[Replica] = Numbered()
        self._happening: dict[int, list[tuple[str, tuple[object, ...], int, bool]]] = {}
        self._asking: dict[tuple[int, int], tuple[list[_Grant], set[_Wish], list[AddressRequest]]] = {}

    def start(self) -> State:
        """One replica leads, the first one ever. Nothing exists; or a machine does that runs, and all know it."""
        cluster = Cluster((None,) * len(SLOTS), (), (0, 0, 0))
        if self._cast.running:
            machine = Live("uid-0", self._cast.running)
            instance = _instance_of(machine)
            cluster = Cluster((machine, instance, None, None, None), (), (self._cast.machines, 0, 0), instance)
        parts = (DECIDING, STANDING_BY) if self._cast.acquisitions else (DECIDING,)
        return self._state(Lease(), cluster, [self._listed(cluster, Replica(START, part)) for part in parts])

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        lease, cluster = self._leases.values[state[0]], self._clusters.values[state[1]]
        replicas = [self._replicas.values[number] for number in state[2:]]
        decides = any(replica.part != STANDING_BY for replica in replicas)
        if not self._may_conflict(cluster) or not (decides or lease.acquisitions < self._cast.acquisitions):
            return
        yield from self.happenings(state)
        for each, replica in enumerate(replicas):
            others = replicas[:each] + replicas[each + 1 :]
            if replica in others[:each]:
                continue
            scene = _Scene(lease, cluster, replica, others)
            yield from self._sightings(scene)
            if replica.part == STANDING_BY:
                if lease.acquisitions < self._cast.acquisitions:
                    yield from self._acquisitions(scene)
                continue
            yield from self._passing_of_time(scene)
            if replica.part == DECIDING:
                yield from self._allocations(scene, state[1])
            if self._cast.acquisitions:
                yield from self._writes(scene, state[1])
            if lease.acquisitions < self._cast.acquisitions:
                yield from self._ends_of_deciding(scene)

    def _may_conflict(self, cluster: Cluster) -> bool:
        """Whether there can be another allocation, and both parties have something: else nothing is to be found."""
        machines, launchers, strangers = cluster.asked
        theirs = [slot for slot, live in enumerate(cluster.objects) if live is not None and self._counts(slot)]
        theirs += [flight.slot for flight in cluster.flights]
        machine_asks = machines < self._cast.machines
        launcher_asks = launchers < self._cast.launchers and (
            machine_asks or any((cluster.machine, cluster.instance)) or MACHINE in theirs
        )
        if not strangers:
            return machine_asks or launcher_asks or any(slot != STRANGER for slot in theirs)
        return (machine_asks or launcher_asks) and STRANGER in theirs

    # What happens to objects and admissions, whatever we do

    def happenings(self, state: State) -> Iterator[Step]:
        """What may happen to objects and admissions, whatever we do."""
        known = self._happening.get(state[1])
        if known is None:
            known = self._happening[state[1]] = list(self._happen(self._clusters.values[state[1]]))
        for what, details, after, duplicate in known:
            yield Step(what, details, (state[0], after, *state[2:]), duplicate)

    def _happen(self, cluster: Cluster) -> Iterator[tuple[str, tuple[object, ...], int, bool]]:
        number = self._clusters.number
        now = sum(cluster.asked) if self._cast.acquisitions else -1  # with one leader a view may be as late as can be
        for index, (slot, live, allocation) in enumerate(cluster.flights):
            if cluster.objects[slot] is None:  # one object of a name at a time
                left = cluster._replace(flights=cluster.flights[:index] + cluster.flights[index + 1 :])
                after = _changed(left, Change(slot, live, allocation))
                if slot == MACHINE:
                    after = after._replace(machine=live)
                others = self._others(cluster.objects, slot)
                yield "persist", (SLOTS[slot].key, live), number(after), not others.isdisjoint(live.addresses)
        machine = cluster.machine
        if machine is not None and cluster.objects[INSTANCE] is None:
            live = _instance_of(machine)
            after = _changed(cluster, Change(INSTANCE, live, now))._replace(machine=None, instance=live)
            others = self._others(cluster.objects, INSTANCE) if self._cast.instances_count else frozenset()
            yield "create", (SLOTS[INSTANCE].key, live), number(after), not others.isdisjoint(live.addresses)
        machines, launchers, strangers = cluster.asked
        if self._cast.thief and not strangers and cluster.objects[MACHINE] is not None:
            live = Live(THIEF, self._cast.thief)
            after = _changed(cluster, Change(STRANGER, live, now))._replace(asked=(machines, launchers, 1))
            yield "steal", (SLOTS[STRANGER].key, live), number(after), False
        for slot, present in enumerate(cluster.objects):
            if present is not None:
                yield "delete", (SLOTS[slot].key,), number(_changed(cluster, Change(slot, None, now))), False
                if self._cast.touched and slot in LAUNCHERS and all(each.slot != slot for each in cluster.logs[-1]):
                    yield "touch", (SLOTS[slot].key,), number(_changed(cluster, Change(slot, present, now))), False

    def _others(self, objects: tuple[Live | None, ...], slot: int) -> frozenset[int]:
        """What objects of other parties carry, of those that came through us."""
        return frozenset(
            address
            for other, live in enumerate(objects)
            if live is not None
            and SLOTS[other].party != SLOTS[slot].party
            and self._counts(other)
            and live.uid != THIEF
            for address in live.addresses
        )

    def _counts(self, slot: int) -> bool:
        return slot != INSTANCE or self._cast.instances_count

    # Requests

    def _asked(self, core: int, cluster: int) -> "tuple[list[_Grant], set[_Wish], list[AddressRequest]]":
        """What a core would allocate to those who may ask, what they would have the Lease list, and who is robbed."""
        known = self._asking.get((core, cluster))
        if known is None:
            known = self._asking[core, cluster] = [], set(), []
            asked = self._clusters.values[cluster].asked
            for request, slot, owner in self._requests(core, self._clusters.values[cluster]):
                number = sum(asked)
                decision, after = self.cores.decide(core, request, number + 1)
                if isinstance(decision, Allocated):
                    creator = {MACHINE: 0, STRANGER: 2}.get(slot, 1)
                    flight = Flight(slot, Live(f"uid-{number}", decision.addresses, owner), number)
                    known[0].append(_Grant((request,), after, flight, put(asked, creator, asked[creator] + 1)))
                elif isinstance(decision, Unreserved):
                    known[1].add(_Wish(decision.addresses, decision.automatic))
                elif (
                    isinstance(decision, Refused)
                    and request.dependent is not None
                    and self._knows_machine(core, cluster)
                ):
                    known[2].append(request)
        return known

    def _knows_machine(self, core: int, cluster: int) -> bool:
        """Whether a core sees the machine that is there, and is alone with its address but for thieves."""
        machine = self._clusters.values[cluster].objects[MACHINE]
        return (
            self._cast.thief != ()
            and machine is not None
            and any(
                holder.uid == machine.uid and holder.addresses == machine.addresses
                for holder in self.cores.states[core].holders
            )
        )

    def _requests(self, core: int, cluster: Cluster) -> Iterator[tuple[AddressRequest, int, OwnerReference | None]]:
        machines, launchers, strangers = cluster.asked
        if machines < self._cast.machines:
            for wish in self._cast.machine:
                yield AddressRequest(Party(*SLOTS[MACHINE].key), wish), MACHINE, None
        if launchers < self._cast.launchers and cluster.instance is not None:
            owner = OwnerReference(VIRTUAL_MACHINE_INSTANCE, SLOTS[INSTANCE].key.name, cluster.instance.uid)
            pod = Party(POD, "ns", "", PREFIX, f"request-{launchers}")
            for wish in self._cast.launcher or (cluster.instance.addresses,):
                yield self._pod(core, pod, wish, owner), LAUNCHERS[launchers], owner
        if not strangers:
            forged = OwnerReference(VIRTUAL_MACHINE_INSTANCE, "vm", "forged") if self._cast.forged else None
            for wish in self._cast.stranger:
                yield self._pod(core, Party(*SLOTS[STRANGER].key), wish, forged), STRANGER, forged

    def _pod(self, core: int, pod: Party, wish: tuple[int | None, ...], owner: OwnerReference | None) -> AddressRequest:
        """`PodAdmission.admit`; one whose owner does not show up is a party of its own."""
        family = self.cores.family(core, pod.namespace, owner) if owner is not None else None
        return AddressRequest(pod, wish) if family is None else AddressRequest(family, wish, dependent=pod)

    def _allocations(self, scene: "_Scene", number: int) -> Iterator[Step]:
        """`AddressAllocation.allocate`. In conflict is what another party has as well, or may come to have."""
        cluster = scene.cluster
        allocations, _, robbed = self._asked(scene.replica.core, number)
        for request in robbed:
            yield Step("refuse", (request,), scene.after(self, scene.replica), refused=True)
        for allocation in allocations:
            slot, allocated = allocation.flight.slot, frozenset(allocation.flight.live.addresses)
            in_flight = frozenset(
                address
                for other, live, _ in cluster.flights
                if SLOTS[other].party != SLOTS[slot].party
                for address in live.addresses
            )
            expected = cluster.machine
            if self._cast.instances_count and expected is not None and slot == STRANGER:
                in_flight |= frozenset(expected.addresses)
            conflict = not allocated.isdisjoint(in_flight | self._others(cluster.objects, slot))
            if not conflict and allocation.asked == self._most:
                continue  # nothing can come of it any more
            after = cluster._replace(flights=(*cluster.flights, allocation.flight), asked=allocation.asked)
            state = scene.after(self, scene.replica._replace(core=allocation.core), cluster=after)
            yield Step("grant", allocation.details, state, conflict=conflict)

    # The views

    def _sightings(self, scene: "_Scene") -> Iterator[Step]:
        """`Follower.present` and `gone`, as the watch of each kind tells it."""
        replica = scene.replica
        for kind, log in enumerate(scene.cluster.logs):
            if replica.view[kind] < len(log):
                change = log[replica.view[kind]]
                seen = self._caught_up(self._told(replica, change, replica.view[kind] + 1))
                yield Step("see", (SLOTS[change.slot].key, change.live), scene.after(self, seen))

    def _told(self, replica: Replica, change: Change, version: int) -> Replica:
        slot, live = SLOTS[change.slot], change.live
        if live is None:
            core, sighted = self.cores.tell(replica.core, slot.key, None)
        else:
            holder = Holder(slot.key, live.uid, Party(*slot.key), live.addresses)
            core, sighted = self.cores.tell(replica.core, slot.key, holder, live.owner)
        kind = slot.kind
        replica = replica._replace(core=core, view=put(replica.view, kind, version))
        sighted = sighted and self._cast.acquisitions > 0  # it matters to successors only
        return replica._replace(sighted=put(replica.sighted, kind, version)) if sighted else replica

    def _listed(self, cluster: Cluster, replica: Replica) -> Replica:
        """Every object as it is now."""
        for slot, live in enumerate(cluster.objects):
            if live is not None:
                replica = self._told(replica, Change(slot, live, 0), len(cluster.logs[SLOTS[slot].kind]))
        return replica._replace(view=tuple(map(len, cluster.logs)))

    def _caught_up(self, replica: Replica) -> Replica:
        """`Presidency._catch_up`: it decides once its view of every kind is as new as the Lease asks."""
        reached = all(view >= asked for view, asked in zip(replica.view, replica.required, strict=True))
        if replica.part == CATCHING_UP and (reached or not self._laws.view_reaches_lease):
            return replica._replace(part=DECIDING, required=NONE_SEEN)
        return replica

    # Time

    def _passing_of_time(self, scene: "_Scene") -> Iterator[Step]:
        """`ReadBarrier.prove_if_due`: the bound has passed since a moment, and every view is proven to be past that."""
        cluster, replica = scene.cluster, scene.replica
        for moment, core, sighted in self.cores.pass_barrier(replica.core):
            came = self._came(cluster, moment)
            if any(at > view for at, view in zip(came, replica.view, strict=True)) and self._laws.proof_needs_view:
                continue
            left = tuple(flight for flight in cluster.flights if flight.allocation >= moment)
            proven = replica._replace(
                core=core,
                sighted=newest(replica.sighted, came) if sighted and self._cast.acquisitions else replica.sighted,
            )
            after = cluster._replace(flights=left) if self._laws.bound_before_proof else cluster
            yield Step("prove", (f"moment {moment}",), scene.after(self, proven, cluster=after))
        if self._cast.instances_count and replica.view[INSTANCE] < len(cluster.logs[INSTANCE]):
            return  # a view is not that late
        for core in self.cores.cool(replica.core):
            # An instance that the machine's controller is creating is on its way for less than a cool-down.
            after = cluster._replace(machine=None) if cluster.objects[MACHINE] is None else cluster
            yield Step("cool-down passes", (), scene.after(self, replica._replace(core=core), cluster=after))

    @staticmethod
    def _came(cluster: Cluster, moment: int) -> tuple[int, ...]:
        """By kind, the newest change that a view must have seen which is proven to be past the bound since a moment.

        That is by what was allocated up to then, or before the last of these allocations.
        """
        return tuple(
            max((at for at, change in enumerate(log, 1) if change.allocation < moment), default=0)
            for log in cluster.logs
        )

    # The Lease

    def _writes(self, scene: "_Scene", number: int) -> Iterator[Step]:
        """`Presidency.renew`, answered at once."""
        replica = scene.replica
        wishes = {_Wish((), 0)} | (self._asked(replica.core, number)[1] if replica.part == DECIDING else set())
        for wish in wishes:
            names, core = self.cores.write(replica.core, wish.addresses, wish.automatic)
            core = self.cores.confirm(core, names.reserved)
            written = _written(scene.lease, names.reserved, replica.sighted, names.last)
            if (core, written) != (replica.core, scene.lease):
                after = scene.after(self, replica._replace(core=core), lease=written)
                yield Step("write", (names.reserved, "for", wish.addresses), after)

    def _acquisitions(self, scene: "_Scene") -> Iterator[Step]:
        """`Elector._acquire`, by a replica that stands by; the leader steps down, or is gone."""
        lease, cluster, replica = scene.lease, scene.cluster, scene.replica
        moment = sum(cluster.asked)
        core = self.cores.acquire(replica.core, lease.reserved, lease.last, moment)
        taken = replica._replace(core=core, part=CATCHING_UP, required=lease.seen)
        others = [self._down(other) if other.part != STANDING_BY else other for other in scene.others]
        lease = lease._replace(acquisitions=lease.acquisitions + 1)
        state = self._state(lease, cluster, [self._caught_up(taken), *others])
        yield Step("take over", (f"in doubt: {len(lease.reserved)}",), state)

    def _down(self, replica: Replica) -> Replica:
        return replica._replace(core=self.cores.step_down(replica.core), part=STANDING_BY, required=NONE_SEEN)

    def _ends_of_deciding(self, scene: "_Scene") -> Iterator[Step]:
        """`Elector._hand_over`, or the end of the process; a new one takes its place."""
        replica = scene.replica
        names, core = self.cores.hand_over(replica.core)
        lease = _written(scene.lease, names.reserved, replica.sighted, names.last)
        down = replica._replace(core=core, part=STANDING_BY, required=NONE_SEEN)
        yield Step("hand over", (names.reserved,), scene.after(self, down, lease=lease))
        if not self._laws.successors_have_followed:
            yield Step("crash", (), scene.after(self, self._listed(scene.cluster, Replica(START))))
        elif scene.others:
            yield Step("crash", (), self._state(scene.lease, scene.cluster, scene.others))

    # States

    def _state(self, lease: Lease, cluster: Cluster, replicas: list[Replica]) -> State:
        """The state's numbers; what every replica has seen is forgotten."""
        old = tuple(min(replica.view[kind] for replica in replicas) for kind in range(len(KINDS)))
        if any(old):
            lease = lease._replace(seen=less(lease.seen, old))
            cluster = cluster._replace(logs=tuple(log[gone:] for log, gone in zip(cluster.logs, old, strict=True)))
            replicas = [
                each._replace(
                    view=less(each.view, old), sighted=less(each.sighted, old), required=less(each.required, old)
                )
                for each in replicas
            ]
        numbers = sorted(self._replicas.number(self._canonical(replica, lease)) for replica in replicas)
        return (self._leases.number(lease), self._clusters.number(cluster), *numbers)

    def _canonical(self, replica: Replica, lease: Lease) -> Replica:
        """Less what cannot matter any more."""
        sighted = tuple(0 if each <= told else each for each, told in zip(replica.sighted, lease.seen, strict=True))
        if sighted != replica.sighted:
            replica = replica._replace(sighted=sighted)
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
        self, world: MachineWorld, replica: Replica, *, lease: Lease | None = None, cluster: Cluster | None = None
    ) -> State:
        """The state in which the replica is another, and perhaps the Lease or the cluster."""
        return world._state(lease or self.lease, cluster or self.cluster, [replica, *self.others])


def _instance_of(machine: Live) -> Live:
    owner = OwnerReference(VIRTUAL_MACHINE, SLOTS[MACHINE].key.name, machine.uid)
    return Live(f"of-{machine.uid}", machine.addresses, owner)


def _changed(cluster: Cluster, change: Change) -> Cluster:
    kind = SLOTS[change.slot].kind
    logs = put(cluster.logs, kind, (*cluster.logs[kind], change))
    return cluster._replace(objects=put(cluster.objects, change.slot, change.live), logs=logs)


def _written(lease: Lease, reserved: frozenset[int], sighted: tuple[int, ...], last: int | None) -> Lease:
    return Lease(reserved, newest(lease.seen, sighted), lease.last if last is None else last, lease.acquisitions)
