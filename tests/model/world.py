"""The cluster around a decider: objects, admissions in flight, and views that lag.

Time is modelled as far as the rules need it. Grants are numbered, and the number tells the moment. The bound of a grant
can have passed exactly when no admission granted up to then is in flight any more; a cool-down can pass at any time. A
view is told of one object at a time, in the order of its changes, as late as it likes; a relist passes over some.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

from tests.model.core_states import START, CoreStates

from kubemacpool.core.addresses import format_address
from kubemacpool.core.decisions import AddressRequest, Granted
from kubemacpool.core.parties import Holder, ObjectKey, Party

ItemT = TypeVar("ItemT")


class Creator(NamedTuple):
    """A user, or a controller, that creates pods.

    Attributes:
        name: the name of its pods; what the API server will come to, for one that sends `generate_name`.
        creations: how often it may ask, granted or not persisted; more than one while the first is under way as well.
        wishes: what it may ask for each time: one item an interface, None for any address.
        generate_name: the prefix that it sends instead of a name.
    """

    name: str
    creations: int
    wishes: tuple[tuple[int | None, ...], ...]
    generate_name: str = ""


class Laws(NamedTuple):
    """What the caller of the core must keep to; a mutant leaves out one."""

    bound_before_proof: bool = True
    proof_needs_view: bool = True
    terminating_still_holds: bool = True


EVERY_LAW: Final = Laws()


class Live(NamedTuple):
    """An object in the cluster; the number of its grant is its uid."""

    grant: int
    addresses: tuple[int, ...]
    terminating: bool = False


class Flight(NamedTuple):
    """An admission that was granted and may yet be persisted."""

    name: int
    addresses: tuple[int, ...]
    grant: int


class Replica(NamedTuple):
    """A decider and what it has yet to be told: of each name, the states since the one that it knows."""

    core: int
    untold: tuple[tuple[Live | None, ...], ...]


class State(NamedTuple):
    """Everything, as a value; what has an item per name or per creator is in the world's order."""

    objects: tuple[Live | None, ...]
    flights: tuple[Flight, ...]
    asked: tuple[int, ...]
    replicas: tuple[Replica, ...]


class Step(NamedTuple):
    """What happened; `duplicate` when two parties hold one address after it."""

    what: str
    details: tuple[object, ...]
    state: State
    duplicate: bool = False

    def __str__(self) -> str:
        return f"{self.what} {' '.join(map(_text, self.details))}"


