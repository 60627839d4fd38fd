"""The pages that are made from the code are as they would be made now, and name all that there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from references import errors, events, exits, metrics, names, settings
from references.pages import PAGES
from tests.unit.docs.tree import KEY, PACKAGE

from kubemacpool.admission import messages
from kubemacpool.cli import exits as statuses
from kubemacpool.core.requests import Fault

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {path: path.read_text() for path in PACKAGE.rglob("*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reference_is_current(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "run `make references`"


def test_every_family_has_a_sample_to_tell_its_labels_from() -> None:
    without = [family.name for family in metrics.families() if not family.samples]
    assert not without, "have `exposition` in references/metrics.py give each of them one"


def test_every_annotation_and_label_that_the_code_names_is_listed() -> None:
    named = {name for text in SOURCES.values() for name in re.findall(rf'"({KEY.pattern})"', text) if "/" in name}
    selected = set(
        re.findall(r"key: (\S*kubemacpool\.io\S*)", (PACKAGE.parents[1] / "config/base/webhook.yaml").read_text())
    )

    assert named > {"kubemacpool.io/sticky"}
    assert selected
    assert not [name for name in named | selected if f"`{name}`" not in names.text()]


def test_every_name_that_is_listed_is_in_the_code() -> None:
    everything = "".join(SOURCES.values()) + (PACKAGE.parents[1] / "config/base/webhook.yaml").read_text()
    listed = [row[0] for rows in (names.READ, names.LABELS, names.WRITTEN) for row in rows]

    assert not [name for name in listed if name not in everything]


def test_every_reason_of_an_event_is_listed() -> None:
    reasons = {
        name
        for text in SOURCES.values()
        for line in re.findall(r"_events\.warn\(.*|self\._warn\([A-Z].*", text)
        for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", line)
    }
    values = {
        value
        for text in SOURCES.values()
        for name, value in re.findall(r'^([A-Z_]+)[:\w ]*= "(\w+)"', text, re.MULTILINE)
        if name in reasons
    }

    assert len(values) == len(reasons) > 2
    assert values == {event[0] for event in events.EVENTS}


def test_every_fault_and_every_message_has_an_example() -> None:
    said = {
        name
        for name in re.findall(r"\bdef ([a-z]\w+)\(", SOURCES[PACKAGE / "admission" / "messages.py"])
        if callable(getattr(messages, name, None))
    }
    used = set(re.findall(r"messages\.(\w+)\(", (PACKAGE.parents[1] / "references" / "errors.py").read_text()))

    assert set(errors.FAULTS) == set(Fault)
    assert said == used


def test_every_exit_status_is_listed() -> None:
    known = {value for name, value in vars(statuses).items() if name.isupper() and isinstance(value, int)}

    assert known <= set(statuses.MEANING)
    assert all(f"| `{status}` |" in exits.text() for status in known)


def test_every_key_of_the_config_map_is_listed() -> None:
    read = set(re.findall(r"(?:_address\(data, |data\.get\()([A-Z_]+)", SOURCES[PACKAGE / "wire" / "config.py"]))

    assert read == set(settings.KEYS)
