"""Where an address goes, in each style of writing, and where there is no place for one."""

import json

import pytest
from tests.unit.cli.manifest.filled import faults_of, filled, result_of

from kubemacpool.cli.manifest.documents import parse

MACHINE = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: vm}
spec:
  template:
    spec:
      domain:
        devices:
          interfaces:
%s
      networks: [{name: a, multus: {networkName: x}}, {name: b, multus: {networkName: x}}]
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n    k8s.v1.cni.cncf.io/networks: %s\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- name: a # one\n  bridge: {}", '- name: a # one\n  macAddress: "02:00:00:00:00:01"\n  bridge: {}'),
        ("- bridge: {}\n  name: a", '- bridge: {}\n  name: a\n  macAddress: "02:00:00:00:00:01"'),
        ("- name:\n    a\n  bridge: {}", '- macAddress: "02:00:00:00:00:01"\n  name:\n    a\n  bridge: {}'),
        ("- {name: a}", '- {name: a, macAddress: "02:00:00:00:00:01"}'),
        ("- {name: a, }", '- {name: a, macAddress: "02:00:00:00:00:01", }'),
        ('- {"name":"a"}', '- {"name":"a","macAddress":"02:00:00:00:00:01"}'),
        ("- name: a\n  macAddress: # free", '- name: a\n  macAddress: "02:00:00:00:00:01" # free'),
        ("- name: a\n  macAddress: ''", '- name: a\n  macAddress: "02:00:00:00:00:01"'),
        ("- name: a\n  macAddress: 02:00:00:00:00:10", "- name: a\n  macAddress: 02:00:00:00:00:10"),
        ("- name: a\n  macAddress: 52:54:00:12:34:56", "- name: a\n  macAddress: 52:54:00:12:34:56"),
        ("- &a\n  name: a", '- &a\n  name: a\n  macAddress: "02:00:00:00:00:01"'),
    ],
)
def test_a_machine_gets_a_member_where_people_would_write_it(before: str, after: str) -> None:
    indented = ["\n".join(f"          {line}" for line in each.splitlines()) for each in (before, after)]
    assert filled(MACHINE % indented[0]) == MACHINE % indented[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("""'[{"name":"a"}]'""", """'[{"name":"a","mac":"02:00:00:00:00:01"}]'"""),
        ("""'[{"name": "it''s"}]'""", """'[{"name": "it''s", "mac": "02:00:00:00:00:01"}]'"""),
        (r'"[{\"name\":\"a\"}]"', r'"[{\"name\":\"a\",\"mac\":\"02:00:00:00:00:01\"}]"'),
        (r'"[\u007b\"name\":\"a\"}]"', r'"[\u007b\"name\":\"a\",\"mac\":\"02:00:00:00:00:01\"}]"'),
        ("""'[ { } ]'""", """'[ {"mac": "02:00:00:00:00:01" } ]'"""),
        (
            '|\n      [\n        {\n          "name": "a"\n        }\n      ]',
            '|\n      [\n        {\n          "name": "a",\n          "mac": "02:00:00:00:00:01"\n        }\n      ]',
        ),
        ('>-\n      [{"name": "a"}]', '>-\n      [{"name": "a", "mac": "02:00:00:00:00:01"}]'),
        # Folded over lines, it says nothing of where its characters stand: it is written anew.
        ("""'[{"name":\n      "a"}]'""", """'[{"name": "a", "mac": "02:00:00:00:00:01"}]'"""),
        ("""'[{"name":"a","mac":null}]'""", """'[{"name":"a","mac":"02:00:00:00:00:01","namespace":"default"}]'"""),
        ("""a,b@eth7""", """a,b@eth7"""),
        ("""'[{"name":"a","cni-args":{"mac":"02:00:00:00:00:09"}}]'""",) * 2,
    ],
)
def test_an_annotation_gets_an_address_in_its_own_style(before: str, after: str) -> None:
    assert filled(POD % before) == POD % after


def test_json_stays_json_in_its_own_style() -> None:
    interfaces = [{"name": "a", "bridge": {}}]
    spec = {"domain": {"devices": {"interfaces": interfaces}}, "networks": [{"name": "a", "multus": {}}]}
    machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "a"}}
    manifest = {"kind": "List", "apiVersion": "v1", "items": [{**machine, "spec": {"template": {"spec": spec}}}]}
    for indent in (None, 2):
        before = json.dumps(manifest, indent=indent)
        interfaces[0]["macAddress"] = "02:00:00:00:00:01"
        assert filled(before) == json.dumps(manifest, indent=indent)
        del interfaces[0]["macAddress"]


