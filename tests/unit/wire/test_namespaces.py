"""Namespaces tell of their conflict policy, where they have one."""

import json

import pytest

from kubemacpool.wire.namespaces import decode_namespace
from kubemacpool.wire.objects import Decoded, ObjectIdentity


@pytest.mark.parametrize(
    ("annotations", "policy"),
    [(None, None), ({"a": "b"}, None), ({"kubemacpool.io/conflict-policy": "warn"}, "warn")],
)
def test_the_policy_stands_in_an_annotation(annotations: object, policy: str | None) -> None:
    metadata = {"name": "ns1", "uid": "u1", "resourceVersion": "5", "annotations": annotations}
    raw = json.dumps({"kind": "PartialObjectMetadata", "metadata": metadata}).encode()
    assert decode_namespace(raw) == Decoded(ObjectIdentity("", "ns1", "u1"), 5, policy)
