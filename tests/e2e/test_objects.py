"""The release manifest: what it makes, whom it concerns, and what it may do."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
import pytest
from tests.e2e.conftest import SHIPPED_RANGE
from tests.support.cluster_client import RANGE, ClusterClient, pod
from tests.support.installed import eventually

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, FreshInstall, UseRange
    from tests.support.installed import Installed

OURS: Final = "kubemacpool-system"
MUTATOR: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubemacpool-mutator"
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{OURS}/deployments/kubemacpool-mac-controller-manager"
BUDGET: Final = f"/apis/policy/v1/namespaces/{OURS}/poddisruptionbudgets/kubemacpool-mac-controller-manager"
BUDGET_LINE: Final = "poddisruptionbudget.policy/kubemacpool-mac-controller-manager"
LABELS: Final = {"app": "kubemacpool", "control-plane": "mac-controller-manager"}
OF_REPLICAS: Final = LABELS | {"app.kubernetes.io/name": "kubemacpool"}
"""The Go implementation's pods have the other two as well."""
SELECTED: Final = {"control-plane": "mac-controller-manager", "controller-tools.k8s.io": "1.0"}
"""By the Deployment of the Go implementation as well: nobody can change it."""

Object = dict[str, object]

OBJECTS = RELEASE_MANIFEST.read_text(encoding="utf-8").count("\nkind: ")


class ClientConfig(msgspec.Struct, rename={"ca_bundle": "caBundle"}):
    """How the API server reaches a webhook."""

    service: Object
    ca_bundle: str = ""


class Webhook(msgspec.Struct, rename="camel"):
    """The fields of a webhook that users rely on."""

    name: str
    client_config: ClientConfig
    failure_policy: str
    side_effects: str
    rules: list[Object]


class Configuration(msgspec.Struct):
    """A MutatingWebhookConfiguration."""

    webhooks: list[Webhook]


class Meta(msgspec.Struct):
    """The labels of an object, and how often its spec was changed."""

    labels: dict[str, str] = {}
    generation: int = 0


class Named(msgspec.Struct):
    """What users rely on in other objects."""

    metadata: Meta
    data: dict[str, str] = {}
    spec: Object = {}


class PodSpec(msgspec.Struct, rename="camel"):
    """How the replicas are spread."""

    topology_spread_constraints: list[Object]


class Template(msgspec.Struct):
    """The pods of a Deployment."""

    spec: PodSpec


class Deployment(msgspec.Struct):
    """The spec of a Deployment."""

    replicas: int
    strategy: Object
    template: Template


def test_the_manifest_is_applied_without_errors_or_warnings(fresh_install: FreshInstall) -> None:
    assert fresh_install.first.stderr == ""  # warnings of pod security would be here
    lines = fresh_install.first.stdout.splitlines()
    assert len(lines) == OBJECTS
    assert all(line.endswith(" created") for line in lines)


def unchanged(said: str) -> bool:
    """Whether `kubectl apply` has changed nothing.

    It calls every PodDisruptionBudget configured: the selector's patch strategy is to replace, so there is always
    something to send. Whether that changed anything is told by the object's generation.
    """
    return all(line.endswith(" unchanged") or line == f"{BUDGET_LINE} configured" for line in said.splitlines())


async def test_applied_again_the_manifest_changes_nothing(fresh_install: FreshInstall, cluster: ClusterClient) -> None:
    assert fresh_install.second.stderr == ""
    assert len(fresh_install.second.stdout.splitlines()) == OBJECTS
    assert unchanged(fresh_install.second.stdout)
    assert (await cluster.get(BUDGET, Named)).metadata.generation == 1


async def test_applied_over_a_running_installation_the_manifest_changes_nothing(
    cluster: ClusterClient, installed: Installed
) -> None:
    before = await cluster.get(MUTATOR, Configuration)
    assert all(webhook.client_config.ca_bundle for webhook in before.webhooks)
    kubectl = installed.control_plane.kubectl
    done = await asyncio.to_thread(kubectl, "apply", "-f", str(RELEASE_MANIFEST))
    assert unchanged(done.stdout)
    assert (await cluster.get(BUDGET, Named)).metadata.generation == 1
    assert await cluster.get(MUTATOR, Configuration) == before


