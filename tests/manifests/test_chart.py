"""The Helm chart gives what kustomize gives, and refuses values that would be nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from manifests.chart import CHART
from manifests.releases import CONFIG
from tests.support.helm import Helm

from devcluster.assets import helm as helm_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.manifests.conftest import Kustomize, Objects

    from devcluster.controlplane import ControlPlane

    Template = Callable[..., Objects]

OF_HELM: Final = {
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
}


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def template(helm: Helm) -> Template:
    """The objects that the chart gives with these values, and without the labels of Helm."""

    def make(*values: str, release: str = "default") -> Objects:
        options = [option for value in values for option in ("--set", value)]
        made = helm("template", "kubemacpool", str(CHART), "--no-hooks", "--namespace", release, *options)
        objects = [each for each in yaml.safe_load_all(made) if each]
        for each in objects:
            labels = each["metadata"]["labels"]
            assert labels.keys() >= OF_HELM
            each["metadata"]["labels"] = {name: value for name, value in labels.items() if name not in OF_HELM}
        return objects

    return make


def by_name(objects: Objects) -> dict[tuple[str, str], dict[str, Any]]:
    """Objects by kind and name."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(named) == len(objects)
    return named


MONITORING: Final = "monitoring.enabled=true"
SAME: Final = {
    "base": ((), ["base"]),
    "monitoring": ((MONITORING,), ["overlays/monitoring"]),
    "opt-in": (("namespaces.pods=opt-in", "namespaces.virtualMachines=opt-in"), ["overlays/opt-in"]),
    "opt-in-pods": (("namespaces.pods=opt-in",), ["overlays/opt-in-pods"]),
    "opt-in-virtual-machines": (("namespaces.virtualMachines=opt-in",), ["overlays/opt-in-virtual-machines"]),
    "cert-manager": (("certManager.enabled=true",), ["overlays/cert-manager"]),
    "high-availability": (("zones=true", "replicas=3"), ["overlays/high-availability"]),
    "egress": (("networkPolicies.egress=true",), ["overlays/egress"]),
    "hardening": (("hardening=true",), ["base", "hardening"]),
}


@pytest.mark.parametrize(("values", "directories"), SAME.values(), ids=SAME)
def test_the_chart_gives_the_objects_that_kustomize_gives(
    template: Template, kustomize: Kustomize, values: tuple[str, ...], directories: list[str]
) -> None:
    built = [each for directory in directories for each in kustomize(CONFIG / directory)]
    assert by_name(template(*values)) == by_name(built)


def test_a_release_that_is_kept_in_our_namespace_does_not_make_it(template: Template) -> None:
    names = by_name(template()).keys() - by_name(template(release="kubemacpool-system")).keys()
    assert names == {("Namespace", "kubemacpool-system")}


DEPLOYMENT: Final = ("Deployment", "kubemacpool-mac-controller-manager")


def test_values_of_the_pods_are_where_the_kubelet_and_the_scheduler_look(template: Template) -> None:
    objects = by_name(
        template(
            "image.repository=registry.example.com/kmp",
            "image.tag=v9",
            "image.pullPolicy=Always",
            "image.pullSecrets={one}",
            "args={--wait-time=90}",
            "env.CA_ROTATE_INTERVAL=720h",
            "resources.requests.memory=64Mi",
            "nodeSelector.kubernetes\\.io/os=linux",
            "tolerations[0].key=infra,tolerations[0].operator=Exists",
            "podAnnotations.who=me",
            "podLabels.team=net,podLabels.app=other",
        )
    )
    template_ = objects[DEPLOYMENT]["spec"]["template"]
    pod, (container,) = template_["spec"], template_["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example.com/kmp:v9", "Always")
    assert pod["imagePullSecrets"] == [{"name": "one"}]
    assert container["args"][-1] == "--wait-time=90"
    assert container["env"][-1] == {"name": "CA_ROTATE_INTERVAL", "value": "720h"}
    assert container["resources"] == {"requests": {"memory": "64Mi"}}
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert {"key": "infra", "operator": "Exists"} in pod["tolerations"]
    assert template_["metadata"]["annotations"] == {"who": "me"}
    assert template_["metadata"]["labels"]["team"] == "net"
    assert template_["metadata"]["labels"]["app"] == "kubemacpool", "by which pods are selected"


def test_values_of_the_pool_are_in_the_config_map(template: Template) -> None:
    objects = by_name(
        template(
            "pool.start=02:00:00:00:00:10",
            "pool.exclude=02:00:00:00:00:20",
            "pool.search=cluster",
            "pool.namespaceLimit=7",
        )
    )
    assert objects["ConfigMap", "kubemacpool-mac-range-config"]["data"] == {
        "RANGE_START": "02:00:00:00:00:10",
        "RANGE_END": "FD:FF:FF:FF:FF:FF",
        "EXCLUDE": "02:00:00:00:00:20",
        "START": "cluster",
        "NAMESPACE_LIMIT": "7",
    }


def test_an_issuer_of_the_users_own_needs_no_authority_of_the_charts(template: Template) -> None:
    objects = by_name(
        template(
            "certManager.enabled=true",
            "certManager.issuerRef.name=corporate",
            "certManager.issuerRef.kind=ClusterIssuer",
        )
    )
    assert [key for key in objects if key[0] in {"Issuer", "Certificate"}] == [("Certificate", "kubemacpool-webhook")]
    asked = objects["Certificate", "kubemacpool-webhook"]["spec"]["issuerRef"]
    assert asked == {"name": "corporate", "kind": "ClusterIssuer"}


def test_a_digest_goes_before_a_tag(template: Template) -> None:
    digest = "sha256:" + "0" * 64
    (container,) = by_name(template(f"image.digest={digest}"))[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"localhost/kubemacpool@{digest}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replicas=0", "replicas"),
        ("zones=true", "replicas"),
        ("pool.start=nonsense", "pool/start"),
        ("pool.strat=02:00:00:00:00:00", "strat"),
        ("namespaces.pods=sometimes", "namespaces/pods"),
        ("image.digest=latest", "image/digest"),
        ("replica=3", "replica"),
    ],
)
def test_nonsense_is_refused_by_its_name(helm: Helm, value: str, said: str) -> None:
    done = helm.run("template", "kubemacpool", str(CHART), "--set", value)
    assert done.returncode != 0
    assert said in done.stderr


def test_helm_tells_the_version_that_is_pinned(helm: Helm) -> None:
    assert helm("version", "--short").startswith(helm_module().version)


def test_helm_finds_no_fault_with_it(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_the_api_server_accepts_all_of_it_without_a_warning(with_kinds: ControlPlane, helm: Helm) -> None:
    options = (MONITORING, "certManager.enabled=true", "networkPolicies.egress=true", "hardening=true")
    made = helm("template", "kubemacpool", str(CHART), *(part for each in options for part in ("--set", each)))
    done = with_kinds.kubectl("apply", "--dry-run=server", "-f", "-", stdin=made)
    assert done.stderr == ""
