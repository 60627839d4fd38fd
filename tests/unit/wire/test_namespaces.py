"""Namespaces tell of the rules of their own, where they have some."""

import json

import pytest

from kubemacpool.wire.config import NamespaceRules, decode_namespace
from kubemacpool.wire.objects import Decoded, ObjectIdentity


@pytest.mark.parametrize(
    ("annotations", "rules"),
    [
        (None, None),
        ({"a": "b"}, None),
        ({"kubemacpool.io/conflict-policy": "warn"}, NamespaceRules("warn")),
        ({"kubemacpool.io/address-limit": ""}, NamespaceRules(None, "")),
        (
            {"kubemacpool.io/address-limit": "5", "kubemacpool.io/conflict-policy": "reject"},
            NamespaceRules("reject", "5"),
        ),
    ],
)
def test_the_rules_stand_in_annotations(annotations: object, rules: NamespaceRules | None) -> None:
    metadata = {"name": "ns1", "uid": "u1", "resourceVersion": "5", "annotations": annotations}
    raw = json.dumps({"kind": "PartialObjectMetadata", "metadata": metadata}).encode()
    assert decode_namespace(raw) == Decoded(ObjectIdentity("", "ns1", "u1"), 5, rules)
