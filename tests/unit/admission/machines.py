"""Virtual machines before the webhook: reviews of them, and verdicts as the API server reads them."""

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.unit.doubles import (
    FIRST,
    KeptMeasures,
    ManualClock,
    ReservingAtOnce,
    answer_of,
    new_admissions,
    new_allocator,
    new_policies,
)

from kubemacpool.admission.machines import KnownMachines
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.settings import Settings
from kubemacpool.wire.config import ConflictPolicy, NamespaceRules
from kubemacpool.wire.machines import NetworkKind
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.review import Answer

MAC1, MAC2, MAC3, MAC4 = (f"02:00:00:00:00:0{number}" for number in range(1, 5))

SERVED = frozenset({NetworkKind.MULTUS, NetworkKind.POD_MASQUERADE})
"""As an installation has it."""

Nic = dict[str, object]
Document = dict[str, object]


def nic(name: str, mac: str | None = None, *, state: str | None = None, binding: str = "bridge") -> Nic:
    """An interface."""
    given = {"macAddress": mac, "state": state}
    return {"name": name, binding: {}, **{key: text for key, text in given.items() if text is not None}}


def multus(name: str) -> Nic:
    """A network of its own."""
    return {"name": name, "multus": {"networkName": name}}


def machine(*nics: Nic, networks: Iterable[Nic] | None = None, name: str = "vm", **metadata: object) -> Document:
    """A VirtualMachine with a network of its own for each interface, unless something else is said."""
    found = [multus(str(each["name"])) for each in nics] if networks is None else list(networks)
    return odd_machine(list(nics), found, name=name, **metadata)


def odd_machine(interfaces: object, networks: object, **metadata: object) -> Document:
    """A VirtualMachine whose interfaces and networks need not be such."""
    spec = {"domain": {"devices": {"interfaces": interfaces}}, "networks": networks}
    return {"metadata": metadata, "spec": {"template": {"spec": spec}}}


def machine_review(document: object, old: object = None, **request: object) -> bytes:
    """The question whether it may be created; or changed, where there is an old one."""
    asked: Document = {
        "uid": "r1",
        "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine"},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": "default",
        "dryRun": False,
        "object": document,
        "oldObject": old,
        **request,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()


class Verdict(NamedTuple):
    """An answer of status 200, read as the API server reads it; `given` is by the interface's index."""

    allowed: bool = True
    given: Mapping[int, str] = {}
    warnings: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
    message: str = ""


UNTOUCHED = Verdict()


@dataclass(frozen=True)
class Serving(Settings):
    """Settings by which just these networks are served."""

    served: frozenset[NetworkKind] = SERVED

    @property
    def served_networks(self) -> frozenset[NetworkKind]:
        """As given."""
        return self.served


class Webhook:
    """The service for virtual machines and everything around it. Nobody has an address to begin with."""

    def __init__(
        self,
        *,
        size: int = 10,
        served: frozenset[NetworkKind] = SERVED,
        default: ConflictPolicy = ConflictPolicy.REJECT,
    ) -> None:
        self.clock = ManualClock()
        self.measures = KeptMeasures()
        self.known = True
        """Whether all machines are."""
        self.looks = 0
        """How often it was said that there are machines."""
        allocator = new_allocator(size)
        self.ledger = allocator.ledger
        self.reserving = ReservingAtOnce(allocator)
        self.policies = new_policies(default)
        self.admission = new_admissions(
            allocator,
            self.reserving,
            self.policies,
            machines=KnownMachines(lambda: self.known, self._look),
            settings=Serving(served=served),
            measures=self.measures,
            clock=self.clock,
        ).machines

    def _look(self) -> None:
        self.looks += 1

    async def answer(self, document: object, old: object = None, **request: object) -> Answer:
        """The answer as it goes over HTTP."""
        return await answer_of(self.admission, machine_review(document, old, **request))

    async def judge(self, document: object, old: object = None, **request: object) -> Verdict:
        """The verdict."""
        return read_verdict(await self.answer(document, old, **request))

    def hold(self, kind: str, name: str, *addresses: int, namespace: str = "ns1", of: Party | None = None) -> None:
        """An object carries addresses, as one of its own party or of another one."""
        key = ObjectKey(kind, namespace, name)
        holder = Holder(key, f"uid of {kind} {name}", Party(*key) if of is None else of, addresses)
        self.ledger.observe(holder, self.clock.now())

    def set_policy(self, text: str) -> None:
        """The namespace has an annotation."""
        self.policies.present(ObjectIdentity("", "default", "u1"), NamespaceRules(text), 5)

    def latest_allocation(self) -> set[int]:
        """How far behind the first address those are that were allocated and not seen, of the first hundred."""
        return {number for number in range(100) if self.ledger.latest_allocation(FIRST + number) is not None}


def read_verdict(answer: Answer, interfaces: str = "/spec/template/spec/domain/devices/interfaces") -> Verdict:
    """What the API server makes of an answer about an object that has its interfaces there."""
    assert (answer.status, answer.content_type, answer.retry_after) == (200, "application/json", None), answer
    response = json.loads(answer.body)["response"]
    assert response["uid"] == "r1"
    given: dict[int, str] = {}
    if "patch" in response:
        assert response["patchType"] == "JSONPatch"
        for operation in json.loads(b64decode(response["patch"])):
            *path, index, field = operation["path"].split("/")
            assert operation["op"] == "add"
            assert "/".join(path) == interfaces
            assert field == "macAddress"
            given[int(index)] = operation["value"]
        assert given, "a patch that changes nothing"
    status = response.get("status", {})
    return Verdict(
        response["allowed"],
        given,
        tuple(response.get("warnings", ())),
        status.get("code", 0),
        status.get("reason", ""),
        status.get("message", ""),
    )
