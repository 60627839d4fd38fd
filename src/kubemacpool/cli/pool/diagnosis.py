"""What a doctor looks at, one after the other: each with what was found, and the remedy where it is bad."""

import asyncio
import datetime as dt
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from kubemacpool.cli.cluster.connection import Cluster, Json
from kubemacpool.cli.cluster.survey import CONFIGURATION, DEPLOYMENT, WEBHOOKS, Survey, administration
from kubemacpool.cli.pool.state import certificates
from kubemacpool.core.parties import POD
from kubemacpool.kube.effect import BINDING, CLUSTER_ROLE_BINDINGS, PREDECESSOR
from kubemacpool.ports import OutsideError
from kubemacpool.wire.effect import read_effect
from kubemacpool.wire.lease import LEASE_NAME
from kubemacpool.wire.networks import NETWORKS_ANNOTATION, entries_of, parse_networks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

OK: Final = "ok"
FAULT: Final = "fault"
WORTH_A_LOOK: Final = "look"
UNKNOWN: Final = "unknown"

_REVIEWS: Final = "/apis/authorization.k8s.io/v1"
SERVICE_ACCOUNT: Final = "kubemacpool-sa"
APPLY: Final = "apply the release manifest (kubemacpool manifests | kubectl apply -f -)"
SOON_DAYS: Final = 7
LATE_SECONDS: Final = 60.0
"""Since the last renewal of the Lease: four times as long as a leader may be silent."""

