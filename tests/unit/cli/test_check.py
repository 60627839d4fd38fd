"""`kubemacpool check` on manifests and on networks: what it finds, and how CI servers are told."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from kubemacpool.cli.main import app
from kubemacpool.cli.pool.audit import of_network
from kubemacpool.cli.pool.findings import RULES

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: %s
  annotations:
    k8s.v1.cni.cncf.io/networks: '[{"name":"x","mac":"%s"}]'
"""


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def _found(directory: Path, *arguments: object) -> list[tuple[str, str, str, int]]:
    items = json.loads(_run("-f", directory, "-o", "json", *arguments).stdout)["items"]
    return [(each["rule"], each["object"], Path(each.get("file", "")).name, each.get("line", 0)) for each in items]


def _write(directory: Path, **pods: str) -> None:
    for name, mac in pods.items():
        (directory / f"{name}.yaml").write_text(POD % (name, mac))


def test_what_is_well_is_told_so_and_ends_with_0(tmp_path: Path) -> None:
    _write(tmp_path, a="02:00:00:00:00:01")
    result = _run("-f", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "Nothing is wrong.\n")


@pytest.mark.parametrize(
    ("mac", "rule", "status"),
    [
        ("01:00:00:00:00:01", "unusable-address", 1),
        ("nonsense", "unusable-address", 1),
        ("00:00:00:00:00:00", "unusable-address", 1),
        ("04:00:00:00:00:01", "vendor-address", 0),
        ("06:00:00:00:00:01", "outside-pool", 0),
    ],
)
def test_an_address_is_judged_by_the_rules_and_by_the_pool(tmp_path: Path, mac: str, rule: str, status: int) -> None:
    _write(tmp_path, a=mac)
    pool = "--range=02:00:00:00:00:00-02:00:00:00:00:ff"
    assert (rule, "Pod default/a", "a.yaml") in [each[:3] for each in _found(tmp_path, pool)]
    assert _run("-f", tmp_path, pool).exit_code == status
    assert _run("-f", tmp_path, pool, "--strict").exit_code == (1 if rule != "outside-pool" else 0)


def test_a_collision_names_both_places_in_every_format(tmp_path: Path) -> None:
    _write(tmp_path, a="02:00:00:00:00:01", b="02:00:00:00:00:01")
    expected = [("collision", f"Pod default/{name}", f"{name}.yaml", 6) for name in "ab"]
    assert _found(tmp_path) == expected
    table = _run("-f", tmp_path)
    assert table.exit_code == 1
    assert f"{tmp_path}/a.yaml:6" in table.stdout
    sarif = json.loads(_run("-f", tmp_path, "-o", "sarif").stdout)
    (run,) = sarif["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    (first, _) = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (f"{tmp_path}/a.yaml", 6)
    suite = ET.fromstring(_run("-f", tmp_path, "-o", "junit").stdout)  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures")) == (str(len(RULES)), "1")
    (failure,) = suite.iter("failure")
    assert (failure.text or "").count("02:00:00:00:00:01 is that of") == 2


def test_a_template_of_several_pods_with_an_address_is_found(tmp_path: Path) -> None:
    networks = """k8s.v1.cni.cncf.io/networks: '[{"name":"a","mac":"02:00:00:00:00:01"}]'"""
    template = f"template: {{metadata: {{annotations: {{{networks}}}}}}}"
    text = f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: web}}\nspec: {{replicas: 3, {template}}}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert _found(tmp_path) == [("shared-template", "StatefulSet default/web", "a.yaml", 1)]


MAC = {"mac": True}


@pytest.mark.parametrize(
    ("config", "rules"),
    [
        ({"type": "bridge", "capabilities": MAC}, []),
        ({"plugins": [{"type": "bridge"}, {"type": "tuning", "capabilities": MAC}]}, []),
        ({"type": "bridge"}, ["network-ignores-address"]),
        ({"plugins": [{"type": "bridge", "capabilities": {"ips": True}}]}, ["network-ignores-address"]),
        ({"type": "bridge", "mac": "02:00:00:00:00:01", "capabilities": MAC}, ["network-pins-address"]),
        (
            {"plugins": [{"type": "bridge", "args": {"cni": {"mac": "02:00:00:00:00:01"}}, "capabilities": MAC}]},
            ["network-pins-address"],
        ),
        ({}, []),
        (["odd"], []),
        ({"plugins": "odd"}, []),
    ],
)
def test_a_network_is_found_that_gives_no_address_or_one_to_all(config: object, rules: list[str]) -> None:
    assert [each.rule for each in of_network("NetworkAttachmentDefinition ns/a", "ns", config)] == rules


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--range=02:00:00:00:00:00-02:00:00:00:00:01"], "--range is for --filename"),
        (["-f", "/does/not/exist"], "/does/not/exist: No such file or directory"),
        (["-f", ".", "-o", "xml"], "--output 'xml' is not known; use one of table, wide, json, yaml, name, junit"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(arguments: list[str], message: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
