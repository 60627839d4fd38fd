"""What documents tell people to type works, and prints what they say."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest
from tests.docs.blocks import ROOT, Block, Command, Document, File, document, documents
from tests.docs.outputs import Outputs
from tests.docs.running import Reader
from tests.support.installed import Installed, installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG_MAP: Final = ("-n", "kubemacpool-system", "configmap", "kubemacpool-mac-range-config")
KINDS: Final = "statefulsets,deployments,virtualmachines,virtualmachineinstances,pods"
DOCUMENTS: Final = documents()
NOT_RUN: Final = [(each, block) for each in DOCUMENTS for block in each.blocks if block.reason]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The installation that most documents share."""
    with installation(tmp_path_factory.mktemp("documents"), nodes=1, kubevirt=True) as installed:
        installed.control_plane.kubectl(
            "apply", "-f", str(ROOT / "demo/manifests/network-attachment-definition-crd.yaml")
        )
        yield installed


def _namespaces(document: Document) -> dict[str, str]:
    """Namespaces of its own for a document."""
    name = re.sub(r"[^a-z0-9]+", "-", document.path.lower().removesuffix(".md")).strip("-")
    return {"NAMESPACE": f"{name}-1", "TARGET": f"{name}-2"}


@pytest.mark.parametrize("each", [each for each in DOCUMENTS if each.runs and not each.own], ids=lambda each: each.path)
def test_the_commands_of_a_document_do_what_it_says(shared: Installed, each: Document, tmp_path: Path) -> None:
    kubectl = shared.control_plane.kubectl
    before = json.loads(kubectl("get", *CONFIG_MAP, "-o", "json").stdout)["data"]
    namespaces = _namespaces(each)
    for name in namespaces.values():
        kubectl("create", "namespace", name)
    try:
        Reader(shared, tmp_path, namespaces).follow(each)
    finally:
        kubectl(
            "patch", *CONFIG_MAP, "--type=json", "-p", json.dumps([{"op": "replace", "path": "/data", "value": before}])
        )
        kubectl("delete", KINDS, "--all", "--namespace", "default", "--now")
        kubectl("delete", "namespace", *namespaces.values(), "--wait=false")


@pytest.mark.parametrize("each", [each for each in DOCUMENTS if each.runs and each.own], ids=lambda each: each.path)
def test_the_commands_of_a_document_with_a_cluster_of_its_own_do_what_it_says(each: Document, tmp_path: Path) -> None:
    (tmp_path / "reader").mkdir()
    namespaces = _namespaces(each)
    with installation(tmp_path / "cluster", nodes=1, kubevirt=True) as installed:
        for name in namespaces.values():
            installed.control_plane.kubectl("create", "namespace", name)
        Reader(installed, tmp_path / "reader", namespaces).follow(each)


@pytest.mark.parametrize(("each", "block"), NOT_RUN, ids=[f"{each.path}:{block.line}" for each, block in NOT_RUN])
def test_commands_that_cannot_run_here_say_why(each: Document, block: Block) -> None:
    assert len(block.reason.split()) >= 3
    pytest.skip(f"{each.path}:{block.line} is not run: {block.reason}")


def test_commands_stand_in_blocks_that_are_run() -> None:
    others = re.compile(r"^ *```(?:sh|bash|shell|zsh|shell-session)\b", re.MULTILINE)
    texts = {path: path.read_text() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))}

    assert not [path for path, text in texts.items() if others.search(text)]
    assert sum(each.runs for each in DOCUMENTS) > 1


def test_a_document_is_read_as_people_read_it() -> None:
    text = (
        '```yaml title="a.yaml"\na: 1\n```\n<!-- run: echo hidden -->\n<!-- exit 1 -->\n```console\n$ echo \\\n'
        "  'a\nb'\na\nb\n$ false\n```\n<!-- not run: no such thing here -->\n\n```console\nmake it\nmake that\n```\n"
    )

    assert document("x.md", text).parts == [
        File("a.yaml", "a: 1\n"),
        Block(4, [Command("echo hidden")]),
        Block(6, [Command("echo \\\n  'a\nb'", "a\nb\n"), Command("false", "", 1)]),
        Block(16, [Command("make it\nmake that")], "no such thing here"),
    ]


@pytest.mark.parametrize(
    ("told", "printed", "agrees"),
    [
        ("a  b", "a b\n", "yes"),
        ("a …", "a 12 s", "yes"),
        ("a …", "b 12 s", "no"),
        ("a …", "a 12 s\nb", "no"),
        ("…\na", "a", "yes"),
        ("…\na\n…", "b\nc\na\nd", "yes"),
        ("…\na", "b\nac", "no"),
        ("02:00:00:00:00:01", "02:00:00:00:1a:2b", "yes"),
        ("02:00:00:00:00:01", "fe:00", "no"),
        ("02:00:00:00:aa:01", "02:00:00:00:1a:2b", "no"),
        ("02:00:00:00:00:01 02:00:00:00:00:01", "02:00:00:00:1a:2b 02:00:00:00:1a:2b", "yes"),
        ("02:00:00:00:00:01 02:00:00:00:00:01", "02:00:00:00:1a:2b 02:00:00:00:1a:2c", "no"),
        ("02:00:00:00:00:01 02:00:00:00:00:02", "02:00:00:00:1a:2b 02:00:00:00:1a:2b", "no"),
    ],
)
def test_an_output_is_compared_where_a_document_can_know_it(told: str, printed: str, agrees: str) -> None:
    assert ("no" if Outputs().differ(told, printed) else "yes") == agrees


def test_an_address_stands_for_the_same_one_throughout_a_document() -> None:
    outputs = Outputs()
    assert not outputs.differ("02:00:00:00:00:01", "02:00:00:00:1a:2b")
    assert not outputs.differ("is 02:00:00:00:00:01", "is 02:00:00:00:1a:2b")
    assert outputs.differ("is 02:00:00:00:00:01", "is 02:00:00:00:1a:2c")
