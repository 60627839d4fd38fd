"""The webhook in this process: the same admissions, on a ledger of what was read, for whoever asks at a terminal."""

import base64
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import structlog

from kubemacpool.admission.allocation import AddressAllocation
from kubemacpool.admission.handler import Admission
from kubemacpool.admission.machines import InstanceAdmission, KnownMachines, MachineAdmission
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pods import Place, PodAdmission
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party
from kubemacpool.core.pool import Pool
from kubemacpool.core.population import Population
from kubemacpool.core.requests import Unreserved
from kubemacpool.follow.readiness import Readiness
from kubemacpool.settings import DEFAULT_WAIT_TIME, Settings
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.machines import decoders
from kubemacpool.wire.objects import CarriedAddresses, Decoded, UnreadableObjectError
from kubemacpool.wire.pods import PodDecoder

if TYPE_CHECKING:
    from kubemacpool.ports import Measures

API_VERSION: Final = "admission.k8s.io/v1"
_GROUPS: Final = {POD: "", VIRTUAL_MACHINE: "kubevirt.io", VIRTUAL_MACHINE_INSTANCE: "kubevirt.io"}

Json = dict[str, Any]


class Judgement(NamedTuple):
    """What the webhook would answer.

    Attributes:
        allowed: whether it says yes.
        patch: what it would change, as a JSON patch.
        warnings: for the user.
        message: why not.
        code: HTTP status of a no.
    """

    allowed: bool
    patch: list[Json]
    warnings: list[str]
    message: str = ""
    code: int = 200


class _Clock:
    """The machine's own."""

    def now(self) -> float:
        """Seconds since a fixed moment."""
        return time.monotonic()


class _NoMeasures:
    """Figures are nobody's here."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever is measured, it is not."""
        return _ignore


def _ignore(*_: object, **__: object) -> None:
    """Nothing."""


class _AlwaysLeading:
    """Leads, for nobody else does: what is asked for is reserved at once, in no Lease."""

    leading = True
    leader_endpoint = None
    out_of_touch = False
    seconds_since_renewal = 0.0

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator

    async def until_changed(self, seconds: float) -> None:
        """Nothing changes."""

    def check(self) -> None:
        """It may allocate."""

    def extend_soon(self) -> None:
        """What is needed is reserved when it is."""

    async def reserve(self, unreserved: Unreserved) -> None:
        """Reserve it."""
        update = self._allocator.next_update(unreserved.addresses, unreserved.automatic)
        self._allocator.reservations.confirm(update.reserved)


def quiet() -> None:
    """Have the log of what decides written nowhere: whoever calls a command reads its answer."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class Desk:
    """The pool and who holds what of it, and the admissions that judge on it.

    Attributes:
        ledger: who has which address.
        faults: of objects that could not be read, by object.
    """

    def __init__(
        self,
        pool: Pool,
        settings: Settings | None = None,
        *,
        cluster_uid: str = "",
        namespace_limit: int | None = None,
    ) -> None:
        """Know of nobody yet.

        Args:
            pool: what may be given.
            settings: of the installation, as far as they are known.
            cluster_uid: of the cluster, from which preferred addresses are derived.
            namespace_limit: how many addresses a namespace may have.
        """
        settings = settings or Settings()
        self.ledger = Ledger(pool, in_flight_bound=DEFAULT_WAIT_TIME, cool_down=0)
        self.population = Population(self.ledger)
        self.faults: dict[ObjectKey, str] = {}
        self.allocator = Allocator(self.ledger)
        self.allocator.acquire((), None, time.monotonic(), first=True)
        self.policies = NamespacePolicies(
            ConflictPolicy(settings.conflict_policy), Readiness(), lambda: namespace_limit
        )
        self._admissions = self._assembled(settings, cluster_uid)
        machine, instance = decoders(settings.passed_over_networks)
        self._decoders: Mapping[str, Callable[[bytes], Decoded[CarriedAddresses]]] = {
            POD: PodDecoder(pod_network=settings.pod_network),
            VIRTUAL_MACHINE: machine,
            VIRTUAL_MACHINE_INSTANCE: instance,
        }

    def observe(self, kind: str, raw: bytes, key: ObjectKey | None = None) -> Holder | None:
        """Take an object in; None where it has no address and nobody belongs to it.

        Args:
            kind: of the object.
            raw: the object as the API server has it.
            key: in whose place it counts, where that is not its own.

        Raises:
            msgspec.ValidationError: it is no object.
        """
        try:
            identity, version, item, _ = self._decoders[kind](raw)
        except UnreadableObjectError as error:
            where = key or ObjectKey(kind, error.identity.namespace, error.identity.name)
            self.faults[where] = error.reason
            return None
        if item is None:
            return None
        key = key or ObjectKey(kind, identity.namespace, identity.name)
        if item.fault:
            self.faults[key] = item.fault
        holder = Holder(key, identity.uid, Party(*key), item.addresses, attached=item.attached)
        self.population.see(holder, item.owner, time.monotonic(), version)
        return self.ledger.holder(key)

    async def judge(
        self, kind: str, namespace: str, content: Json, old: Json | None = None, *, dry_run: bool = False
    ) -> Judgement:
        """Ask the admission of a kind whether an object may be created, or changed to this.

        Args:
            kind: of the object.
            namespace: where it is to be.
            content: the object.
            old: what it was before.
            dry_run: whether nothing of the answer is kept in mind.

        Raises:
            RetryLaterError: there is no answer, because a bound is reached.
            ReviewError: it is not an object of that kind.
        """
        request = {
            "uid": "here",
            "kind": {"group": _GROUPS[kind], "kind": kind},
            "operation": "CREATE" if old is None else "UPDATE",
            "namespace": namespace,
            "dryRun": dry_run,
            "object": content,
            "oldObject": old,
        }
        review = {"apiVersion": API_VERSION, "kind": "AdmissionReview", "request": request}
        answer = msgspec.json.decode(await self._admissions[kind].answer(msgspec.json.encode(review)))["response"]
        status = answer.get("status", {})
        patch = msgspec.json.decode(base64.b64decode(answer["patch"])) if "patch" in answer else []
        return Judgement(
            answer["allowed"], patch, answer.get("warnings", []), status.get("message", ""), status.get("code", 200)
        )

    def _assembled(self, settings: Settings, cluster_uid: str) -> Mapping[str, Admission[Any]]:
        clock, measures = _Clock(), cast("Measures", _NoMeasures())
        allocation = AddressAllocation(self.allocator, _AlwaysLeading(self.allocator), self.policies.limit_of, clock)
        owners = Owners(self.population.families, clock)
        place = Place(cluster_uid, lambda: self.ledger.pool, pod_network=settings.pod_network)
        machines = KnownMachines(lambda: True, lambda: None)
        served = settings.served_networks
        return {
            POD: PodAdmission(allocation, self.policies, owners, place, measures, clock),
            VIRTUAL_MACHINE: MachineAdmission(allocation, self.policies, machines, served, measures, clock),
            VIRTUAL_MACHINE_INSTANCE: InstanceAdmission(
                allocation, self.policies, machines, served, owners, measures, clock
            ),
        }
