"""The Go implementation as its users have it: the objects of its manifest, and who writes its caBundle.

Written from what is known of it; its programs are stood in for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.installing import go_server
from tests.support.cluster_client import ClusterClient

from devcluster.deployment import DEPLOYMENT, NAMESPACE
from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

CERT_MANAGER: Final = "kubemacpool-cert-manager"
CERT_MANAGER_PATH: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{CERT_MANAGER}"
MUTATOR: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubemacpool-mutator"
WEBHOOK_LABELS: Final = {"control-plane": "mac-controller-manager", "controller-tools.k8s.io": "1.0"}
CERT_LABELS: Final = {"control-plane": "cert-manager", "controller-tools.k8s.io": "1.0"}
Document = dict[str, Any]


def manifest(directory: Path) -> Path:
    """Write its release manifest, with the stand-in for its webhook."""
    Authority(directory).server("go", [f"kubemacpool-service.{NAMESPACE}.svc"])
    path = directory / "go.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects(directory)}))
    return path


@asynccontextmanager
async def cert_manager(control_plane: ControlPlane, directory: Path) -> AsyncIterator[list[int]]:
    """What its second Deployment does while there is one: write its caBundle, as its ServiceAccount.

    Gives the statuses of what it has written.
    """
    statuses: list[int] = []
    bundle = base64.b64encode((directory / "ca.crt").read_bytes()).decode()
    account = {"Impersonate-User": f"system:serviceaccount:{NAMESPACE}:kubemacpool-sa"}

    async def act() -> None:
        async with ClusterClient(control_plane) as client:
            while True:
                await asyncio.sleep(0.1)
                there = (await client.request("GET", CERT_MANAGER_PATH)).status == 200
                found = await client.request("GET", MUTATOR)
                if not there or found.status != 200:
                    continue
                configuration = json.loads(found.body)
                clients = [webhook["clientConfig"] for webhook in configuration["webhooks"]]
                if any(each.get("caBundle") != bundle for each in clients):
                    for each in clients:
                        each["caBundle"] = bundle
                    statuses.append((await client.request("PUT", MUTATOR, configuration, headers=account)).status)

    acting = asyncio.create_task(act())
    try:
        yield statuses
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)


def _objects(directory: Path) -> list[Document]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"control-plane": "mac-controller-manager", "runlevel": "1"}},
        },
        _configuration(),
        *_rbac(),
        _ours(
            "v1",
            "ConfigMap",
            "kubemacpool-mac-range-config",
            data={"RANGE_START": "02:00:00:00:00:00", "RANGE_END": "02:FF:FF:FF:FF:FF"},
        ),
        _ours(
            "v1",
            "Service",
            "kubemacpool-service",
            spec={
                "publishNotReadyAddresses": True,
                "selector": {"control-plane": "mac-controller-manager"},
                "ports": [{"port": 443, "targetPort": 8000}],
            },
        ),
        *_network_policies(),
        _deployment(CERT_MANAGER, CERT_LABELS, {"env": [{"name": "RUN_CERT_MANAGER", "value": ""}, *_intervals()]}),
        _deployment(DEPLOYMENT, WEBHOOK_LABELS, _webhook_container(directory)),
    ]


def _ours(version: str, kind: str, name: str, **rest: object) -> Document:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}} | rest


def _configuration() -> Document:
    def webhook(kind: str, group: str, operations: list[str], by_label: Document) -> Document:
        plural = kind.removeprefix("mutate")
        keys = ("runlevel", "openshift.io/run-level")
        levels = [{"key": key, "operator": "NotIn", "values": ["0", "1"]} for key in keys]
        service = {"name": "kubemacpool-service", "namespace": NAMESPACE, "path": f"/mutate-{plural}"}
        return {
            "name": f"{kind}.kubemacpool.io",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {"service": service},
            "failurePolicy": "Fail",
            "sideEffects": "NoneOnDryRun",
            "namespaceSelector": {"matchExpressions": [*levels, {"key": f"{kind}.kubemacpool.io"} | by_label]},
            "rules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": [plural]}],
        }

    opt_in, opt_out = {"operator": "In", "values": ["allocate"]}, {"operator": "NotIn", "values": ["ignore"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "kubemacpool-mutator"},
        "webhooks": [
            webhook("mutatepods", "", ["CREATE"], opt_in),
            webhook("mutatevirtualmachines", "kubevirt.io", ["CREATE", "UPDATE"], opt_out),
        ],
    }


def _rbac() -> list[Document]:
    everything = ["get", "list", "watch", "create", "update", "patch", "delete"]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubemacpool-manager-role"}
    account = {"kind": "ServiceAccount", "name": "kubemacpool-sa", "namespace": NAMESPACE}
    rules = [
        {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["mutatingwebhookconfigurations"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets", "services", "configmaps"], "verbs": everything},
        {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": everything},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "create", "update"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": everything},
        {"apiGroups": ["kubevirt.io"], "resources": ["virtualmachines"], "verbs": everything},
    ]
    api, metadata = "rbac.authorization.k8s.io/v1", {"name": "kubemacpool-manager-role"}
    return [
        _ours("v1", "ServiceAccount", "kubemacpool-sa"),
        {"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": api,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "kubemacpool-manager-rolebinding"},
            "roleRef": role,
            "subjects": [account],
        },
    ]


def _network_policies() -> list[Document]:
    return [
        _ours(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            name,
            spec={
                "podSelector": {"matchLabels": {"control-plane": "mac-controller-manager"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"protocol": "TCP", "port": port}]}],
            },
        )
        for name, port in (("allow-ingress-to-webhook", 8000), ("allow-ingress-to-metrics-endpoint", 8443))
    ]


def _intervals() -> list[Document]:
    return [
        {"name": "CA_ROTATE_INTERVAL", "value": "8760h0m0s"},
        {"name": "CA_OVERLAP_INTERVAL", "value": "24h0m0s"},
        {"name": "CERT_ROTATE_INTERVAL", "value": "4380h0m0s"},
        {"name": "CERT_OVERLAP_INTERVAL", "value": "24h0m0s"},
    ]


def _webhook_container(directory: Path) -> Document:
    return {
        "command": [sys.executable, go_server.__file__],
        "args": ["--v=production", "--wait-time=300"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CERTIFICATE", "value": str(directory / "go.crt")},
            {"name": "KEY", "value": str(directory / "go.key")},
        ],
        "ports": [{"name": "webhook-server", "containerPort": 8000}, {"name": "metrics", "containerPort": 8080}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": 8000, "scheme": "HTTPS"},
            "initialDelaySeconds": 1,
        },
        "volumeMounts": [{"name": "tls-key-pair", "mountPath": "/tmp/k8s-webhook-server/serving-certs/"}],  # noqa: S108 (in a container)
    }


def _deployment(name: str, labels: Document, container: Document) -> Document:
    pod: Document = {
        "serviceAccountName": "kubemacpool-sa",
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 5,
        "containers": [{"name": "manager", "image": "example"} | container],
    }
    if "volumeMounts" in container:
        pod["volumes"] = [{"name": "tls-key-pair", "secret": {"secretName": "kubemacpool-service"}}]
    template = {"metadata": {"labels": {"app": "kubemacpool"} | labels}, "spec": pod}
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": template,
    }
    return _ours("apps/v1", "Deployment", name, spec=spec)