class World:
    """The steps that lead from one state to the next."""

    def __init__(
        self,
        cores: CoreStates,
        creators: tuple[Creator, ...],
        *,
        laws: Laws = EVERY_LAW,
        grace: bool = False,
        grants_a_moment: int = 1,
    ) -> None:
        """Take the actors of a world.

        Args:
            cores: the core under test.
            creators: who creates pods.
            laws: what the core's caller keeps to.
            grace: whether an object may be terminating for a while.
            grants_a_moment: how many grants are made before the clock moves on.
        """
        self.cores = cores
        self._creators = creators
        self._laws = laws
        self._grace = grace
        self._grants_a_moment = grants_a_moment
        self._names = sorted({creator.name for creator in creators})
        self._keys = [ObjectKey("Pod", "ns", name) for name in self._names]

    def start(self) -> State:
        """Nothing exists and nobody has asked."""
        nothing = (None,) * len(self._names)
        view = Replica(START, ((),) * len(self._names))
        return State(nothing, (), (0,) * len(self._creators), (view,))

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        for number in range(len(state.replicas)):
            yield from self._requests(state, number)
            yield from self._sightings(state, number)
            yield from self._passing_of_time(state, number)
        yield from self._ends_of_flights(state)
        for name, live in enumerate(state.objects):
            if live is not None:
                yield from self._ends_of_holding(state, name, live)

    def drained(self, replica: Replica) -> int:
        """The core's state once everything was deleted and told, and every bound and cool-down has passed."""
        core = replica.core
        for name, untold in enumerate(replica.untold):
            for live in (*untold, None):
                core = self._told(core, name, live)
        for _, proven in self.cores.prove(core)[-1:]:
            core = proven
        for cooled in self.cores.cool(core)[-1:]:
            core = cooled
        return core

    def _moment(self, grant: int) -> int:
        return grant // self._grants_a_moment

    def _requests(self, state: State, number: int) -> Iterator[Step]:
        replica = state.replicas[number]
        grant = sum(state.asked)
        for each, creator in enumerate(self._creators):
            count = state.asked[each]
            if count == creator.creations:
                continue
            name = creator.name if not creator.generate_name else ""
            party = Party("Pod", "ns", name, creator.generate_name, f"request-{each}-{count}" if not name else "")
            for wish in creator.wishes:
                decision, core = self.cores.decide(replica.core, AddressRequest(party, wish), self._moment(grant))
                if isinstance(decision, Granted):
                    flight = Flight(self._names.index(creator.name), decision.addresses, grant)
                    granted = self._with_replica(state, number, Replica(core, replica.untold))
                    yield Step(
                        "grant",
                        (party, wish, decision.addresses),
                        granted._replace(
                            flights=tuple(sorted((*state.flights, flight))), asked=_put(state.asked, each, count + 1)
                        ),
                    )

    def _sightings(self, state: State, number: int) -> Iterator[Step]:
        replica = state.replicas[number]
        for name, untold in enumerate(replica.untold):
            for passed, live in enumerate(untold):  # more than 0 are passed over by a relist
                core = self._told(replica.core, name, live)
                told = Replica(core, _put(replica.untold, name, untold[passed + 1 :]))
                yield Step("see", (self._names[name], live), self._with_replica(state, number, told))

        for holder in self.cores.states[
            replica.core
        ].holders:  # any change of the object, and every relist, tells it again
            core = self.cores.tell(replica.core, holder.key, holder)
            again = Replica(core, replica.untold)
            yield Step("see again", (holder.key.name, holder.uid), self._with_replica(state, number, again))

    def _passing_of_time(self, state: State, number: int) -> Iterator[Step]:
        replica = state.replicas[number]
        for moment, core in self.cores.prove(replica.core):
            if self._laws.bound_before_proof and any(self._moment(each.grant) <= moment for each in state.flights):
                continue
            if self._laws.proof_needs_view and any(self._moment(grant) <= moment for grant in self._unseen(replica)):
                continue
            yield Step("prove", (moment,), self._with_replica(state, number, Replica(core, replica.untold)))
        for core in self.cores.cool(replica.core):
            yield Step("cool-down passes", (), self._with_replica(state, number, Replica(core, replica.untold)))

    def _ends_of_flights(self, state: State) -> Iterator[Step]:
        for index, flight in enumerate(state.flights):
            landed = state._replace(flights=state.flights[:index] + state.flights[index + 1 :])
            yield Step("drop", flight, landed)
            if state.objects[flight.name] is None:  # one object of a name at a time
                live = Live(flight.grant, flight.addresses)
                held = {address for other in state.objects if other is not None for address in other.addresses}
                yield Step(
                    "persist",
                    (self._names[flight.name], live),
                    self._changed(landed, flight.name, live),
                    duplicate=not held.isdisjoint(flight.addresses),
                )

    def _ends_of_holding(self, state: State, name: int, live: Live) -> Iterator[Step]:
        what = self._names[name]
        yield Step("delete", (what,), self._changed(state, name, None))
        if self._grace and not live.terminating:
            yield Step("terminate", (what,), self._changed(state, name, live._replace(terminating=True)))
        if live.addresses:
            yield Step("complete", (what,), self._changed(state, name, live._replace(addresses=())))
        if len(live.addresses) > 1:
            for index in range(len(live.addresses)):
                left = live.addresses[:index] + live.addresses[index + 1 :]
                yield Step("change to", (what, left), self._changed(state, name, live._replace(addresses=left)))

    def _changed(self, state: State, name: int, live: Live | None) -> State:
        """An object appears, changes or goes, and every replica has one thing more to be told."""
        replicas = tuple(
            Replica(replica.core, _put(replica.untold, name, (*replica.untold[name], live)))
            for replica in state.replicas
        )
        return State(_put(state.objects, name, live), state.flights, state.asked, replicas)

    def _told(self, core: int, name: int, live: Live | None) -> int:
        """As production tells it: an object that has completed or carries nothing any more has vanished."""
        key = self._keys[name]
        if live is None or not live.addresses or (live.terminating and not self._laws.terminating_still_holds):
            return self.cores.tell(core, key, None)
        return self.cores.tell(core, key, Holder(key, str(live.grant), Party(*key), live.addresses))

    def _unseen(self, replica: Replica) -> Iterator[int]:
        """Grants whose objects were persisted, and of which the replica has yet to see anything."""
        known = {holder.uid for holder in self.cores.states[replica.core].holders}
        for untold in replica.untold:
            for live in untold:
                if live is not None and str(live.grant) not in known:
                    yield live.grant

    @staticmethod
    def _with_replica(state: State, number: int, replica: Replica) -> State:
        return State(state.objects, state.flights, state.asked, _put(state.replicas, number, replica))


def _text(detail: object) -> str:
    match detail:
        case int() if detail >> 40:
            return format_address(detail)
        case Live(grant, addresses, terminating):
            return f"(uid {grant}{', terminating' if terminating else ''}) {_text(addresses)}"
        case tuple() if type(detail) is tuple:
            return f"[{', '.join(map(_text, detail))}]"
        case _:
            return str(detail)


def _put(row: tuple[ItemT, ...], index: int, item: ItemT) -> tuple[ItemT, ...]:
    return (*row[:index], item, *row[index + 1 :])
