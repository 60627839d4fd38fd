"""The state of the pool and the installation, as figures."""

import base64
import datetime as dt
from importlib.metadata import version
from typing import Final

from kubemacpool.cli.cluster.connection import Cluster, Json
from kubemacpool.cli.cluster.survey import CONFIGURATION, Survey
from kubemacpool.core.addresses import format_address
from kubemacpool.ports import OutsideError

APP: Final = "app=kubemacpool,control-plane=mac-controller-manager"


async def state_of(cluster: Cluster, found: Survey) -> Json:
    """Everything that `status` shows."""
    ledger = found.desk.ledger
    pool = ledger.pool
    held = [address for address, _ in found.holders()]
    inside = {address for address in held if address in pool}
    reserved = found.lease.reserved if found.lease is not None else frozenset[int]()
    unheld = sum(1 for address in reserved if address not in inside and address in pool)
    faults = [found.range_fault] if found.range_fault else []
    if found.configuration is None:
        faults.append(f"MutatingWebhookConfiguration {CONFIGURATION} is not there or may not be read")
    if found.lease is None or not found.lease.holder:
        faults.append("nobody leads: nothing is allocated")
    if found.lease is not None and found.lease.fault:
        faults.append(f"the Lease cannot be read: {found.lease.fault}")
    return {
        "version": version("kubemacpool"),
        "server": cluster.config.server,
        "pool": {
            "size": pool.size,
            "ranges": [
                {
                    "first": format_address(each.first),
                    "last": format_address(each.last),
                    "size": pool.size if len(pool.ranges) == 1 else each.last - each.first + 1,
                    "held": sum(1 for address in inside if each.first <= address <= each.last),
                }
                for each in pool.ranges
            ],
            "excluded": len(pool.excluded),
            "held": len(inside),
            "heldOutside": len(set(held) - inside),
            "free": pool.size - len(inside) - unheld,
            "reserved": unheld,
            "collisions": len(ledger.collisions()),
        },
        "objects": found.counts,
        "leader": {
            "identity": found.lease.holder if found.lease is not None else "",
            "endpoint": found.lease.endpoint if found.lease is not None else "",
            "transitions": found.lease.transitions if found.lease is not None else 0,
        },
        "replicas": await _replicas(cluster, found),
        "certificates": certificates(found),
        "faults": faults,
    }


async def _replicas(cluster: Cluster, found: Survey) -> Json:
    deployment = found.deployment or {}
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    containers = spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    try:
        listed = await cluster.read(f"/api/v1/namespaces/{cluster.pool_namespace}/pods", {"labelSelector": APP})
    except OutsideError:
        listed = {}
    pods = [
        {
            "name": each["metadata"]["name"],
            "node": each.get("spec", {}).get("nodeName", ""),
            "ready": any(
                condition.get("type") == "Ready" and condition.get("status") == "True"
                for condition in each.get("status", {}).get("conditions") or ()
            ),
        }
        for each in listed.get("items") or ()
    ]
    return {
        "wanted": spec.get("replicas", 0),
        "ready": status.get("readyReplicas", 0),
        "image": containers[0].get("image", ""),
        "pods": pods,
    }


def certificates(found: Survey) -> list[Json]:
    """The authorities that the API server trusts at our webhooks, each once, and until when they are valid."""
    from cryptography import x509

    known: dict[str, Json] = {}
    now = dt.datetime.now(dt.UTC)
    for webhook in found.webhooks.values():
        bundle = (webhook.get("clientConfig") or {}).get("caBundle") or ""
        try:
            loaded = x509.load_pem_x509_certificates(base64.b64decode(bundle))
        except ValueError:
            continue
        for each in loaded:
            until = each.not_valid_after_utc
            known[str(each.serial_number)] = {
                "name": f"authority {each.serial_number & 0xFFFFFF:06x}",
                "notAfter": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "days": (until - now).days,
            }
    return [*known.values()]
