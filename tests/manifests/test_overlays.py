"""Each overlay is accepted by the API server, and differs from what is released in what it is for and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from manifests.releases import CONFIG, RELEASES

if TYPE_CHECKING:
    from pathlib import Path

    from manifests.releases import Release
    from tests.manifests.conftest import Kustomize, Objects

    from devcluster.controlplane import ControlPlane

OVERLAYS: Final = sorted(path.parent for path in CONFIG.glob("overlays/*/kustomization.yaml"))
COMPONENTS: Final = sorted(path.parent for path in CONFIG.glob("components/*/kustomization.yaml"))
DEPLOYMENT: Final = ("Deployment", "kubemacpool-mac-controller-manager")
MUTATOR: Final = ("MutatingWebhookConfiguration", "kubemacpool-mutator")


def by_name(objects: Objects) -> dict[tuple[str, str], dict[str, Any]]:
    """Objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@pytest.fixture(scope="session")
def released() -> Objects:
    """What is applied without an overlay."""
    return list(yaml.safe_load_all(RELEASES[0].target.read_text()))


def changed(before: Objects, after: Objects) -> set[tuple[str, str]]:
    """What an overlay adds, takes away or changes."""
    old, new = by_name(before), by_name(after)
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.target.name)
def test_the_api_server_accepts_what_is_released_without_a_warning(with_kinds: ControlPlane, release: Release) -> None:
    done = with_kinds.kubectl("apply", "--dry-run=server", "-f", str(release.target))
    assert done.stderr == ""


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_api_server_accepts_an_overlay_without_a_warning(
    with_kinds: ControlPlane, kustomize: Kustomize, overlay: Path
) -> None:
    objects = kustomize(overlay)
    done = with_kinds.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(objects))
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(objects)


def test_every_component_is_in_an_overlay_that_is_tried() -> None:
    used = {
        (overlay / component).resolve()
        for overlay in OVERLAYS
        for component in yaml.safe_load((overlay / "kustomization.yaml").read_text()).get("components", [])
    }
    assert used == set(COMPONENTS)


def selectors(objects: Objects) -> list[dict[str, Any]]:
    """What the webhooks ask of a namespace's own label."""
    webhooks = by_name(objects)[MUTATOR]["webhooks"]
    return [webhook["namespaceSelector"]["matchExpressions"][-1] for webhook in webhooks]


IN: Final = ("In", ["allocate"])
OUT: Final = ("NotIn", ["ignore"])


@pytest.mark.parametrize(
    ("name", "pods", "machines"),
    [
        ("opt-in", IN, IN),
        ("opt-in-pods", IN, OUT),
        ("opt-in-virtual-machines", OUT, IN),
        ("opt-out", OUT, OUT),
    ],
)
def test_the_mode_of_each_kind_is_changed_and_nothing_else(
    kustomize: Kustomize, released: Objects, name: str, pods: tuple[str, list[str]], machines: tuple[str, list[str]]
) -> None:
    made = kustomize(CONFIG / "overlays" / name)
    assert [(each["operator"], each["values"]) for each in selectors(made)] == [pods, machines, machines]
    assert [each["key"] for each in selectors(made)] == [each["key"] for each in selectors(released)]
    before = {key: each for key, each in by_name(released).items() if key != MUTATOR}
    assert {key: each for key, each in by_name(made).items() if key != MUTATOR} == before


def test_high_availability_is_a_replica_in_each_of_three_zones(kustomize: Kustomize, released: Objects) -> None:
    made = kustomize(CONFIG / "overlays" / "high-availability")
    assert changed(released, made) == {DEPLOYMENT}
    spec = by_name(made)[DEPLOYMENT]["spec"]
    assert spec["replicas"] == 3
    zones = [
        each
        for each in spec["template"]["spec"]["topologySpreadConstraints"]
        if each["topologyKey"] == "topology.kubernetes.io/zone"
    ]
    assert [(each["minDomains"], each["maxSkew"], each["whenUnsatisfiable"]) for each in zones] == [
        (3, 1, "DoNotSchedule")
    ]


def test_a_single_node_has_one_replica(kustomize: Kustomize, released: Objects) -> None:
    made = kustomize(CONFIG / "overlays" / "single-node")
    assert changed(released, made) == {DEPLOYMENT}
    assert by_name(made)[DEPLOYMENT]["spec"]["replicas"] == 1


def test_monitoring_adds_its_objects(kustomize: Kustomize, released: Objects) -> None:
    made = kustomize(CONFIG / "overlays" / "monitoring")
    assert made == released + list(yaml.safe_load_all(RELEASES[1].target.read_text()))


def test_an_overlay_keeps_replicas_from_calling_anybody_but_api_servers_and_each_other(kustomize: Kustomize) -> None:
    shipped, restricted = kustomize(CONFIG / "base"), kustomize(CONFIG / "overlays" / "egress")
    (added,) = [each for each in restricted if each not in shipped]
    assert [each for each in shipped if each not in restricted] == []
    assert added["spec"]["policyTypes"] == ["Egress"]
    ports = [[port["port"] for port in each["ports"]] for each in added["spec"]["egress"]]
    assert ports == [[443, 6443], [8000]]
    assert "to" not in added["spec"]["egress"][0]


def test_with_cert_manager_replicas_serve_what_it_has_issued_and_leave_the_ca_bundles_to_it(
    kustomize: Kustomize, released: Objects
) -> None:
    made = kustomize(CONFIG / "overlays" / "cert-manager")
    assert {kind for kind, _ in changed(released, made)} == {"Certificate", "Issuer", DEPLOYMENT[0], MUTATOR[0]}
    objects = by_name(made)
    certificate = objects["Certificate", "kubemacpool-webhook"]
    pod = objects[DEPLOYMENT]["spec"]["template"]["spec"]
    assert objects[MUTATOR]["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "kubemacpool-system/kubemacpool-webhook"
    }
    (volume,) = [each for each in pod["volumes"] if "secret" in each]
    assert volume["secret"]["secretName"] == certificate["spec"]["secretName"]
    variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert variables["KUBEMACPOOL_TLS_CERT_FILE"] == "/certs/tls.crt"
    assert variables["KUBEMACPOOL_TLS_PRIVATE_KEY_FILE"] == "/certs/tls.key"
    assert "kubemacpool-service.kubemacpool-system.svc" in certificate["spec"]["dnsNames"]
