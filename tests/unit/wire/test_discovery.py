"""What an API group serves, and in which version."""

import json

import pytest

from kubemacpool.wire.api_objects import read_plurals, read_preferred_version
from kubemacpool.wire.listing import UnexpectedAnswerError


def test_the_version_is_the_one_that_the_api_server_prefers() -> None:
    versions = [{"groupVersion": f"kubevirt.io/{version}", "version": version} for version in ("v1", "v1alpha3")]
    group = {"kind": "APIGroup", "name": "kubevirt.io", "versions": versions, "preferredVersion": versions[1]}
    assert read_preferred_version(json.dumps(group).encode()) == "v1alpha3"


def test_resources_are_told_without_their_subresources() -> None:
    names = ["virtualmachines", "virtualmachines/status", "virtualmachineinstances"]
    body = {"kind": "APIResourceList", "resources": [{"name": name, "kind": "X"} for name in names]}
    assert read_plurals(json.dumps(body).encode()) == {"virtualmachines", "virtualmachineinstances"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"preferredVersion":{}}',
        b'{"preferredVersion":{"version":"\xff"},"resources":[{"name":"\xff"}]}',
        b"[" * 100_000,
    ],
    ids=["empty", "a list", "no version", "no UTF-8", "deep"],
)
def test_anything_else_is_an_unexpected_answer(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not an APIGroup"):
        read_preferred_version(body)
    with pytest.raises(UnexpectedAnswerError, match="not an APIResourceList"):
        read_plurals(body)