def test_what_stands_in_several_places_at_once_is_left_to_people() -> None:
    shared = MACHINE.replace("interfaces:\n%s", "interfaces: &all\n          - name: a") + "other: *all\n"
    (fault,) = faults_of(shared)
    assert fault.startswith("a.yaml:1: VirtualMachine default/vm: ")
    assert "by means of an alias; write it out" in fault
    merged = MACHINE.replace("        devices:\n          interfaces:\n%s", "        <<: *devices") + "x: {}\n"
    merged = "defaults: &devices\n  devices:\n    interfaces: [{name: a}]\n" + merged
    (fault,) = faults_of(merged)
    assert "merged from elsewhere; write them out" in fault


def test_two_that_have_one_address_are_both_named_with_their_lines() -> None:
    machine = MACHINE % "          - {name: a, macAddress: 02-00-00-00-00-AA}"
    pod = POD % """'[{"name":"a","mac":"02:00:00:00:00:aa"}]'"""
    first, second = faults_of(machine.replace("02-00-00-00-00-AA", "'02:00:00:00:00:AA'"), pod)
    assert first.startswith(
        "a.yaml:10: VirtualMachine default/vm: 02:00:00:00:00:aa is that of Pod default/p (b.yaml:6)"
    )
    assert second.startswith(
        "b.yaml:6: Pod default/p: 02:00:00:00:00:aa is that of VirtualMachine default/vm (a.yaml:10)"
    )


@pytest.mark.parametrize(
    ("interfaces", "message"),
    [
        ("- {name: a, macAddress: '01:00:00:00:00:01'}", "is a multicast address"),
        ("- {name: a, macAddress: nonsense}", 'interface "a": mac "nonsense" is not a MAC address of 6 bytes'),
        (
            "- {name: a, macAddress: '02:00:00:00:00:01'}\n          - {name: b, macAddress: '02:00:00:00:00:01'}",
            "duplicate",
        ),
        ("- {name: c}", 'interface "c" has no network of that name'),
    ],
)
def test_what_the_webhook_would_refuse_is_refused_in_its_words(interfaces: str, message: str) -> None:
    (fault,) = faults_of(MACHINE % f"          {interfaces}")
    assert fault.startswith("a.yaml:1: VirtualMachine default/vm: ")
    assert message in fault


@pytest.mark.parametrize(
    ("head", "left_alone"),
    [
        ("kind: StatefulSet\nspec:\n", ""),
        ("kind: StatefulSet\nspec:\n  replicas: 1\n", ""),
        ("kind: StatefulSet\nspec:\n  replicas: 2\n", "it has 2 replicas, which cannot have one address"),
        ("kind: Deployment\nspec:\n  strategy: {type: Recreate}\n", ""),
        ("kind: Deployment\nspec:\n  strategy: {rollingUpdate: {maxSurge: 0}}\n", ""),
        ("kind: Deployment\nspec:\n", "set spec.strategy.type to Recreate"),
        ("kind: DaemonSet\nspec:\n", "the pods of a DaemonSet are several"),
    ],
)
def test_a_template_gets_an_address_where_that_is_one_pods(head: str, left_alone: str) -> None:
    template = """  template: {metadata: {annotations: {k8s.v1.cni.cncf.io/networks: '[{"name":"a"}]'}}}\n"""
    text = f"apiVersion: apps/v1\nmetadata: {{name: web}}\n{head}{template}"
    result = result_of(parse("a.yaml", text.encode()))
    assert result.faults == []
    assert bool(result.texts) != bool(left_alone)
    assert [left_alone in note.message for note in result.notes] == [True] * len(result.notes)
    assert len(result.notes) == bool(left_alone)


def test_an_object_that_stands_in_two_files_has_one_address() -> None:
    machine = MACHINE % "          - name: a"
    files = [parse(name, machine.encode()) for name in ("base.yaml", "overlay.yaml")]
    result = result_of(*files)
    assert result.faults == []
    assert {text.count('macAddress: "02:00:00:00:00:01"') for text in result.texts.values()} == {1}
    assert "base.yaml:1 too, and is taken for the same object" in result.notes[0].message