def test_the_deployments_own_pod_meets_the_namespaces_restricted_standard_and_is_available(
    fresh_install: FreshInstall, installed: Installed
) -> None:
    assert [replica.state for replica in installed.replicas] == ["ready", "ready"]
    kubectl = fresh_install.control_plane.kubectl
    answer = kubectl("rollout", "status", "deployment/kubemacpool-mac-controller-manager", "-n", OURS, "--timeout=30s")
    assert "successfully rolled out" in answer.stdout
    pods = kubectl(
        "get", "pods", "-n", OURS, "-l", "app=kubemacpool,control-plane=mac-controller-manager", "-o", "name"
    )
    assert len(pods.stdout.split()) == 2


async def test_objects_have_the_names_and_labels_that_users_rely_on(cluster: ClusterClient) -> None:
    async def read(path: str) -> Named:
        return await cluster.get(path, Named)

    namespace = await read(f"/api/v1/namespaces/{OURS}")
    assert namespace.metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert (await read(RANGE)).data == dict(zip(("RANGE_START", "RANGE_END"), SHIPPED_RANGE, strict=True))
    deployment = await read(DEPLOYMENT)
    assert deployment.spec["selector"] == {"matchLabels": SELECTED}
    service = (await read(f"/api/v1/namespaces/{OURS}/services/kubemacpool-service")).spec
    metrics = (await read(f"/api/v1/namespaces/{OURS}/services/kubemacpool-metrics-service")).spec
    assert service["selector"] == metrics["selector"] == OF_REPLICAS
    assert service.get("publishNotReadyAddresses", False) is False
    assert service["ports"] == [{"name": "webhook", "port": 443, "protocol": "TCP", "targetPort": 8000}]
    assert metrics["ports"] == [{"name": "metrics", "port": 8443, "protocol": "TCP", "targetPort": 8443}]
    await read(f"/api/v1/namespaces/{OURS}/serviceaccounts/kubemacpool-sa")
    await read("/apis/rbac.authorization.k8s.io/v1/clusterroles/kubemacpool-manager-role")


async def test_an_upgrade_a_drain_and_the_loss_of_a_node_leave_a_replica_to_answer(cluster: ClusterClient) -> None:
    spec = msgspec.convert((await cluster.get(DEPLOYMENT, Named)).spec, Deployment)
    assert spec.replicas == 2
    assert spec.strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert spec.template.spec.topology_spread_constraints == [
        {
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",  # on a cluster of one node both are needed there, for an upgrade
            "matchLabelKeys": ["pod-template-hash"],
            "labelSelector": {"matchLabels": LABELS},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    budget = (await cluster.get(BUDGET, Named)).spec
    assert budget == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": LABELS},
    }


class Toleration(msgspec.Struct, rename="camel"):
    """For how long a pod stays on a node that has gone."""

    key: str
    toleration_seconds: int | None = None


class RunningSpec(msgspec.Struct, rename="camel"):
    """What admission has made of a pod's spec."""

    tolerations: list[Toleration]
    security_context: Object
    containers: list[Object]


class RunningPod(msgspec.Struct):
    """A pod as it is in the cluster."""

    spec: RunningSpec


class RunningPods(msgspec.Struct):
    """The pods of a namespace."""

    items: list[RunningPod]


async def test_a_replica_leaves_a_lost_node_after_a_minute_and_belongs_to_no_group_of_root(
    cluster: ClusterClient, installed: Installed
) -> None:
    assert installed.replicas
    listed = await cluster.get(f"/api/v1/namespaces/{OURS}/pods?labelSelector=app%3Dkubemacpool", RunningPods)
    assert listed.items
    for each in listed.items:
        gone = {toleration.key: toleration.toleration_seconds for toleration in each.spec.tolerations}
        assert {key: gone[f"node.kubernetes.io/{key}"] for key in ("not-ready", "unreachable")} == {
            "not-ready": 60,
            "unreachable": 60,
        }
        assert (each.spec.security_context["runAsUser"], each.spec.security_context["runAsGroup"]) == (65532, 65532)
        (container,) = each.spec.containers
        resources = msgspec.convert(container["resources"], dict[str, dict[str, str]])
        assert resources["limits"] == {"memory": "512Mi"}


WEBHOOKS = {
    "mutatepods.kubemacpool.io": ("/mutate-pods", ["pods"], ["CREATE", "UPDATE"]),
    "mutatevirtualmachines.kubemacpool.io": ("/mutate-virtualmachines", ["virtualmachines"], ["CREATE", "UPDATE"]),
    "mutatevirtualmachineinstances.kubemacpool.io": (
        "/mutate-virtualmachineinstances",
        ["virtualmachineinstances"],
        ["CREATE"],
    ),
}


async def test_the_webhooks_are_those_that_users_rely_on(cluster: ClusterClient) -> None:
    webhooks = (await cluster.get(MUTATOR, Configuration)).webhooks
    assert [webhook.name for webhook in webhooks] == list(WEBHOOKS)
    for webhook in webhooks:
        path, resources, operations = WEBHOOKS[webhook.name]
        service = {"name": "kubemacpool-service", "namespace": OURS, "path": path, "port": 443}
        assert webhook.client_config.service == service
        assert (webhook.failure_policy, webhook.side_effects) == ("Fail", "NoneOnDryRun")
        (rule,) = webhook.rules
        assert (rule["resources"], rule["operations"]) == (resources, operations)


@pytest.mark.parametrize(
    ("service", "path", "expected"),
    [
        ("kubemacpool-service", "/healthz", "ok"),
        ("kubemacpool-service", "/readyz", "ok"),
        ("kubemacpool-metrics-service", "/metrics", "kubemacpool_range_valid 1.0"),
    ],
)
async def test_we_answer_under_a_certificate_that_the_ca_bundle_vouches_for(
    cluster: ClusterClient, installed: Installed, service: str, path: str, expected: str
) -> None:
    webhooks = (await cluster.get(MUTATOR, Configuration)).webhooks
    (bundle,) = {webhook.client_config.ca_bundle for webhook in webhooks}
    trust = ssl.create_default_context(cadata=b64decode(bundle).decode())
    replica, metrics = installed.replicas[0], installed.forward("kubemacpool-metrics-service")
    # Port 443 of the webhook's Service may be closed to this user; the API server proves with every pod that it works.
    url = replica.webhook_url if service == "kubemacpool-service" else f"https://{metrics.address}:{metrics.port}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            url + path, ssl=trust, server_hostname=f"{service}.{OURS}.svc", headers=installed.scraper.headers
        ) as answer,
    ):
        assert answer.status == 200
        assert expected in await answer.text()


