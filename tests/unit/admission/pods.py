"""Pods before the webhook: verdicts on them as the API server reads them."""

import json
from base64 import b64decode
from typing import Any, NamedTuple, cast

from tests.unit.doubles import (
    KeptMeasures,
    ManualClock,
    ReservingAtOnce,
    answer_of,
    new_admissions,
    new_allocator,
    new_policies,
    pod_review,
)

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.ports import Clock
from kubemacpool.settings import Settings
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.review import Answer

MAC1, MAC2, MAC3 = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")


class Verdict(NamedTuple):
    """An answer of status 200, read as the API server reads it."""

    allowed: bool
    networks: str | None
    warnings: list[str]
    code: int
    reason: str
    message: str


class Webhook:
    """The service for pods and everything around it. Nobody has an address to begin with."""

    def __init__(
        self,
        size: int = 10,
        cool_down: float = 120.0,
        *,
        default: ConflictPolicy = ConflictPolicy.REJECT,
        clock: Clock | None = None,
        pod_network: bool = False,
    ) -> None:
        self.clock = ManualClock()
        self.measures = KeptMeasures()
        self.allocator = allocator = new_allocator(size, cool_down)
        self.ledger = allocator.ledger
        self.reserving = ReservingAtOnce(allocator)
        self.policies = new_policies(default)
        self.population = Population(self.ledger)
        self.cluster_uid = "the cluster's uid"
        self.admission = new_admissions(
            allocator,
            self.reserving,
            self.policies,
            families=self.population.families,
            settings=Settings(pod_network=pod_network),
            measures=self.measures,
            clock=clock or self.clock,
        ).pods

    async def answer(self, body: bytes) -> Answer:
        """The answer as it goes over HTTP."""
        return await answer_of(self.admission, body)

    async def judge(self, networks: str | None, **metadata: Any) -> Verdict:  # noqa: ANN401 (as JSON has them)
        """The verdict on a pod with this annotation."""
        return read_verdict(await self.answer(pod_review(networks, **metadata)))

    def hold(self, name: str, *addresses: int, namespace: str = "ns1") -> None:
        """Show the ledger a pod that carries addresses."""
        key = ObjectKey("Pod", namespace, name)
        self.ledger.observe(Holder(key, f"uid of {name}", Party(*key), addresses), self.clock.now())


def read_verdict(answer: Answer) -> Verdict:
    """What the API server makes of an answer."""
    assert (answer.status, answer.content_type, answer.retry_after) == (200, "application/json", None)
    response = json.loads(answer.body)["response"]
    assert response["uid"] == "r1"
    networks = None
    if "patch" in response:
        [operation] = json.loads(b64decode(response["patch"]))
        assert operation["op"] == "replace"
        assert operation["path"] == "/metadata/annotations/k8s.v1.cni.cncf.io~1networks"
        networks = cast("str", operation["value"])
    status = response.get("status", {})
    return Verdict(
        response["allowed"],
        networks,
        response.get("warnings", []),
        status.get("code", 0),
        status.get("reason", ""),
        status.get("message", ""),
    )


UNTOUCHED = Verdict(allowed=True, networks=None, warnings=[], code=0, reason="", message="")
