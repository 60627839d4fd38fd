"""The audit: what is wrong with the addresses of a cluster, or of manifests, by the ledger and the admissions."""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubemacpool.cli.cluster.connection import Cluster, Json
from kubemacpool.cli.cluster.survey import CONFIGURATION, PODS, WEBHOOKS, Survey, each_of
from kubemacpool.cli.manifest.filling import Books
from kubemacpool.cli.manifest.workloads import Found
from kubemacpool.cli.pool.desk import Desk
from kubemacpool.cli.pool.findings import Finding, in_order
from kubemacpool.core.addresses import AddressError, check_interface_address, format_address
from kubemacpool.core.parties import POD, Holder, Party
from kubemacpool.core.pool import Pool
from kubemacpool.kube.resource import Resource
from kubemacpool.ports import NotFoundError, RefusedError, RetryLaterError
from kubemacpool.wire.config import RANGE_CONFIG_MAP
from kubemacpool.wire.networks import NETWORKS_ANNOTATION, NetworksError, entries_of, is_short_form, parse_networks
from kubemacpool.wire.quoting import first_of
from kubemacpool.wire.review import ReviewError

NETWORKS: Final = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
_LOCAL: Final = 0x02 << 40
_NEEDED: Final = ("kube-system",)


async def audit(cluster: Cluster, found: Survey) -> list[Finding]:
    """Everything that is wrong in a cluster, the worst first.

    Raises:
        OutsideError: the API server did not answer.
    """
    findings = [*_of_holders(found), *of_webhooks(found, cluster.pool_namespace)]
    findings += _of_networks(await _optional(cluster, Resource(NETWORKS), found))
    findings += _of_pods(await each_of(cluster, PODS), found)
    if found.range_fault:
        findings.append(
            Finding("pool-invalid", f"ConfigMap {cluster.pool_namespace}/{RANGE_CONFIG_MAP}", found.range_fault)
        )
    return in_order(findings)


async def audit_manifests(desk: Desk, found: Found, *, known: bool) -> list[Finding]:
    """Everything that is wrong in manifests, the worst first.

    Args:
        desk: with the pool, and nothing in its ledger.
        found: the manifests.
        known: whether the pool is the one that will be in force.
    """
    books = Books(desk)
    findings: list[Finding] = []
    for workload in found.workloads:
        fault = books.enter(workload)
        if fault:
            where = (workload.document.file.name, int(workload.place.rpartition(":")[2]), workload.namespace)
            findings.append(Finding("unusable-address", workload.shown, fault, "", *where))
    for workload in found.workloads:
        file = workload.document.file.name
        for place, message in books.conflicts(workload):
            line = int(place.rpartition(":")[2])
            text = message.removeprefix(f"{workload.shown}: ")
            findings.append(Finding("collision", workload.shown, text, text[:17], file, line, workload.namespace))
        holder = desk.ledger.holder(workload.key)
        addresses = () if holder is None else holder.addresses
        faults = _of_addresses(workload.shown, workload.namespace, addresses, desk.ledger.pool, known=known)
        findings += [each._replace(file=file, line=workload.line_of(each.address)) for each in faults]
        line = int(workload.place.rpartition(":")[2])
        if addresses and workload.obstacle:
            findings.append(
                Finding("shared-template", workload.shown, workload.obstacle, "", file, line, workload.namespace)
            )
        try:
            judged = await desk.judge(workload.judged, workload.namespace, workload.content, dry_run=True)
        except (ReviewError, RetryLaterError) as error:
            findings.append(Finding("refused", workload.shown, str(error), "", file, line, workload.namespace))
            continue
        faulty = any(each.file == file and each.object == workload.shown for each in findings)
        if not judged.allowed and not faulty:
            message = judged.message.removeprefix(f"{Party(*workload.key)}: ")
            findings.append(Finding("refused", workload.shown, message, "", file, line, workload.namespace))
    return in_order(findings)


def _of_holders(found: Survey) -> Iterator[Finding]:
    ledger = found.desk.ledger
    for address in ledger.collisions():
        holders = ledger.colliding(address)
        text = format_address(address)
        told = [f"{each.key}" for each in holders]
        for holder in holders:
            others = ", ".join(first_of([each for each in told if each != str(holder.key)]))
            message = f"{text} is also that of {others}; give one of them another, and start it anew"
            yield Finding("collision", str(holder.key), message, text, namespace=holder.key.namespace)
    for holder in ledger.holders():
        own = _own(found, holder)
        yield from _of_addresses(str(holder.key), holder.key.namespace, own, ledger.pool, known=not found.range_fault)
    for key, fault in found.desk.faults.items():
        rule = "unusable-address" if " is not a MAC address" in fault else "unreadable"
        yield Finding(rule, str(key), f"{fault}; correct it", namespace=key.namespace)


def _own(found: Survey, holder: Holder) -> tuple[int, ...]:
    """What is not told of the machine that an object belongs to already."""
    party = found.desk.population.families.party_of(holder.key)
    return holder.addresses if party == Party(*holder.key) else ()


