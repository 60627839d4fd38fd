"""Clients that create pods, and delete the oldest so that there are never too many.

The benchmark's load generator is of no use here: what each create asked for, got, and how long it took is what it is
about.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from tests.support.cluster_client import NETWORKS, Reply

from chaos.causes import Failure
from chaos.claims import refused
from chaos.cluster import CREATED, NAMESPACE, PODS, PodRecord
from chaos.deeds import SHARED

if TYPE_CHECKING:
    from chaos.auditing import Auditor
    from chaos.claims import Claims
    from chaos.cluster import Cluster

# Behind its plan by more, the load does not try to make up for it.
CATCH_UP_SECONDS = 10.0
# After a request that was not answered, before the next.
PAUSE_SECONDS = 0.25
EXPLICIT_SHARE = 0.1
FIXED_SHARE = 0.3
GENERATED_SHARE = 0.2
SOUGHT_SHARE = 0.5
FIXED = "fixed-"
INTERFACES = 2
FORBIDDEN = 403
GONE = {200, 404, 409}  # deleted, deleted before, or another pod has the name now


class Plan(NamedTuple):
    """How much load."""

    clients: int
    rate: float
    """Creates a second, all clients together."""
    most_live: int
    explicit: tuple[str, ...]
    """The addresses that are asked for by name."""


class Request(NamedTuple):
    """A pod to be created."""

    name: str
    """Empty where the API server chooses it."""
    generate_name: str
    explicit: str
    """An address; empty for any."""

    @property
    def title(self) -> str:
        """As messages name it."""
        return f"Pod {NAMESPACE}/{self.name or self.generate_name + '*'}"

    def manifest(self) -> dict[str, object]:
        """Make the pod: two networks, and nobody to schedule it."""
        first = {"name": "net-a"} | ({"mac": self.explicit} if self.explicit else {})
        about = {"name": self.name} if self.name else {"generateName": self.generate_name}
        networks = msgspec.json.encode([first, {"name": "net-b"}]).decode()
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": about | {"annotations": {NETWORKS: networks}},
            "spec": {
                "schedulerName": "nobody",
                "automountServiceAccountToken": False,
                "containers": [{"name": "app", "image": "registry.k8s.io/pause:3.10"}],
            },
        }


def drawn(chance: random.Random, client: int, number: int, plan: Plan) -> Request:
    """Draw what a client asks for next."""
    unique = f"pod-{client}-{number}"
    if chance.random() < EXPLICIT_SHARE:
        if chance.random() < FIXED_SHARE:
            # Name and address for good, as the pods of a StatefulSet may have them; each belongs to one client.
            index = chance.choice(range(client, len(plan.explicit), plan.clients) or [0])
            return Request(f"{FIXED}{client}-{index}", "", plan.explicit[index])
        return Request(unique, "", chance.choice(plan.explicit))
    if chance.random() < GENERATED_SHARE:
        return Request("", f"{unique}-", "")
    return Request(unique, "", "")


class Load:
    """The clients, and what became of their creates."""

    def __init__(self, cluster: Cluster, auditor: Auditor, claims: Claims, plan: Plan, seed: int) -> None:
        """Send nothing yet."""
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.untruths: list[str] = []
        """Refusals that named somebody who did not have the address, and answers that gave no address."""
        self.longest = 0.0
        """Seconds that the slowest create took among those that were allocated or refused."""
        self.times: list[tuple[float, float]] = []
        """When each of them was sent, and how many seconds it took."""
        self._cluster = cluster
        self._auditor = auditor
        self._claims = claims
        self._plan = plan
        self._seed = seed
        self._due = time.monotonic()
        self._refusals: list[tuple[str, float, float]] = []
        self._under_way: dict[int, float] = {}
        self._deleting: set[str] = set()
        self._over = asyncio.Event()

    @property
    def creates(self) -> int:
        """How many creates have ended."""
        return self.counts.total()

    async def run(self) -> None:
        """Send until `end` is called, and finish what was begun."""
        self._due = time.monotonic()
        async with asyncio.TaskGroup() as clients:
            for client in range(self._plan.clients):
                clients.create_task(self._client(client))

    def end(self) -> None:
        """Begin nothing more."""
        self._over.set()

    async def quiet(self, moment: float) -> None:
        """Wait until every create that had begun by then has ended."""
        while any(began <= moment for began in self._under_way.values()):  # noqa: ASYNC110 (clients set no event)
            await asyncio.sleep(PAUSE_SECONDS)

    async def stir(self) -> None:
        """Create and delete a pod that asks for nothing, so that every watch has something to tell."""
        manifest = Request("stir", "", "").manifest() | {"metadata": {"name": "stir"}}
        for method, path, body in (("POST", PODS, manifest), ("DELETE", f"{PODS}/stir?gracePeriodSeconds=0", None)):
            await self._cluster.ask(method, path, body)

    def check_refusals(self) -> None:
        """Check whether refusals told the truth: a moment later, when their holders are known."""
        for message, sent, answered in self._refusals:
            if not self._claims.truthful(message, sent, answered):
                self.untruths.append(f"refused, and the holder does not have it: {message}")
        self._refusals.clear()

    async def _client(self, client: int) -> None:
        chance = random.Random(f"{self._seed}/{client}")  # noqa: S311 (to be replayed, not to be secret)
        number = 0
        while await self._turn():
            number += 1
            request = self._sought(drawn(chance, client, number, self._plan), chance)
            self._under_way[client] = time.monotonic()
            try:
                answered = await self._create(request)
            finally:
                del self._under_way[client]
            if not answered:
                await asyncio.sleep(PAUSE_SECONDS)
            while self._too_many() and not self._over.is_set() and await self._delete_oldest():
                pass

    def _sought(self, request: Request, chance: random.Random) -> Request:
        """Of those who ask for an address, some ask for one that a pod of the tenant's has, or had when it began."""
        if not request.explicit or request.name.startswith(FIXED) or chance.random() >= SOUGHT_SHARE:
            return request
        had = [address for address in self._auditor.interfaces() if address not in SHARED]
        return request._replace(explicit=chance.choice(had)) if had else request

    async def _turn(self) -> bool:
        """Wait for the time of the next create; False when there is to be none."""
        now = time.monotonic()
        self._due = max(self._due + 1 / self._plan.rate, now - CATCH_UP_SECONDS)
        if self._due > now:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._due - now)
        return not self._over.is_set()

    async def _create(self, request: Request) -> bool:
        """Create one pod; tells whether there was an answer."""
        if request.name.startswith(FIXED):  # the controller of a StatefulSet waits for the old pod to be gone
            await self._cluster.ask("DELETE", f"{PODS}/{request.name}?gracePeriodSeconds=0")
        claim = self._claims.begin(request.title, time.monotonic())
        answer = await self._cluster.ask("POST", PODS, request.manifest())
        outcome = self._judge(request, answer)
        self.counts[outcome] += 1
        if outcome == "failed":
            self.failures.append(
                Failure(request.title, answer.sent, answer.answered, answer.status, answer.message, request.explicit)
            )
        else:
            self.longest = max(self.longest, answer.answered - answer.sent)
            self.times.append((answer.sent, answer.answered - answer.sent))
            # A pod that was created is followed by the watch from here on; the others came to nothing.
            claim.addresses = self._addresses(answer) if outcome == "created" else frozenset()
        claim.ended = answer.answered
        return answer.status != 0

    @staticmethod
    def _addresses(answer: Reply) -> frozenset[str]:
        return msgspec.json.decode(answer.body, type=PodRecord).carrier().addresses

    def _judge(self, request: Request, answer: Reply) -> str:
        if answer.status == CREATED:
            carrier = msgspec.json.decode(answer.body, type=PodRecord).carrier()
            if len(carrier.addresses) != INTERFACES or (request.explicit and request.explicit not in carrier.addresses):
                self.untruths.append(f"{carrier.title} was created with {sorted(carrier.addresses)}: {request}")
            return "created"
        if answer.status == FORBIDDEN and refused(answer.message):
            self._refusals.append((answer.message, answer.sent, answer.answered))
            return "refused"
        if answer.reason == "AlreadyExists":
            return "exists"
        return "failed"

    async def _delete_oldest(self) -> bool:
        """Delete the pod that has been there longest; False when the API server did not."""
        oldest = next((pod for pod in self._auditor.live.values() if pod.uid not in self._deleting), None)
        if oldest is None:
            return False
        self._deleting.add(oldest.uid)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": oldest.uid}}
        answer = await self._cluster.ask("DELETE", f"{PODS}/{oldest.name}", options)
        if answer.status not in GONE:
            self._deleting.discard(oldest.uid)
            return False
        return True

    def _too_many(self) -> bool:
        self._deleting &= self._auditor.live.keys()  # the watch has told of the others
        return len(self._auditor.live) - len(self._deleting) > self._plan.most_live
