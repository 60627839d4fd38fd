"""Objects of every shape that the API server stores: no replica ends, none is blind afterwards."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import NETWORKS, RANGE, pod
from tests.support.installed import Installed, eventually, installation
from tests.support.machine_manifests import machine, nic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

STEPS: Final = 400
STATUS: Final = "k8s.v1.cni.cncf.io/network-status"
KUBEVIRT: Final = "/apis/kubevirt.io/v1/namespaces"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases/kubemacpool-leader"
TEXTS: Final = (
    "",
    "x",
    "[",
    "{}",
    "null",
    "[null]",
    "[1e999]",
    '[{"name":"a","mac":"02:00:00:00:00:01"}]',
    '[{"name":"a","mac":7}]',
    '[{"name":"a","mac":"02:00:00:00:00:01","mac":"ff:ff:ff:ff:ff:ff"}]',
    '[{"name":"a","cni-args":{"mac":"02:00:00:00:00:02"}}]',
    '[{"name":"a","cni-args":[{}]}]',
    '[{"name":"a","mac":"\\ud800"}]',
    "a,b,c@d",
    "a/b/c@" + "é" * 100,
    "[" * 20_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    "[" + '{"name":"n","mac":"02:00:00:00:00:03"},' * 3_000 + "{}]",
    "\x00\x7f\u2028",
    "9" * 5_000,
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation of these tests' own: they edit its Lease and its ConfigMap."""
    with installation(tmp_path_factory.mktemp("odd"), controllers=False, kubevirt=True) as installed:
        yield installed


class Oddity:
    """Whatever comes to the mind of somebody who draws lots."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 (a test draws lots)

    def text(self) -> str:
        """A text."""
        return self._rng.choice(TEXTS)

    def value(self, depth: int = 0) -> object:
        """Anything that JSON can say."""
        if depth > 3 or self._rng.random() < 0.5:
            return self._rng.choice((None, True, 0, -1, 2**63 - 1, 1.5e300, "", self.text()[:1000], [], {}))
        if self._rng.random() < 0.5:
            return [self.value(depth + 1) for _ in range(self._rng.randrange(4))]
        keys = ("name", "macAddress", "interfaces", "devices", "domain", "networks", "multus", "spec", "template")
        return {self._rng.choice(keys): self.value(depth + 1) for _ in range(self._rng.randrange(4))}

    def owners(self, name: str) -> list[dict[str, object]]:
        """References to owners that exist or do not, of another kind, or of the object itself; often a likely one."""
        if self._rng.random() < 0.7:
            kind, owner = self._rng.choice((("VirtualMachineInstance", "odd-0"), ("VirtualMachine", "odd-1"), ("", "")))
            likely = {"apiVersion": "kubevirt.io/v1", "kind": kind, "name": owner, "uid": "u-1", "controller": True}
            return [likely] if kind else []
        return [
            {
                "apiVersion": self._rng.choice(("kubevirt.io/v1", "v1", "kubevirt.io/v1alpha3")),
                "kind": self._rng.choice(("VirtualMachine", "VirtualMachineInstance", "Pod", "Node")),
                "name": self._rng.choice(("odd-0", "odd-1", name)),
                "uid": self._rng.choice(("u-1", "u-2", "x" * 200)),
                "controller": number == 0,
            }
            for number in range(self._rng.randrange(3))
        ]

    def metadata(self, name: str) -> dict[str, object]:
        """An object's, with annotations that we read."""
        annotations = {key: self.text() for key in (NETWORKS, STATUS, "v1.multus-cni.io/default-network")}
        if self._rng.random() < 0.6:
            annotations[NETWORKS] = f'[{{"name":"a","mac":"02:00:00:00:00:{self._rng.randrange(16):02x}"}}]'
        return {"name": name, "annotations": annotations, "ownerReferences": self.owners(name)}

    def body(self) -> dict[str, object]:
        """What follows the metadata of a kind that preserves unknown fields."""
        domain = self._rng.choice((self.value(), {"devices": self.value()}, {"devices": {"interfaces": self.value()}}))
        spec = {"domain": domain, "networks": self.value()}
        shape = self._rng.choice((spec, {"template": {"spec": spec}}, {"template": self.value()}, self.value()))
        migration = {"vmiName": self.value(), "sendTo": self.value(), "receive": self.value()}
        return {"spec": self._rng.choice((shape, migration)), "status": self.value()}

    def one_of(self, *choices: str) -> str:
        """One of these."""
        return self._rng.choice(choices)


