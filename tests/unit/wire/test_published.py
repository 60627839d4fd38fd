import json

import pytest

from kubemacpool.wire.api_objects import new_published_bundle, published_bundle_patch, read_published_bundle
from kubemacpool.wire.listing import UnexpectedAnswerError


def test_what_is_published_is_read_again() -> None:
    body = new_published_bundle("ns1", "our-ca", "PEM")
    assert json.loads(body)["metadata"] == {"namespace": "ns1", "name": "our-ca", "labels": {"app": "kubemacpool"}}
    assert read_published_bundle(body) == "PEM"
    assert read_published_bundle(published_bundle_patch("other")) == "other"


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":{"ca.pem":"PEM"}}'])
def test_a_config_map_without_it_publishes_nothing(body: bytes) -> None:
    assert read_published_bundle(body) == ""


def test_another_answer_is_none() -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a ConfigMap"):
        read_published_bundle(b'{"data":{"ca.crt":1}}')