async def test_a_namespace_selector_that_requires_allocate_is_opt_in(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    opted_in = f"{namespace}-in"
    await cluster.namespace(opted_in, {"mutatepods.kubemacpool.io": "allocate"})
    manifest = RELEASE_MANIFEST.read_text(encoding="utf-8")
    opt_out = 'key: mutatepods.kubemacpool.io\n          operator: NotIn\n          values: ["ignore"]'
    assert manifest.count(opt_out) == 1
    opt_in = manifest.replace(opt_out, opt_out.replace("NotIn", "In").replace("ignore", "allocate"))
    kubectl = installed.control_plane.kubectl
    await asyncio.to_thread(lambda: kubectl("apply", "-f", "-", stdin=opt_in))
    try:

        async def left_alone() -> bool:
            reply = await cluster.create(namespace, pod("a"), dry_run=True)
            return reply.networks == '[{"name":"net"}]'

        await eventually(left_alone, "a namespace without the label is left alone")
        assert (await cluster.made(opted_in, pod("a"))).mac
    finally:
        await asyncio.to_thread(lambda: kubectl("apply", "-f", "-", stdin=manifest))

    async def served() -> bool:
        return (await cluster.create(namespace, pod("a"), dry_run=True)).networks != '[{"name":"net"}]'

    await eventually(served, "opt-out is back")


LEASE: Final = "kubemacpool-leader"
RBAC: Final = "rbac.authorization.k8s.io"
SERVING: Final = "kubemacpool-serving"
MACHINES: Final = ("virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations")
MAY = [
    ("list", "pods", "", ""),
    ("watch", "pods", "", ""),
    ("get", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "kubemacpool-mutator", ""),
    ("patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "kubemacpool-mutator", ""),
    ("watch", "configmaps", "kubemacpool-mac-range-config", OURS),
    ("get", "secrets", "kubemacpool-ca", OURS),
    ("patch", "secrets", "kubemacpool-service", OURS),
    ("create", "secrets", "", OURS),
    *((verb, "configmaps", "kubemacpool-ca", OURS) for verb in ("get", "patch")),
    ("create", "configmaps", "", OURS),
    *((verb, "events", "", namespace) for verb in ("create", "patch") for namespace in (OURS, "default")),
    *((verb, "leases.coordination.k8s.io", LEASE, OURS) for verb in ("get", "list", "watch", "patch")),
    ("create", "leases.coordination.k8s.io", "", OURS),  # a create cannot be limited to a name
    *((verb, f"clusterrolebindings.{RBAC}", SERVING, "") for verb in ("get", "list", "watch", "patch")),
    ("bind", f"clusterroles.{RBAC}", SERVING, ""),
    ("delete", "deployments.apps", "kubemacpool-cert-manager", OURS),
    ("get", "namespaces", "kube-system", ""),
    *((verb, "namespaces", "", "") for verb in ("list", "watch")),
    *((verb, f"{plural}.kubevirt.io", "", "default") for verb in ("list", "watch") for plural in MACHINES),
]
MAY_NOT = [
    *((verb, "pods", "", "default") for verb in ("get", "create", "update", "patch", "delete", "deletecollection")),
    *((verb, "secrets", "", OURS) for verb in ("list", "watch", "get", "update", "delete")),
    *((verb, "secrets", "kubemacpool-ca", "default") for verb in ("get", "create")),
    *((verb, "secrets", "kubemacpool-ca", OURS) for verb in ("update", "delete")),
    *((verb, "configmaps", "kubemacpool-mac-range-config", OURS) for verb in ("update", "patch", "delete")),
    ("list", "configmaps", "", OURS),
    *((verb, "events", "", "default") for verb in ("get", "list", "watch", "update", "delete")),
    ("get", "nodes", "", ""),
    *((verb, "namespaces", "default", "") for verb in ("get", "create", "update", "patch", "delete")),
    *(
        (verb, f"{plural}.kubevirt.io", "", "default")
        for verb in ("get", "create", "update", "patch", "delete", "deletecollection")
        for plural in MACHINES
    ),
    *((verb, "leases.coordination.k8s.io", LEASE, OURS) for verb in ("update", "delete", "deletecollection")),
    *((verb, "leases.coordination.k8s.io", "another", OURS) for verb in ("get", "list", "watch", "patch", "delete")),
    *((verb, "leases.coordination.k8s.io", "", OURS) for verb in ("list", "watch", "patch")),
    *((verb, "leases.coordination.k8s.io", LEASE, "kube-system") for verb in ("get", "create", "patch")),
    ("patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "another", ""),
    ("update", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "kubemacpool-mutator", ""),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "", ""),
    ("delete", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "kubemacpool-mutator", ""),
    *((verb, f"rolebindings.{RBAC}", "", OURS) for verb in ("create", "list", "watch", "patch")),
    *((verb, f"rolebindings.{RBAC}", SERVING, where) for verb in ("get", "patch") for where in (OURS, "kube-system")),
    *((verb, f"roles.{RBAC}", SERVING, OURS) for verb in ("bind", "escalate", "patch", "update")),
    *((verb, f"clusterrolebindings.{RBAC}", "", "") for verb in ("create", "list", "watch", "patch")),
    *((verb, f"clusterrolebindings.{RBAC}", SERVING, "") for verb in ("update", "delete")),
    *((verb, f"clusterroles.{RBAC}", SERVING, "") for verb in ("escalate", "patch", "update")),
    ("bind", f"roles.{RBAC}", "kubemacpool-manager-role", OURS),
    ("bind", f"clusterroles.{RBAC}", "cluster-admin", ""),
    *((verb, "deployments.apps", "kubemacpool-mac-controller-manager", OURS) for verb in ("get", "patch", "delete")),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", "", ""),
]


class _Verdict(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    status: _Verdict


async def can(cluster: ClusterClient, verb: str, resource: str, name: str, namespace: str) -> bool:
    """What `kubectl auth can-i --as` our ServiceAccount says."""
    plural, _, group = resource.partition(".")
    asked = {"verb": verb, "resource": plural, "group": group, "name": name, "namespace": namespace}
    review = {"spec": {"user": f"system:serviceaccount:{OURS}:kubemacpool-sa", "resourceAttributes": asked}}
    reply = await cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return msgspec.json.decode(reply.body, type=_Review).status.allowed


async def test_the_service_account_may_do_what_is_needed_and_no_more(cluster: ClusterClient) -> None:
    assert [asked for asked in MAY if not await can(cluster, *asked)] == []
    assert [asked for asked in MAY_NOT if await can(cluster, *asked)] == []


async def test_everything_that_we_do_is_allowed_to_the_service_account(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await cluster.made(namespace, pod("a"))
    since = installed.log_ends()
    await cluster.set_range(block[1], block[0])  # an Event will be written
    await installed.logged(since, event="range not taken up")
    await use_range(block[0], block[1])
    await asyncio.sleep(0.2)
    assert [line for line in installed.log() if "orbidden" in str(line)] == []
    assert installed.log(level="error") == []
    assert installed.log(event="an Event could not be written") == []