class Stranger:
    """Makes, changes and deletes odd objects; what the API server does not take is none."""

    def __init__(self, cluster: ClusterClient, namespace: str, seed: int) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._odd = Oddity(seed)
        self.stored = 0

    async def step(self) -> None:
        """One request or two."""
        kind = self._odd.one_of(
            "pods", "virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations"
        )
        base = "/api/v1/namespaces" if kind == "pods" else KUBEVIRT
        path = f"{base}/{self._namespace}/{kind}"
        name = f"odd-{self._odd.one_of('0', '1', '2', '3', '4')}"
        metadata = self._odd.metadata(name)
        what = self._odd.one_of("create", "create", "change", "change", "delete", "namespace", "range", "lease")
        if what == "create":
            body = {**pod(name, None), "metadata": metadata} if kind == "pods" else {**self._odd.body()}
            if kind != "pods":
                body |= {"apiVersion": "kubevirt.io/v1", "kind": _KINDS[kind], "metadata": metadata}
            await self._ask("POST", path, body)
        elif what == "change":
            change = {"metadata": metadata} if kind == "pods" else {"metadata": metadata, **self._odd.body()}
            await self._ask("PATCH", f"{path}/{name}", change)
        elif what == "delete":
            await self._ask("DELETE", f"{path}/{name}", {"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"})
        elif what == "namespace":
            annotation = {"kubemacpool.io/conflict-policy": self._odd.text()[:1000]}
            await self._ask("PATCH", f"/api/v1/namespaces/{self._namespace}", {"metadata": {"annotations": annotation}})
        elif what == "range":
            key = self._odd.one_of("EXCLUDE", "START", "NAMESPACE_LIMIT", "odd")
            await self._ask("PATCH", RANGE, {"data": {key: self._odd.text()}})
        else:
            await self._ask("PATCH", LEASES, {"metadata": {"annotations": {"kubemacpool.io/odd": self._odd.text()}}})

    async def _ask(self, method: str, path: str, body: object) -> None:
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        reply = await self._cluster.request(method, path, body, content_type=content_type)
        assert reply.status < 500, (method, path, json.dumps(body), reply.body)
        self.stored += reply.status < 300


_KINDS: Final = {
    "virtualmachines": "VirtualMachine",
    "virtualmachineinstances": "VirtualMachineInstance",
    "virtualmachineinstancemigrations": "VirtualMachineInstanceMigration",
}


@pytest.mark.usefixtures("survivors")
async def test_objects_of_every_shape_are_followed_on(
    cluster: ClusterClient, installed: Installed, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (by which it can be repeated)
    strange = f"{namespace}-strange"
    labels = {f"mutate{kind}.kubemacpool.io": "ignore" for kind in ("pods", "virtualmachines")}
    await cluster.namespace(strange, labels)
    others = await elsewhere("others")
    stranger = Stranger(cluster, strange, seed)
    for number in range(STEPS):
        await stranger.step()
        if number % 20 == 0:
            await cluster.made(others, pod(f"pod-{number}"))
    assert stranger.stored > STEPS // 4
    await cluster.patch(RANGE, {"data": dict.fromkeys(("EXCLUDE", "START", "NAMESPACE_LIMIT", "odd"))})
    await _are_followed(cluster, installed, others, block)
    vm = machine("vm", nic("net", block[2]))
    reply = await cluster.request("POST", f"{KUBEVIRT}/{others}/virtualmachines", vm)
    assert reply.created, reply.body
    refused = await cluster.judged(others, pod("thief", f'[{{"name":"net","mac":"{block[2]}"}}]'))
    assert f"VirtualMachine {others}/vm" in refused.message


@pytest.mark.usefixtures("survivors")
async def test_whatever_is_written_into_the_lease_the_next_pod_is_served_in_the_end(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (by which it can be repeated)
    odd = Oddity(seed)
    for number in range(12):
        key = odd.one_of("reserved", "observed", "last-allocated", "format", "endpoint")
        change: dict[str, object] = {"metadata": {"annotations": {f"kubemacpool.io/{key}": odd.text()}}}
        if number % 3 == 0:
            change = {"spec": {"holderIdentity": odd.text()[:200], "leaseTransitions": number}}
        await cluster.request("PATCH", LEASES, change, content_type="application/merge-patch+json")
    await cluster.request("DELETE", LEASES)

    async def served() -> bool:
        return (await cluster.create(namespace, pod(generate_name="pod-"))).created

    await eventually(served, "a pod is made", within=60.0)
    await _are_followed(cluster, installed, namespace, block)


async def _are_followed(cluster: ClusterClient, installed: Installed, namespace: str, block: Block) -> None:
    """Every replica sees what is made now, and nothing has failed on the way."""
    before = {replica.name: (await installed.counts(replica))["held"] for replica in installed.replicas}
    await cluster.made(namespace, pod("seen", f'[{{"name":"one","mac":"{block[0]}"}}]'))

    async def seen() -> bool:
        counts = {replica.name: (await installed.counts(replica))["held"] for replica in installed.replicas}
        return all(counts[name] > number for name, number in before.items())

    await eventually(seen, "every replica has seen a pod that is made now")
    for replica in installed.replicas:
        figures = await installed.figures(replica)
        failures = {
            name: value
            for name, value in figures.items()
            if value and name.startswith(("kubemacpool_objects_set_aside", "kubemacpool_task_restarts_total"))
        }
        assert failures == {}, installed.log_of(replica, level="error")
