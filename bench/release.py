"""The release manifest, applied so that all that is compared can be installed beside it, one after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from bench.installing import CONFIGURATION, NAMESPACE, PORT, Bare, Elsewhere, Floor, Installation, section
from bench.manifest import documents, list_of
from bench.ours import REPLICAS, SERVICE, Ours
from bench.rivals import AGAINST

from devcluster.deployment import NAMESPACE as SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from bench.rivals import Rivals

    from devcluster.controlplane import ControlPlane

POD_WEBHOOK = "mutatepods.kubemacpool.io"
# What every pod is given by the webhook that gives all the same.
SAME = (
    '[{"name":"ovs-conf","namespace":"bench","mac":"02:00:00:00:00:01"},'
    '{"name":"storage","namespace":"default","interface":"data0","mac":"02:00:00:00:00:02"}]'
)


def make_namespace(control_plane: ControlPlane) -> None:
    """Make the namespace of the pods."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    if control_plane.spec.controllers:
        # No pod is admitted before its namespace has this; a controller makes it.
        wait = ("--for=create", "serviceaccount/default", f"--namespace={NAMESPACE}", "--timeout=30s")
        control_plane.kubectl("wait", *wait)


def apply_release(control_plane: ControlPlane) -> dict[str, object]:
    """Apply the release manifest, but for its webhooks; return their configuration, which leads to our port."""
    everything = documents()
    kept = [_on_our_ports(document) for document in everything if document["kind"] != CONFIGURATION]
    configuration = next(document for document in everything if document["kind"] == CONFIGURATION)
    webhooks = msgspec.convert(configuration["webhooks"], list[dict[str, object]])
    make_namespace(control_plane)
    control_plane.kubectl("apply", "-f", "-", stdin=list_of(kept))
    # Whatever answers behind these webhooks, they are in effect, as a replica of ours would have it.
    subjects = [{"kind": "ServiceAccount", "name": "kubemacpool-sa", "namespace": SYSTEM}]
    arguments = ("clusterrolebinding", "kubemacpool-serving", "--type=merge", "-p", json.dumps({"subjects": subjects}))
    control_plane.kubectl("patch", *arguments)
    return configuration | {"webhooks": [_reaching(webhook, webhook["clientConfig"]) for webhook in webhooks]}


def of_pods(configuration: dict[str, object]) -> dict[str, object]:
    """Leave only the webhook that is asked about pods."""
    webhooks = msgspec.convert(configuration["webhooks"], list[dict[str, object]])
    return configuration | {"webhooks": [webhook for webhook in webhooks if webhook["name"] == POD_WEBHOOK]}


def pod_configuration(control_plane: ControlPlane) -> dict[str, object]:
    """Apply the release manifest, but for the webhook of pods, whose configuration comes and goes with its case."""
    return of_pods(apply_release(control_plane))


def installed_beside(
    control_plane: ControlPlane, rivals: Rivals, configuration: dict[str, object]
) -> list[Installation]:
    """The webhooks of others."""
    (webhook,) = msgspec.convert(configuration["webhooks"], list[dict[str, object]])
    return [Elsewhere(other, control_plane.api, webhook) for other in rivals.beside]


def installations(control_plane: ControlPlane, floor: Path, directory: Path, rivals: Rivals) -> list[Installation]:
    """Apply the release manifest, and make everything that is compared ready to be installed."""
    configuration = pod_configuration(control_plane)
    (webhook,) = msgspec.convert(configuration["webhooks"], list[dict[str, object]])
    floors = [
        Floor(name, networks, control_plane, floor, directory) for name, networks in (("floor", ""), ("patch", SAME))
    ]
    for each in floors:
        each.register(webhook)
    against: list[Installation] = []
    if rivals.against is not None:
        against = [Ours(AGAINST, 1, control_plane, directory, configuration, checkout=rivals.against)]
    return [
        Bare(control_plane.api),
        *floors,
        Ours("ours", 1, control_plane, directory, configuration),
        *against,
        *installed_beside(control_plane, rivals, configuration),
        Ours("three", REPLICAS, control_plane, directory, configuration),
    ]


def _on_our_ports(document: dict[str, object]) -> dict[str, object]:
    """Let the webhook's Service listen where this process may, with a port for each replica."""
    if document["kind"] != "Service" or section(document["metadata"])["name"] != SERVICE:
        return document
    ports = [{"name": f"webhook-{number}", "port": PORT + number} for number in range(REPLICAS)]
    return document | {"spec": section(document["spec"]) | {"ports": ports}}


def _reaching(webhook: dict[str, object], client: object) -> dict[str, object]:
    """Let the API server look for the webhook there."""
    settings = section(client)
    return webhook | {"clientConfig": settings | {"service": section(settings["service"]) | {"port": PORT}}}