RIGHTS: Final = (
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("", "namespaces", "list"),
    ("", "events", "create"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch"),
    ("kubevirt.io", "virtualmachines", "list"),
)
"""What a replica needs of the cluster."""

NAMES: Final = {"mutatingwebhookconfigurations": CONFIGURATION}
"""Of the only object that it needs it for."""


class Result(NamedTuple):
    """What came of one look.

    Attributes:
        check: what was looked at.
        result: ok, fault, look (worth a look) or unknown.
        message: what was found.
        remedy: what to do; empty where nothing has to be done.
    """

    check: str
    result: str
    message: str
    remedy: str = ""


async def diagnosis(cluster: Cluster) -> list[Result]:
    """Look at everything.

    Raises:
        OutsideError: the API server did not answer at all.
    """
    server = await cluster.read("/version")
    results = [Result("API server", OK, f"{cluster.config.server}, Kubernetes {server.get('gitVersion', '?')}")]
    found = await administration(cluster)
    looks: Iterable[Callable[[Cluster, Survey], Awaitable[list[Result]]]] = (
        _range,
        _replicas,
        _leader,
        _webhooks,
        _certificates,
        _effect,
        _answers,
        _rights,
        _predecessor,
    )
    for done in await asyncio.gather(*(look(cluster, found) for look in looks)):
        results += done
    return results


async def _range(cluster: Cluster, found: Survey) -> list[Result]:
    if found.range_fault:
        remedy = f"kubectl -n {cluster.pool_namespace} edit configmap kubemacpool-mac-range-config"
        return [Result("range", FAULT, found.range_fault, remedy)]
    pool = found.desk.ledger.pool
    return [Result("range", OK, f"{pool}: {pool.size} addresses")]


async def _replicas(cluster: Cluster, found: Survey) -> list[Result]:
    deployment = found.deployment
    if deployment is None:
        return [Result("replicas", FAULT, f"Deployment {DEPLOYMENT} is not there or may not be read", APPLY)]
    wanted, ready = deployment["spec"].get("replicas", 1), deployment.get("status", {}).get("readyReplicas", 0)
    look = f"kubectl -n {cluster.pool_namespace} describe pods -l app=kubemacpool"
    result = OK if ready == wanted and wanted else WORTH_A_LOOK if ready else FAULT
    found_replicas = Result("replicas", result, f"{ready} of {wanted} are ready", "" if result == OK else look)
    image = deployment["spec"]["template"]["spec"]["containers"][0].get("image", "")
    own = version("kubemacpool")
    tag = re.search(r":v?(\d+\.\d+\.\d+)(?:@|$)", image)
    if tag is None or tag.group(1) == own:
        return [found_replicas, Result("version", OK, f"{image}; this program is {own}")]
    upgrade = "use the program of the same version, or upgrade the older one"
    return [found_replicas, Result("version", WORTH_A_LOOK, f"{image}, but this program is {own}", upgrade)]


async def _leader(cluster: Cluster, found: Survey) -> list[Result]:
    lease = await _quiet(
        cluster, f"/apis/coordination.k8s.io/v1/namespaces/{cluster.pool_namespace}/leases/{LEASE_NAME}"
    )
    if lease is None:
        return [Result("leader", FAULT, f"Lease {LEASE_NAME} is not there or may not be read", APPLY)]
    holder, renewed = lease.get("spec", {}).get("holderIdentity") or "", lease.get("spec", {}).get("renewTime") or ""
    logs = f"kubectl -n {cluster.pool_namespace} logs -l app=kubemacpool"
    if not holder:
        return [Result("leader", FAULT, "nobody leads, so nothing is allocated", logs)]
    if found.lease is not None and found.lease.fault:
        return [Result("leader", FAULT, f"the Lease cannot be read: {found.lease.fault}", logs)]
    try:
        silent = (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(renewed)).total_seconds()
    except (ValueError, TypeError):
        silent = 0.0
    if silent > LATE_SECONDS:
        return [Result("leader", FAULT, f"{holder} has not renewed the Lease for {silent:.0f} s", logs)]
    return [Result("leader", OK, f"{holder} leads")]


async def _webhooks(cluster: Cluster, found: Survey) -> list[Result]:
    if not found.webhooks:
        return [Result("webhooks", FAULT, f"{CONFIGURATION} is not there or may not be read", APPLY)]
    missing = [name for name in WEBHOOKS.values() if name not in found.webhooks]
    if missing:
        return [Result("webhooks", WORTH_A_LOOK, f"{', '.join(missing)} is missing in {CONFIGURATION}", APPLY)]
    without = [name for name, each in found.webhooks.items() if not (each.get("clientConfig") or {}).get("caBundle")]
    if without:
        remedy = f"wait some seconds; else kubectl -n {cluster.pool_namespace} logs -l app=kubemacpool"
        return [Result("webhooks", FAULT, f"caBundle is empty at {', '.join(without)}: nobody trusts us there", remedy)]
    blocking = [each for each in ("kube-system", cluster.pool_namespace) if found.is_served(POD, each)]
    if blocking:
        message = f"pods in {' and '.join(blocking)} wait for the webhook: a cluster that restarts cannot recover"
        return [Result("webhooks", FAULT, message, APPLY)]
    return [Result("webhooks", OK, f"{len(found.webhooks)} are configured, each with whom to trust")]


async def _certificates(_: Cluster, found: Survey) -> list[Result]:
    results = []
    for each in certificates(found):
        message = f"{each['name']} is valid until {each['notAfter']}"
        if each["days"] < 0:
            results.append(Result("certificates", FAULT, f"{message}: it has ended", "restart the replicas"))
        elif each["days"] < SOON_DAYS:
            results.append(Result("certificates", WORTH_A_LOOK, message, "the replicas renew it; look again tomorrow"))
        else:
            results.append(Result("certificates", OK, message))
    return results


async def _effect(cluster: Cluster, _: Survey) -> list[Result]:
    binding = await _quiet(cluster, f"{CLUSTER_ROLE_BINDINGS}/{BINDING}")
    if binding is None:
        return []
    if read_effect(msgspec.json.encode(binding), cluster.pool_namespace):
        return [Result("effect", OK, "the webhooks are in effect")]
    message = f"ClusterRoleBinding {BINDING} has the webhooks out of effect: objects get no addresses"
    return [Result("effect", FAULT, message, "a replica that answers puts them into effect; see why none does")]


async def _answers(cluster: Cluster, found: Survey) -> list[Result]:
    """Have the API server ask, by a dry run that leaves nothing behind."""
    served = [
        name for name in ("default", *found.namespaces) if name in found.namespaces and found.is_served(POD, name)
    ]
    if not served:
        return [Result("webhook", UNKNOWN, "no namespace is served", "label one mutatepods.kubemacpool.io=allocate")]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "kubemacpool-doctor-",
            "annotations": {NETWORKS_ANNOTATION: '[{"name":"doctor"}]'},
        },
        "spec": {
            "containers": [{"name": "none", "image": "none", "securityContext": _RESTRICTED}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
    path = f"/api/v1/namespaces/{served[0]}/pods"
    try:
        made = msgspec.json.decode(await cluster.client.create(path, msgspec.json.encode(pod), {"dryRun": "All"}))
    except OutsideError as error:
        if "failed calling webhook" in str(error):
            remedy = "see that Service kubemacpool-service has endpoints and that the API server reaches them"
            return [Result("webhook", FAULT, str(error), remedy)]
        return [Result("webhook", UNKNOWN, f"a pod cannot be tried in {served[0]}: {error}", "")]
    entries = entries_of(parse_networks(made["metadata"]["annotations"][NETWORKS_ANNOTATION]))
    if entries and entries[0].mac:
        return [Result("webhook", OK, f"answers: a pod in {served[0]} would have {entries[0].mac}")]
    return [Result("webhook", FAULT, f"is not asked: a pod in {served[0]} would have no address", APPLY)]


_NETWORKS: Final = '[{"name":"doctor"}]'
_RESTRICTED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


async def _rights(cluster: Cluster, _: Survey) -> list[Result]:
    """What the replicas may do, as the API server says."""
    user = f"system:serviceaccount:{cluster.pool_namespace}:{SERVICE_ACCOUNT}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{cluster.pool_namespace}", "system:authenticated"]
    missing = []
    for group, resource, verb in RIGHTS:
        attributes = {"group": group, "resource": resource, "verb": verb, "name": NAMES.get(resource, "")}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
        }
        try:
            answer: Json = msgspec.json.decode(
                await cluster.client.create(
                    "/apis/authorization.k8s.io/v1/subjectaccessreviews", msgspec.json.encode(review)
                )
            )
        except OutsideError as error:
            return [Result("rights", UNKNOWN, f"it may not be asked what {SERVICE_ACCOUNT} may do: {error}")]
        if not answer.get("status", {}).get("allowed"):
            missing.append(f"{verb} {resource}")
    if missing:
        return [Result("rights", FAULT, f"{SERVICE_ACCOUNT} may not {', '.join(missing)}", APPLY)]
    return [Result("rights", OK, f"{SERVICE_ACCOUNT} may do what the replicas need")]


async def _predecessor(cluster: Cluster, _: Survey) -> list[Result]:
    path = f"/apis/apps/v1/namespaces/{cluster.pool_namespace}/deployments/{PREDECESSOR}"
    if await _quiet(cluster, path) is None:
        return [Result("predecessor", OK, "nothing of the Go implementation is left")]
    remedy = f"kubectl -n {cluster.pool_namespace} delete deployment {PREDECESSOR}"
    message = f"Deployment {PREDECESSOR} of the Go implementation is still there, and writes a caBundle of its own"
    return [Result("predecessor", FAULT, message, remedy)]


async def _quiet(cluster: Cluster, path: str) -> Json | None:
    """An object, or None where there is none or it may not be read."""
    try:
        return await cluster.find(path)
    except OutsideError:
        return None
