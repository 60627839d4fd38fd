"""Any manifest stays as it is but for the addresses that were added."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from tests.unit.cli.manifest.filled import POOL, filled, result_of
from tests.unit.cli.manifest.written import manifests

from kubemacpool.cli.manifest.documents import parse
from kubemacpool.core.addresses import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = re.compile(r"02(?::[0-9a-f]{2}){5}")
NETWORKS = "k8s.v1.cni.cncf.io/networks"


def _values(text: str) -> list[object]:
    return [document.value for document in parse("a", text.encode()).documents]


def _without(value: object, added: set[str]) -> object:
    """The same without these addresses, and without members that say nothing."""
    if isinstance(value, dict):
        found = {key: _without(each, added) for key, each in value.items()}
        if isinstance(value.get(NETWORKS), str):
            found[NETWORKS] = _without(msgspec.json.decode(value[NETWORKS]), added)
        return {
            key: each
            for key, each in found.items()
            if not (key in {"mac", "macAddress"} and (not each or each in added))
        }
    if isinstance(value, list):
        return [_without(each, added) for each in value]
    return value


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key in {"mac", "macAddress"} and isinstance(each, str) and each:
                yield each
            elif key == NETWORKS:
                yield from _addresses(msgspec.json.decode(each))
            elif key != "x-unknown":
                yield from _addresses(each)
    elif isinstance(value, list):
        for each in value:
            yield from _addresses(each)


def _is_within(part: str, whole: str) -> bool:
    """Whether a text is what is left of another when some of its characters are taken away."""
    letters = iter(whole)
    return all(letter in letters for letter in part)


@settings(max_examples=300, deadline=None)
@given(manifests())
def test_any_manifest_stays_equal_but_for_what_was_added(text: str) -> None:
    after = filled(text)
    before = set(_addresses(_values(text)))
    found = list(_addresses(_values(after)))
    assert _without(_values(text), set()) == _without(_values(after), set(found) - before)
    assert len(found) == len(set(found))
    assert before <= set(found)
    assert all(parse_address(each) in POOL for each in found)
    kept = text.replace('""', "").replace("null", "")
    assert _is_within(kept, after)


@settings(max_examples=100, deadline=None)
@given(manifests())
def test_every_interface_has_an_address_then_and_doing_it_again_changes_nothing(text: str) -> None:
    once = filled(text)
    file = parse("a.yaml", once.encode())
    result = result_of(file)
    assert (result.texts, result.filled, result.faults) == ({}, [], [])
    assert filled(text) == once
