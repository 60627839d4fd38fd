"""What the webhook would do with an object, in words, by the admissions and what the cluster has configured."""

from typing import Final

from kubemacpool.cli.cluster.connection import Cluster, Json
from kubemacpool.cli.cluster.survey import WEBHOOKS, Survey
from kubemacpool.cli.manifest.workloads import Workload
from kubemacpool.cli.pool.desk import Judgement
from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, Party
from kubemacpool.ports import RetryLaterError
from kubemacpool.wire.networks import (
    DEFAULT_NETWORK_ANNOTATION,
    NETWORKS_ANNOTATION,
    NetworksError,
    entries_of,
    entry_label,
    parse_networks,
)
from kubemacpool.wire.quoting import quoted
from kubemacpool.wire.review import ReviewError

_PATHS: Final = {POD: "/api/v1", VIRTUAL_MACHINE: "/apis/kubevirt.io/v1"}


async def explained(cluster: Cluster, found: Survey, workload: Workload) -> Json:
    """Say what would be done with an object, and why.

    Raises:
        OutsideError: the API server did not answer.
    """
    content = workload.content
    verdict, because = "let through as it is", []
    reason = _not_asked(found, workload, content)
    patch: list[Json] = []
    if reason:
        because.append(f"the webhook is not asked: {reason}")
    else:
        old = await existing(cluster, workload)
        because.append(
            f"the webhook is asked: namespace {workload.namespace} is served, and the object "
            + ("exists, so that this is a change" if old is not None else "asks for networks")
        )
        try:
            judged = await found.desk.judge(workload.judged, workload.namespace, content, old, dry_run=True)
        except (ReviewError, RetryLaterError) as error:
            return _told(workload, "cannot be decided", [*because, str(error)], patch)
        verdict = _verdict(judged)
        patch = judged.patch
        because += _reasons(found, workload, judged, content)
        because += [f"warning: {each.removeprefix('kubemacpool: ')}" for each in judged.warnings]
    return _told(workload, verdict, because, patch)


async def existing(cluster: Cluster, workload: Workload) -> Json | None:
    """The object as it is in the cluster.

    Raises:
        OutsideError: the API server did not answer.
    """
    if workload.judged not in _PATHS or "#" in workload.key.name or "(" in workload.key.name:
        return None
    plural = "pods" if workload.judged == POD else "virtualmachines"
    return await cluster.find(f"{_PATHS[workload.judged]}/namespaces/{workload.namespace}/{plural}/{workload.key.name}")


def _told(workload: Workload, verdict: str, because: list[str], patch: list[Json]) -> Json:
    return {
        "kind": workload.kind,
        "namespace": workload.namespace,
        "name": workload.name,
        "place": workload.place,
        "verdict": verdict,
        "because": because,
        "patch": patch,
    }


def _not_asked(found: Survey, workload: Workload, content: Json) -> str:
    """Why the API server does not ask; empty where it does."""
    kind, namespace = workload.judged, workload.namespace
    if WEBHOOKS[kind] not in found.webhooks:
        return f"MutatingWebhookConfiguration kubemacpool-mutator has no webhook {WEBHOOKS[kind]}"
    if not found.is_served(kind, namespace):
        label = "mutatepods.kubemacpool.io" if kind == POD else "mutatevirtualmachines.kubemacpool.io"
        return f"namespace {namespace} is not served (its label {label}, or the webhook's namespaceSelector)"
    if kind == POD:
        annotations = content["metadata"].get("annotations") or {}
        if NETWORKS_ANNOTATION not in annotations and "{" not in str(annotations.get(DEFAULT_NETWORK_ANNOTATION, "")):
            return f"it has no annotation {NETWORKS_ANNOTATION}, so it never waits for us"
        return ""
    return "" if _interfaces(workload, content) else "it has no interfaces"


def _verdict(judged: Judgement) -> str:
    if not judged.allowed:
        return "refused"
    return "admitted, with addresses" if judged.patch else "admitted as it is"


def _reasons(found: Survey, workload: Workload, judged: Judgement, content: Json) -> list[str]:
    if not judged.allowed:
        return [judged.message.removeprefix(f"{Party(*workload.key)}: ")]
    reasons = []
    explicit = False
    for label, before, now in _addresses(workload, judged, content):
        if before:
            holder = found.desk.ledger.other_holder(_number(before), Party(*workload.key))
            had = f", beside {holder}" if holder is not None else ", which nobody else has"
            reasons.append(f"{label}: keeps {before}{had}")
            explicit = True
        elif now:
            reasons.append(f"{label}: gets a free address of the pool, such as {now}")
    if explicit:
        reasons.append("an address of somebody's choice costs one write of the Lease, shared by those who ask together")
    return reasons


def _addresses(workload: Workload, judged: Judgement, content: Json) -> list[tuple[str, str, str]]:
    """By interface, what it is called, the address that it has, and the one that it gets."""
    given = {
        each["path"].split("/")[-2]: each["value"] for each in judged.patch if each["path"].endswith("/macAddress")
    }
    if workload.judged != POD:
        return [
            (
                f"interface {quoted(str(each.get('name', '')))}",
                str(each.get("macAddress") or ""),
                given.get(str(index), ""),
            )
            for index, each in enumerate(_interfaces(workload, content))
        ]
    try:
        before = entries_of(parse_networks((content["metadata"].get("annotations") or {}).get(NETWORKS_ANNOTATION, "")))
        after = entries_of(parse_networks(judged.patch[0]["value"])) if judged.patch else before
    except NetworksError:
        return []
    return [
        (entry_label(index, old), old.mac or old.args_mac, new.mac)
        for index, (old, new) in enumerate(zip(before, after, strict=True))
    ]


def _interfaces(workload: Workload, content: Json) -> list[Json]:
    found: object = content
    for step in workload.interfaces[len(workload.root) :]:
        found = found.get(str(step)) if isinstance(found, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _number(text: str) -> int:
    try:
        return parse_address(text)
    except AddressError:
        return 0