def _of_addresses(
    shown: str, namespace: str, addresses: tuple[int, ...], pool: Pool, *, known: bool
) -> Iterator[Finding]:
    local_pool = all(each.first & _LOCAL and each.first >> 40 == each.last >> 40 for each in pool.ranges)
    for address in addresses:
        text = format_address(address)
        try:
            check_interface_address(address)
        except AddressError as error:
            yield Finding("unusable-address", shown, f"{text} is {error}", text, namespace=namespace)
            continue
        if known and local_pool and not address & _LOCAL:
            yield Finding(
                "vendor-address",
                shown,
                f"{text} is of a vendor's, and a device may come with it; choose a locally administered one",
                text,
                namespace=namespace,
            )
        if known and address not in pool:
            yield Finding("outside-pool", shown, f"{text} is outside the pool {pool}", text, namespace=namespace)


def of_webhooks(found: Survey, namespace: str) -> Iterator[Finding]:
    """What is wrong with our webhook configuration.

    Args:
        found: the cluster.
        namespace: where KubeMacPool is installed.
    """
    shown = f"MutatingWebhookConfiguration {CONFIGURATION}"
    if not found.webhooks:
        if not any(CONFIGURATION in each for each in found.hidden):
            yield Finding("webhook-missing", shown, "it is not there or has no webhooks; apply the release manifest")
        return
    for kind, name in WEBHOOKS.items():
        webhook = found.webhooks.get(name)
        if webhook is None or webhook.get("failurePolicy", "Fail") != "Fail":
            continue
        needed = [each for each in (*_NEEDED, namespace) if found.is_served(kind, each)]
        if needed:
            yield Finding(
                "webhook-blocks-recovery",
                shown,
                f"{name} is asked about {kind}s in {' and '.join(needed)}: while no replica answers, none can be "
                "created there; exclude these namespaces by namespaceSelector, as the release does",
            )
        if kind == POD and not webhook.get("matchConditions"):
            yield Finding(
                "webhook-blocks-recovery",
                shown,
                f"{name} has no matchConditions: every pod waits for it, also those without secondary networks; "
                "apply the release manifest, which has them",
            )


def _of_pods(raws: list[bytes], found: Survey) -> Iterator[Finding]:
    for raw in raws:
        if NETWORKS_ANNOTATION.encode() not in raw:
            continue
        try:
            metadata: Json = msgspec.json.decode(raw)["metadata"]
            value = metadata["annotations"][NETWORKS_ANNOTATION]
        except (msgspec.MsgspecError, KeyError, TypeError):
            continue
        namespace = metadata["namespace"]
        shown = f"{POD} {namespace}/{metadata['name']}"
        if is_short_form(value):
            if value.strip() and found.is_served(POD, namespace):
                message = "its annotation is in the short form; write it as a JSON list to have addresses of the pool"
                yield Finding("short-form", shown, message, namespace=namespace)
            continue
        try:
            entries = entries_of(parse_networks(value))
        except NetworksError:
            continue
        without = [each.name for each in entries if not each.mac and not each.args_mac]
        if without and found.is_served(POD, namespace) and not metadata.get("deletionTimestamp"):
            yield Finding(
                "bypassed",
                shown,
                f"it has no address in {', '.join(first_of(without))}: it was created while the webhook was not asked; "
                "create it anew",
                namespace=namespace,
            )


def _of_networks(raws: list[bytes]) -> Iterator[Finding]:
    for raw in raws:
        try:
            network: Json = msgspec.json.decode(raw)
            metadata, config = network["metadata"], json.loads(network.get("spec", {}).get("config") or "{}")
        except (msgspec.MsgspecError, KeyError, ValueError):
            continue
        yield from of_network(
            f"NetworkAttachmentDefinition {metadata['namespace']}/{metadata['name']}", metadata["namespace"], config
        )


def of_network(shown: str, namespace: str, config: Any) -> Iterator[Finding]:  # noqa: ANN401 (CNI configuration)
    """What is wrong with a network's configuration."""
    plugins = config.get("plugins") if isinstance(config, dict) else None
    plugins = [each for each in (plugins if isinstance(plugins, list) else [config]) if isinstance(each, dict)]
    for plugin in plugins:
        arguments = plugin.get("args")
        for place in (plugin, arguments.get("cni") if isinstance(arguments, dict) else None):
            if isinstance(place, dict) and place.get("mac"):
                yield Finding(
                    "network-pins-address",
                    shown,
                    f"its plugin {plugin.get('type')!r} gives every interface {place['mac']}; remove mac from it",
                    str(place["mac"]),
                    namespace=namespace,
                )
    if (
        plugins
        and any(each.get("type") for each in plugins)
        and not any(isinstance(each.get("capabilities"), dict) and each["capabilities"].get("mac") for each in plugins)
    ):
        yield Finding(
            "network-ignores-address",
            shown,
            'none of its plugins has "capabilities": {"mac": true}: add that to the plugin, or chain the plugin tuning '
            "with it",
            namespace=namespace,
        )


async def _optional(cluster: Cluster, resource: Resource, found: Survey) -> list[bytes]:
    try:
        return await each_of(cluster, resource)
    except NotFoundError:
        return []
    except RefusedError as error:
        found.hidden.append(str(error))
        return []
