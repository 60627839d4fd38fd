"""A whole simulated cluster: API server, replicas, what is between them, and users that create pods."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from tests.sim.admission import WEBHOOK_SECONDS
from tests.sim.api import ApiServer
from tests.sim.client import BRISK, hear_out
from tests.sim.loop import Process, SimulatedLoop
from tests.sim.machines import INSTANCES, MACHINES, VirtController
from tests.sim.replica import BOUND, NAMESPACE, SimulatedReplica
from tests.sim.store import ApiError, Backup, Change, Object, Place, Selection

from kubemacpool.core.addresses import format_address, parse_address
from kubemacpool.ports import PeerError
from kubemacpool.wire.config import RANGE_CONFIG_MAP, RANGE_END, RANGE_START
from kubemacpool.wire.lease import LEASE_NAME, new_lease
from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wire.review import Answer

BASE: Final = 0x02_00_00_00_01_00
USERS: Final = "users"
PODS: Final = f"/api/v1/namespaces/{USERS}/pods"
LEASES: Final = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
CONFIG_MAPS: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps"

LATER: Final = "sim/later"
"""Annotation: seconds that pass between the webhook's answer and the pod's being persisted."""

QUOTA: Final = "sim/quota"
"""Annotation: the pod is refused after the webhook has been asked."""

PROBE_SECONDS: Final = 1.0
BOOKMARK_SECONDS: Final = 10.0
HEARING_SECONDS: Final = 3.0
"""For everybody to hear of what has happened last."""

SETTLING_SECONDS: Final = 5 * BOUND


class Cluster:
    """Everything there is, under one clock.

    Attributes:
        loop: the clock, and what runs by it.
        replicas: all that were ever started.
        outcomes: how the creations of pods ended, counted.
        virt: what KubeVirt does.
        duplicates: each object that got an address which another party had, in words.
    """

    def __init__(self, seed: int, *, replicas: int, addresses: int) -> None:
        self.loop = SimulatedLoop()
        self.replicas: list[SimulatedReplica] = []
        self.outcomes: Counter[str] = Counter()
        self.duplicates: list[str] = []
        self.addresses = addresses
        self._rng = random.Random(seed)  # noqa: S311 (to be repeated, not to be secret)
        self._server = ApiServer(self._rng, bookmark_seconds=BOOKMARK_SECONDS)
        self._server.webhook = self._call_webhook
        self._server.before_persisting = self._before_persisting
        self._store = self._server.store
        self._users = Process("users")
        self._endpoints: list[SimulatedReplica] = []
        self._severed: set[frozenset[str]] = set()
        self._carriers: dict[int, dict[Place, str]] = {}
        self._creating = 0
        self._earliest_start = 0.0
        self._store.watching.append(self._check)
        self._do(self._server.create(LEASES, new_lease(NAMESPACE)))
        self._do(self._server.create(CONFIG_MAPS, _range_config_map(BASE + 1, BASE + addresses)))
        self.virt = VirtController(self._server, USERS, LATER, self._rng)
        self._virt = self.loop.spawn(self._server.process, self.virt.run())
        self._prober = self.loop.spawn(self._users, self._follow_readiness())
        for _ in range(replicas):
            self.start_replica()

    # What users do

    def create(
        self,
        name: str,
        wanted: Sequence[int | None],
        *,
        prefix: str = "",
        later: float = 0.0,
        quota: bool = False,
        dry_run: bool = False,
    ) -> "asyncio.Task[str]":
        """A user creates a pod; nobody waits for it.

        Args:
            name: the pod's; empty where the API server makes one of `prefix`.
            wanted: an item for each network: the address (by its number), or None for any.
            prefix: its `generateName`.
            later: seconds between the webhook's answer and the pod's being persisted.
            quota: whether it is refused after the webhook.
            dry_run: whether it is not persisted at all.
        """
        networks = [
            {"name": f"n{index}"} if number is None else {"name": f"n{index}", "mac": format_address(BASE + number)}
            for index, number in enumerate(wanted)
        ]
        annotations = {NETWORKS_ANNOTATION: msgspec.json.encode(networks).decode()}
        if later:
            annotations[LATER] = str(later)
        if quota:
            annotations[QUOTA] = "exceeded"
        reserved = {"name": name} if name else {"generateName": prefix}
        body = msgspec.json.encode({"metadata": {**reserved, "annotations": annotations}})
        path = f"{PODS}?dryRun=All" if dry_run else PODS
        self._creating += 1
        return self.loop.spawn(self._server.process, self._create(path, body))

    def delete(self, name: str) -> None:
        """A user deletes a pod."""
        self._server.delete(f"{PODS}/{name}")

    def complete(self, name: str) -> None:
        """A pod comes to its end by itself; it stays, and needs its addresses no more."""
        self._server.patch(f"{PODS}/{name}/status", b'{"status":{"phase":"Succeeded"}}')

    def pods(self) -> list[str]:
        """The names of the pods that there are."""
        return [place.name for place, _ in self._store.objects(Selection("pods"))]

    def create_machine(self, name: str, wanted: Sequence[int | None]) -> "asyncio.Task[str]":
        """A user creates a virtual machine that runs; nobody waits for it."""
        macs = ["" if number is None else format_address(BASE + number) for number in wanted]
        self._creating += 1
        creation = self._create(self.virt.path(MACHINES), self.virt.manifest(name, macs))
        return self.loop.spawn(self._server.process, creation)

    def run_machine(self, name: str, *, runs: bool) -> None:
        """A user starts or stops a machine."""
        strategy = b"Always" if runs else b"Halted"
        self._server.patch(self.virt.path(MACHINES, name), b'{"spec":{"runStrategy":"%b"}}' % strategy)

    def delete_machine(self, name: str) -> None:
        """A user deletes a machine; what belongs to it goes after it."""
        self._server.delete(self.virt.path(MACHINES, name))

    def use_range(self, first: int, last: int) -> None:
        """A user changes the range."""
        body = msgspec.json.encode({"data": _range(BASE + first, BASE + last)})
        self._server.patch(f"{CONFIG_MAPS}/{RANGE_CONFIG_MAP}", body)

    def delete_lease(self, *, make_anew: bool) -> None:
        """A user deletes the Lease, if it is there; and applies the release manifest after that.

        A process that begins within the bound after that cannot know that there was another Lease before. So none does
        here, and the manifest is applied only while every replica knows of the Lease that there was.
        """
        informed = all(replica.knows_of_lease for replica in self.living())
        try:
            self._server.delete(f"{LEASES}/{LEASE_NAME}")
        except ApiError:
            return
        if make_anew and informed:
            self._do(self._server.create(LEASES, new_lease(NAMESPACE)))
            self._earliest_start = self.loop.time() + BOUND

    # What goes wrong

    def start_replica(self) -> None:
        """One more."""
        replica = SimulatedReplica(f"replica-{len(self.replicas)}", self._server, self.loop, self._rng)
        self.replicas.append(replica)
        replica.start(_Peer(self, replica), after=max(0.0, self._earliest_start - self.loop.time()))

    def wait_for_service(self) -> None:
        """Returns when pods can be created."""
        assert self.loop.run_until(lambda: self.allocator() and self._endpoints, within=2 * BOUND)

    def living(self) -> list[SimulatedReplica]:
        """The replicas that are there, paused or not."""
        return [replica for replica in self.replicas if replica.runs]

    def allocator(self) -> SimulatedReplica | None:
        """The replica that the Lease lists."""
        lease = self._store.find(Place("leases", NAMESPACE, LEASE_NAME)) or {}
        holder = lease.get("spec", {}).get("holderIdentity")
        return next((replica for replica in self.living() if replica.name == holder), None)

    def sever(self, one: SimulatedReplica, other: SimulatedReplica) -> None:
        """These two do not reach each other."""
        self._severed.add(frozenset((one.name, other.name)))

    def back_up(self) -> Backup:
        """A user saves what the API server keeps."""
        return self._store.back_up()

    def restore(self, backup: Backup) -> None:
        """A user puts that back: what was deleted since then exists again, and what was made does not."""
        self._server.restore(backup)
        self._carriers.clear()
        for plural in ("pods", MACHINES, INSTANCES):
            for place, content in self._store.objects(Selection(plural)):
                for address in _carried(place, content):
                    self._carriers.setdefault(address, {})[place] = _party(place, content)

    def forget_history(self) -> None:
        """The API server remembers no old resourceVersions any more."""
        self._server.forget_history()

    def heal(self) -> None:
        """Everything is as it should be from now on, though what has happened has happened."""
        self._severed.clear()
        for replica in self.living():
            link = replica.client.link
            link.whole, link.refusing, link.latency, link.answers_to_lose = True, False, BRISK, 0
            link.held.clear()
            link.changed()
            if replica.process.paused:
                replica.process.resume(self.loop)
        if not [replica for replica in self.living() if not replica.leaving]:
            self.start_replica()

    # What must hold

    def check(self) -> None:
        """What holds at every moment."""
        assert not self.duplicates, self.duplicates[0]
        assert not self.loop.faults, self.loop.faults[0]
        for replica in self.living():
            assert replica.failure is None, f"{replica.name}: {replica.failure!r}"

    def check_settled(self) -> None:
        """What holds once everything is healed and the bounds have passed: nothing has leaked, and pods are created."""
        self.heal()
        self.loop.run(HEARING_SECONDS)
        settled = self.loop.run_until(lambda: not list(self._unsettled()), within=SETTLING_SECONDS)
        assert settled, "; ".join(self._unsettled())
        self.check()
        self._check_creation()
        self.check()

    def close(self) -> None:
        """End everything."""
        for replica in self.replicas:
            replica.process.resume(self.loop)
        self.loop.finish()

    # How it works

    def reach(self, caller: SimulatedReplica, endpoint: str) -> SimulatedReplica | None:
        """The replica of that endpoint, if the caller's connections get there."""
        found = next((replica for replica in self.replicas if replica.endpoint == endpoint), None)
        return None if found is None or frozenset((caller.name, found.name)) in self._severed else found

    async def ask(self, replica: SimulatedReplica, path: str, body: bytes, *, forwarded: bool) -> Answer:
        """What a replica answers to a review.

        Raises:
            ConnectionError: it is gone, or went while it was asked.
        """
        await asyncio.sleep(self._rng.uniform(*BRISK))
        if not replica.runs:
            raise ConnectionError(f"{replica.name}: connection refused")
        patience = None if forwarded else WEBHOOK_SECONDS
        answering = self.loop.spawn(replica.process, replica.answer(path, body, patience, forwarded=forwarded))
        gone = asyncio.ensure_future(replica.gone.wait())
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not answering.done():
            raise ConnectionError(f"{replica.name}: connection reset")
        answer = answering.result()
        await asyncio.sleep(self._rng.uniform(*BRISK))
        return answer

    async def _call_webhook(self, path: str, body: bytes) -> Answer:
        """To a replica that is in service, as far as is known."""
        if not self._endpoints:
            raise ConnectionError("no endpoints available")
        return await self.ask(self._rng.choice(self._endpoints), path, body, forwarded=False)

    async def _follow_readiness(self) -> None:
        """The kubelet and the Service: what is ready is in service a little later, and so is what is not."""
        while True:
            self._endpoints = [replica for replica in self.replicas if replica.ready]
            await asyncio.sleep(PROBE_SECONDS)

    async def _before_persisting(self, content: Object) -> None:
        annotations: Mapping[str, str] = content["metadata"].get("annotations", {})
        if QUOTA in annotations:
            raise ApiError(403, "Forbidden", "exceeded quota")
        await asyncio.sleep(float(annotations.get(LATER, "0")))

    async def _create(self, path: str, body: bytes) -> str:
        try:
            await self._server.create(path, body)
        except ApiError as error:
            outcome = f"{error.code}: {error}"
            self.outcomes[str(error.code)] += 1
        else:
            outcome = "201"
            self.outcomes[outcome] += 1
        finally:
            self._creating -= 1
        return outcome

    def _check(self, change: Change) -> None:
        """The promise: two parties never have one address."""
        place = change.place
        if place.plural not in {"pods", MACHINES, INSTANCES}:
            return
        for address in _carried(place, change.before):
            self._carriers.get(address, {}).pop(place, None)
        for address in _carried(place, change.after):
            there = self._carriers.setdefault(address, {})
            party = _party(place, change.after or {})
            others = [other.name for other, its in there.items() if its != party]
            if others:
                what = f"{format_address(address)} is that of {', '.join(sorted(others))}, and {place.name} got it too"
                self.duplicates.append(f"{what} ({self.loop.time():.3f})")
            there[place] = party

    def _unsettled(self) -> Iterator[str]:
        """What is not as it should be after a while."""
        if self._creating:
            yield f"{self._creating} pods are still being created"
        if not self._endpoints or self._endpoints != self.living():
            yield "the Service does not have the right endpoints"
        yield from self.virt.unsettled()
        leading = [replica for replica in self.living() if replica.leading]
        if len(leading) != 1:
            yield f"{len(leading)} replicas decide"
        held = {address for address, places in self._carriers.items() if places}
        for replica in self.living():
            if replica.leaving:
                yield f"{replica.name} has not ended"
            elif replica.allocator is None:
                yield f"{replica.name} does not know the range"
            else:
                ledger = replica.allocator.ledger
                free = ledger.pool.size - sum(address in ledger.pool for address in held)
                if (ledger.held_count, ledger.free_count) != (len(held), free):
                    counts = f"{ledger.in_flight_count} in flight, {ledger.in_doubt_count} in doubt"
                    yield (
                        f"{replica.name}: {ledger.held_count} held of {len(held)}, {ledger.free_count} free of {free} "
                        f"({counts}, {ledger.cooling_count} cooling)"
                    )

    def _check_creation(self) -> None:
        """A pod is created, unless the pool is full."""
        (leading,) = [replica for replica in self.living() if replica.leading]
        assert leading.allocator is not None
        free = leading.allocator.ledger.free_count
        creation = self.create("the-last", (None,))
        self.loop.run_until(creation.done, within=WEBHOOK_SECONDS + 1)
        outcome = creation.result()
        assert (outcome == "201") if free else ("exhausted" in outcome), outcome

    def _do(self, work: "asyncio.Future[bytes] | object") -> None:
        self.loop.run_until_complete(work)  # type: ignore[arg-type]


