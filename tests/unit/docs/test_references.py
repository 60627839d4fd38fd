"""Documents name what there is."""

from pathlib import Path
from typing import Final

import pytest
from tests.unit.docs.faults import faults
from tests.unit.docs.markdown import anchors
from tests.unit.docs.tree import ROOT, Tree

DOCUMENTS: Final = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # of what was: it is not rewritten when names change
)
_TREE: Final = Tree()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_what_there_is(document: Path) -> None:
    assert not list(faults(document.read_text(), document.parent, _TREE))


@pytest.mark.parametrize("table", ["README.md", "docs/architecture.md"])
def test_the_documents_that_name_most_are_among_them(table: str) -> None:
    assert ROOT / table in DOCUMENTS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see [it](docs/gone.md)", "the link docs/gone.md leads nowhere"),
        ("see [it](README.md#gone)", "the link README.md#gone leads to no heading"),
        ("# Here\n\nsee [it](#gone)", "the link #gone leads to no heading"),
        ("`core/gone.py`", "there is no core/gone.py"),
        ("`src/kubemacpool/core/gone`", "there is no src/kubemacpool/core/gone"),
        ("`service/routing`", "there is no service/routing"),
        ("`cluster/gone/*.txt`", "there is no cluster/gone/*.txt"),
        ("`gone.py`", "there is no gone.py"),
        ("`make gone`", "there is no make gone"),
        ("```console\nmake gone # it\n```", "there is no make gone"),
        ("run\n\n    make gone\n", "there is no make gone"),
        ("`--gone=1`", "nothing has the flag --gone"),
        ("`KUBEMACPOOL_GONE=true`", "nothing reads the variable KUBEMACPOOL_GONE"),
        ("`MACPOOL_GONE`", "nothing reads the variable MACPOOL_GONE"),
        ("`kubemacpool_gone{state=…}`", "there is no metric kubemacpool_gone"),
        ("`KubemacpoolGone`", "there is no alert KubemacpoolGone"),
        ("`kubemacpool.io/gone`", "nothing reads or writes kubemacpool.io/gone"),
        ("`gone.kubemacpool.io`", "nothing reads or writes gone.kubemacpool.io"),
        ("`GoneAway`", "nothing is called GoneAway"),
        ("`gone_away`", "nothing is called gone_away"),
        ("`GONE_AWAY`", "nothing is called GONE_AWAY"),
        (
            "| rule | left out in `tests/model` |\n| 1 | `gone-away` |",
            "tests/model leaves out nothing that is called gone-away",
        ),
        ("| 6 s | `election/timing.py` `LEASE_SECONDS` |", "LEASE_SECONDS is 5, and not 6 s"),
        ("| 5 min | `election/timing.py` `LEASE_SECONDS` |", "LEASE_SECONDS is 5, and not 5 min"),
        ("| a while | `election/timing.py` `LEASE_SECONDS` |", "'a while' is no figure for LEASE_SECONDS"),
        ("| 5 s | `election/gone.py` `LEASE_SECONDS` |", "election/gone.py has no LEASE_SECONDS"),
        ("| 5 s | `election/timing.py` `GONE` |", "election/timing.py has no GONE"),
    ],
)
def test_what_is_not_there_is_found(text: str, fault: str) -> None:
    assert fault in list(faults(text, ROOT, _TREE))


@pytest.mark.parametrize(
    "text",
    [
        "[it](README.md#read-on), [that](https://example.org/gone.md#gone), [there](#there)\n# There",
        "`core/ledger.py`, `core/ledger`, `core`, `admission/webhook`, `tests/model`, `requirements/*.txt`, `Makefile`",
        "`make check`, and make sure of it; log line `dropped to make room`",
        "`--wait-time`, `--client-name NAME`, `--pod-network`, `kubectl delete --cascade=orphan`",
        "`KUBEMACPOOL_POD_NETWORK=true`, `MACPOOL_NUM_NODES`, `POD_IP`",
        "`kmp_mac_collisions{mac=…}`, `kubemacpool_events_dropped_total`, `KubemacpoolNotTrusted`",
        "`kubemacpool.io/sticky`, `mutatepods.kubemacpool.io=ignore`, `k8s.v1.cni.cncf.io/networks`, `kubevirt.io/v1`",
        "`MutatingWebhookConfiguration`, `LEASE_SECONDS`, `next_free`, `/readyz`, `_out/chaos.json`",
        "| 5 s | `election/timing.py` `LEASE_SECONDS` |\n| 10,000 | `core/budgets.py` `MOST_RESERVED` |",
    ],
)
def test_what_is_there_is_not_found_wrong(text: str) -> None:
    assert not list(faults(text, ROOT, _TREE))


def test_headings_are_reached_as_github_has_it() -> None:
    text = "# How many, and `why`?\n\n## A [link](x.md) & more\n\n```\n# no heading\n```\n"
    assert anchors(text) == {"how-many-and-why", "a-link--more"}
