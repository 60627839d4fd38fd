"""What stands in for the outside: a clock driven by hand, figures and warnings that are kept, a scripted read."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence

from tests.support.outside import NoPeer

from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.machines import KnownMachines
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.admission.webhook import Handler, Webhook
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import Unreserved
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.transport import WritingTransport
from kubemacpool.ports import (
    Choice,
    Clock,
    Followed,
    Forwarding,
    Leadership,
    Measures,
    Outcome,
    RefusalReason,
    Regarding,
    RetryLaterError,
)
from kubemacpool.settings import Settings
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wire.review import Answer
from kubemacpool.wiring import Admissions, Known, Outside, admissions, new_webhooks

FIRST = 0x02_00_00_00_00_01
BOUND = 120.0


def need(addresses: Iterable[int], automatic: int, namespace: str = "default") -> Unreserved:
    """What a request waits for."""
    return Unreserved(tuple(addresses), automatic, Party(POD, namespace, "web"))


class ManualClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        """Seconds."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


class KeptMeasures:
    """Remembers every figure."""

    def __init__(self) -> None:
        self.admissions: list[tuple[Outcome, float]] = []
        self.forwardings: list[Forwarding] = []
        self.ranges: list[bool] = []
        self.unreadables: list[str] = []
        self.events_dropped: list[str] = []
        self.aside: dict[str, int] = {}
        self.restarts: list[str] = []
        self.refusals: list[RefusalReason] = []
        self.allocations: list[tuple[Choice, int]] = []
        self.followed: dict[str, Followed] = {}

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""
        self.admissions.append((outcome, seconds))

    def refused(self, reason: RefusalReason) -> None:
        """One object was refused."""
        self.refusals.append(reason)

    def allocated(self, choice: Choice, addresses: int) -> None:
        """Addresses were allocated."""
        self.allocations.append((choice, addresses))

    def follow(self, resource: str, followed: Followed) -> None:
        """A resource is followed."""
        self.followed[resource] = followed

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was handed on."""
        self.forwardings.append(outcome)

    def range_judged(self, *, valid: bool) -> None:
        """The range was judged."""
        self.ranges.append(valid)

    def unreadable(self, kind: str) -> None:
        """An object was passed over."""
        self.unreadables.append(kind)

    def event_dropped(self, reason: str) -> None:
        """An Event was dropped."""
        self.events_dropped.append(reason)

    def set_aside(self, kind: str, objects: int) -> None:
        """So many are set aside."""
        self.aside[kind] = objects

    def task_restarted(self, task: str) -> None:
        """A task was started again."""
        self.restarts.append(task)


class KeptEvents:
    """Remembers every warning."""

    def __init__(self) -> None:
        self.warnings: list[tuple[Regarding, str, str]] = []

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """One warning."""
        self.warnings.append((regarding, reason, message))


class ScriptedRead:
    """A consistent read whose answers, or errors, are given beforehand; it may be held until it is let go."""

    def __init__(self, answers: Sequence[int | Exception] = ()) -> None:
        self.answers = list(answers)
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def newest_resource_version(self) -> int:
        """The next answer."""
        self.begun.set()
        await self.let_go.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class NobodyLeads:
    """No leader is known, and nothing changes that (implements `Leadership`)."""

    def __init__(self) -> None:
        self.leading = False
        self.leader_endpoint: str | None = None
        self.out_of_touch = False

    @property
    def seconds_since_renewal(self) -> float:
        """Long ago."""
        return 100.0

    async def until_changed(self, seconds: float) -> None:
        """Nothing changes."""
        await asyncio.sleep(seconds)

    def check(self) -> None:
        """Never returns."""
        raise RetryLaterError("no replica leads at this moment")

    def extend_soon(self) -> None:
        """There is no block."""

    async def reserve(self, unreserved: Unreserved) -> None:
        """There is no Lease."""
        raise RetryLaterError(f"nobody can reserve {unreserved.addresses}")


class ReservingAtOnce(NobodyLeads):
    """A Lease that is ours and says what we want, unless there is an obstacle (implements `Leadership`)."""

    def __init__(self, allocator: Allocator) -> None:
        super().__init__()
        self.leading = True
        self.obstacle = ""
        self.reserved: list[tuple[tuple[int, ...], int]] = []
        """What was asked for."""
        self.extensions = 0
        """How often it was said that the block is short."""
        self._allocator = allocator
        allocator.acquire((), None, 0.0)

    def check(self) -> None:
        """Returns unless there is an obstacle."""
        if self.obstacle:
            raise RetryLaterError(self.obstacle)

    def extend_soon(self) -> None:
        """Counts."""
        self.extensions += 1

    async def reserve(self, unreserved: Unreserved) -> None:
        """One write, confirmed at once."""
        self.reserved.append((unreserved.addresses, unreserved.automatic))
        update = self._allocator.next_update(unreserved.addresses, unreserved.automatic)
        self._allocator.reservations.begin_write(update.reserved)
        await asyncio.sleep(0)
        self._allocator.reservations.confirm(update.reserved)


class ReadOnly:
    """The writes of a `WritingTransport` to which nothing is written."""

    async def create(self, path: str, body: bytes) -> bytes:
        """Never called."""
        raise AssertionError(f"created at {path}: {body!r}")

    async def patch(self, path: str, body: bytes, *, content_type: str, dry_run: bool = False) -> bytes:
        """Never called."""
        raise AssertionError(f"patched {path} with {content_type}, dry run {dry_run}: {body!r}")


def new_outside(
    client: WritingTransport,
    *,
    measures: Measures | None = None,
    clock: Clock | None = None,
    readiness: Readiness | None = None,
) -> Outside:
    """What a replica meets: an API server, and nobody else."""
    measures, clock, readiness = measures or KeptMeasures(), clock or ManualClock(), readiness or Readiness()
    answering = new_webhooks(readiness, measures, clock)
    return Outside(client, NoPeer(), KeptEvents(), measures, clock, readiness, "the cluster's uid", answering)


def new_admissions(
    allocator: Allocator,
    leadership: Leadership,
    policies: NamespacePolicies,
    *,
    families: Families | None = None,
    machines: KnownMachines | None = None,
    settings: Settings | None = None,
    measures: Measures | None = None,
    clock: Clock | None = None,
) -> Admissions:
    """What judges objects, put together as in the program; all machines are known unless something else is said."""
    machines = machines or KnownMachines(complete=lambda: True, look_soon=lambda: None)
    known = Known(
        allocator, leadership, policies, families or Families(), machines, "the cluster's uid", lambda _: None
    )
    return admissions(known, settings or Settings(), measures or KeptMeasures(), clock or ManualClock())


async def answer_of(handler: Handler, body: bytes) -> Answer:
    """What goes over HTTP where a handler judges a review, at a replica that leads."""
    leadership, clock = NobodyLeads(), ManualClock()
    leadership.leading = True
    webhook = Webhook("/path", Readiness(), KeptMeasures(), clock)
    webhook.serve(handler, leadership, Forwarder(leadership, NoPeer(), clock))
    return await webhook.answer(body, 10.0, forwarded=False)


def small_pool(size: int) -> Pool:
    """A pool of so many addresses, from 02:00:00:00:00:01."""
    return Pool([AddressRange(FIRST, FIRST + size - 1)])


def new_ledger(size: int = 10, cool_down: float = BOUND) -> Ledger:
    """An empty ledger over a small pool."""
    return Ledger(small_pool(size), in_flight_bound=BOUND, cool_down=cool_down)


def new_allocator(size: int = 10, cool_down: float = BOUND) -> Allocator:
    """A leader over a small pool."""
    return Allocator(new_ledger(size, cool_down))


def new_policies(default: ConflictPolicy = ConflictPolicy.REJECT, limit: int | None = None) -> NamespacePolicies:
    """What is known of namespaces: none has a policy of its own."""
    return NamespacePolicies(default, Readiness(), lambda: limit)


def pod_review(
    networks: str | None,
    *,
    uid: str = "r1",
    dry_run: bool = False,
    annotations: Mapping[str, str | None] | None = None,
    **metadata: object,
) -> bytes:
    """A review of a pod in namespace `default`, named `samplepod` unless the metadata say otherwise."""
    reserved = {} if metadata.keys() & {"name", "generateName"} else {"name": "samplepod"}
    asked_for = {} if networks is None else {NETWORKS_ANNOTATION: networks}
    return json.dumps(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": uid,
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "operation": "CREATE",
                "namespace": "default",
                "dryRun": dry_run,
                "object": {"metadata": {**reserved, **metadata, "annotations": {**asked_for, **(annotations or {})}}},
            },
        }
    ).encode()
