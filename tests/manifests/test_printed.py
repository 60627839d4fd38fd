"""`kubemacpool manifests`: what it prints is what kustomize makes of the overlays, comments included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from manifests.releases import CONFIG, RELEASES, text
from typer.testing import CliRunner

from kubemacpool.cli.main import app

if TYPE_CHECKING:
    from tests.manifests.conftest import Kustomize

    from devcluster.controlplane import ControlPlane


OTHER_POOL = ("--range=02-10-00-00-00-00-02:10:00:ff:ff:ff", "--exclude=02:10:00:00:00:01")


def _printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["manifests", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def _by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Objects by kind and name; the variables of containers in the order of their names."""
    for each in objects:
        if each["kind"] == "Deployment":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            container["env"].sort(key=lambda variable: variable["name"])
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def test_without_flags_it_is_the_release_manifest() -> None:
    assert _printed() == text(RELEASES[0])
    assert _printed("--monitoring") == text(RELEASES[0]) + "---\n" + text(RELEASES[1])


@pytest.mark.parametrize(
    ("overlay", "arguments"),
    [
        ("opt-in", ["--opt-in=pods", "--opt-in=virtual-machines"]),
        ("opt-in-pods", ["--opt-in=pods"]),
        ("cert-manager", ["--cert-manager"]),
        ("monitoring", ["--monitoring"]),
    ],
)
def test_it_prints_what_kustomize_makes_of_an_overlay(kustomize: Kustomize, overlay: str, arguments: list[str]) -> None:
    built = kustomize(CONFIG / "overlays" / overlay)
    assert _by_name([*yaml.safe_load_all(_printed(*arguments))]) == _by_name(built)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cert-manager", "--opt-in=pods", "--monitoring"],
        [
            "--range=02-10-00-00-00-00-02:10:00:ff:ff:ff",
            "--exclude=02:10:00:00:00:01",
            "--replicas=3",
            "--image=r.io/k:v1",
        ],
        ["--output=json", "--cert-manager"],
    ],
)
def test_the_api_server_accepts_what_is_printed_without_a_warning(
    with_kinds: ControlPlane, arguments: list[str]
) -> None:
    answer = with_kinds.kubectl("apply", "--dry-run=server", "-f", "-", stdin=_printed(*arguments))
    assert "arning" not in answer.stderr
    assert answer.returncode == 0


def test_flags_change_what_they_name_and_nothing_else() -> None:
    flags = [
        "--range=02-10-00-00-00-00-02:10:00:ff:ff:ff",
        "--exclude=02:10:00:00:00:01",
        "--replicas=3",
        "--image=r/k:1",
    ]
    before, after = (_by_name([*yaml.safe_load_all(each)]) for each in (_printed(), _printed(*flags)))
    pool = before["ConfigMap", "kubemacpool-mac-range-config"]["data"]
    pool |= {"RANGE_START": "02:10:00:00:00:00", "RANGE_END": "02:10:00:ff:ff:ff", "EXCLUDE": "02:10:00:00:00:01"}
    spec = before["Deployment", "kubemacpool-mac-controller-manager"]["spec"]
    spec["replicas"] = 3
    spec["template"]["spec"]["containers"][0]["image"] = "r/k:1"
    assert after == before


def test_another_namespace_is_named_wherever_the_shipped_one_is() -> None:
    printed = _printed("--namespace=elsewhere")
    assert "kubemacpool-system" not in printed
    assert printed.count("elsewhere") == _printed().count("kubemacpool-system")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--opt-in=jobs", "--opt-in 'jobs' is not known; use one of pods, virtual-machines"),
        ("--range=here", "--range 'here' is no range"),
        ("--namespace=No_One", "--namespace 'No_One' cannot be the name of a namespace"),
        ("--image=a b", "--image 'a b' is no name of an image"),
        ("--exclude=none", '--exclude "none" is neither an address nor a range'),
    ],
)
def test_a_mistake_is_named(flag: str, message: str) -> None:
    result = CliRunner().invoke(app, ["manifests", flag])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
