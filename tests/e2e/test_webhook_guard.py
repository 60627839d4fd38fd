"""The optional policy that keeps our ServiceAccount from changing more of its webhooks than whom to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import ClusterClient, pod
from tests.support.installed import Installed, eventually

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

US: Final = {"Impersonate-User": "system:serviceaccount:kubemacpool-system:kubemacpool-sa"}
MUTATOR: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubemacpool-mutator"
HARDENING: Final = RELEASE_MANIFEST.with_name("kubemacpool-hardening.yaml")
WEBHOOK: Final = "/webhooks/0"
JSON_PATCH: Final = {"Content-Type": "application/json-patch+json"}

Operation = dict[str, object]


def _change(path: str, value: object, operation: str = "replace") -> list[Operation]:
    return [{"op": operation, "path": path, "value": value}]


CHANGES: Final[dict[str, list[Operation]]] = {
    "the failure policy": _change(f"{WEBHOOK}/failurePolicy", "Ignore"),
    "the rules": _change(f"{WEBHOOK}/rules/0/resources/0", "configmaps"),
    "the conditions": [{"op": "remove", "path": f"{WEBHOOK}/matchConditions"}],
    "the namespaces": _change(f"{WEBHOOK}/namespaceSelector/matchExpressions", []),
    "the objects": _change(f"{WEBHOOK}/objectSelector", {"matchLabels": {"a": "b"}}),
    "the timeout": _change(f"{WEBHOOK}/timeoutSeconds", 30),
    "the side effects": _change(f"{WEBHOOK}/sideEffects", "None"),
    "the reinvocation": _change(f"{WEBHOOK}/reinvocationPolicy", "IfNeeded"),
    "the match policy": _change(f"{WEBHOOK}/matchPolicy", "Exact"),
    "the service": _change(f"{WEBHOOK}/clientConfig/service/name", "evil"),
    "the path": _change(f"{WEBHOOK}/clientConfig/service/path", "/evil"),
    "a name": _change(f"{WEBHOOK}/name", "evil.kubemacpool.io"),
    "one less": [{"op": "remove", "path": WEBHOOK}],
    "the order": [{"op": "move", "from": WEBHOOK, "path": "/webhooks/2"}],
    "a label": _change("/metadata/labels/evil", "yes", "add"),
    "a finalizer": _change("/metadata/finalizers", ["evil.example/never"], "add"),
    "a caBundle and a path": [
        *_change(f"{WEBHOOK}/clientConfig/caBundle", "", "add"),
        *_change(f"{WEBHOOK}/clientConfig/service/path", "/evil"),
    ],
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation with the policy."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("guarded"), controllers=False, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        control_plane.kubectl("apply", "-f", str(HARDENING))
        installed = Installed(control_plane, RELEASE_MANIFEST)
        installed.sync()
        yield installed


@pytest.fixture
async def cluster(guarded: Installed) -> AsyncIterator[ClusterClient]:
    """The administrator, once the API server has taken up the policy."""
    async with ClusterClient(guarded.control_plane) as client:

        async def refuses() -> bool:
            return await _patched(client, _change(f"{WEBHOOK}/timeoutSeconds", 29), dry_run=True) == 422

        await eventually(refuses, "the API server has taken up the policy")
        yield client


async def _patched(
    cluster: ClusterClient, change: list[Operation], who: dict[str, str] | None = None, *, dry_run: bool = False
) -> int:
    """The status of a change by our ServiceAccount, or by somebody else."""
    path = f"{MUTATOR}?dryRun=All" if dry_run else MUTATOR
    reply = await cluster.ask("PATCH", path, change, JSON_PATCH | (US if who is None else who))
    if reply.status == 422:
        assert "the manager may change the caBundle of its webhooks, and n" in reply.message, reply.message
    return reply.status


@pytest.mark.parametrize("what", CHANGES)
async def test_the_manager_changes_nothing_but_whom_to_trust(cluster: ClusterClient, what: str) -> None:
    assert await _patched(cluster, CHANGES[what], dry_run=True) == 422


async def test_the_manager_still_mends_its_ca_bundle(cluster: ClusterClient, guarded: Installed) -> None:
    emptied = _change(f"{WEBHOOK}/clientConfig/caBundle", "", "replace")
    assert await _patched(cluster, emptied, {}) == 200  # by the administrator
    await cluster.namespace("guarded")

    async def serves() -> bool:
        return (await cluster.create("guarded", pod(generate_name="a-"))).status == 201

    async def ready() -> bool:  # whoever did not mend it himself learns of it a moment later
        return await guarded.readiness() == {"200 ok"}

    await eventually(serves, "the caBundle is good again")
    await eventually(ready, "every replica knows")


async def test_the_administrator_changes_what_he_likes(cluster: ClusterClient) -> None:
    assert await _patched(cluster, CHANGES["the timeout"], {}, dry_run=True) == 200