class _Peer:
    """How one replica reaches the others (implements `Peer`)."""

    def __init__(self, cluster: Cluster, caller: SimulatedReplica) -> None:
        self._cluster = cluster
        self._caller = caller

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """The other replica's answer to a review."""
        asking = self._cluster.loop.spawn(self._cluster._users, self._ask(endpoint, path, body))
        asking.add_done_callback(hear_out)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(asking)
        except (ConnectionError, TimeoutError) as error:
            raise PeerError(f"replica {endpoint} gave no answer: {str(error) or 'TimeoutError'}") from error

    async def _ask(self, endpoint: str, path: str, body: bytes) -> Answer:
        other = self._cluster.reach(self._caller, endpoint)
        if other is None:
            raise ConnectionError("no route to host")
        return await self._cluster.ask(other, path.partition("?")[0], body, forwarded=True)


def _range(first: int, last: int) -> dict[str, str]:
    return {RANGE_START: format_address(first), RANGE_END: format_address(last)}


def _range_config_map(first: int, last: int) -> bytes:
    return msgspec.json.encode({"metadata": {"name": RANGE_CONFIG_MAP}, "data": _range(first, last)})


def _carried(place: Place, content: Object | None) -> list[int]:
    """The addresses that an object has and needs."""
    if content is None:
        return []
    if place.plural == "pods":
        if content["status"]["phase"] in {"Succeeded", "Failed"}:
            return []
        networks = msgspec.json.decode(content["metadata"]["annotations"][NETWORKS_ANNOTATION])
        return [parse_address(network["mac"]) for network in networks]
    spec = content["spec"]["template"]["spec"] if place.plural == MACHINES else content["spec"]
    return [parse_address(each["macAddress"]) for each in spec["domain"]["devices"]["interfaces"]]


def _party(place: Place, content: Object) -> str:
    """Who may have an address together: a machine is one with its instance and its launcher pods."""
    owners = content["metadata"].get("ownerReferences", [])
    if place.plural == "pods" and not owners:
        return f"pod {place.name}"
    return f"machine {owners[0]['name'] if owners else place.name}"
