"""The caBundle of the webhook configuration."""

import base64
import json

import pytest

from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.webhooks import ca_bundle_patch

CA = b"-----BEGIN CERTIFICATE-----"
BUNDLE = base64.b64encode(CA).decode()


def _configuration(*bundles: str | None) -> bytes:
    webhooks = [{"clientConfig": {} if bundle is None else {"caBundle": bundle}} for bundle in bundles]
    return json.dumps({"metadata": {"resourceVersion": "7"}, "webhooks": webhooks}).encode()


def test_only_webhooks_with_another_bundle_are_changed_and_only_as_they_were_read() -> None:
    patch = ca_bundle_patch(_configuration(None, BUNDLE, "b3RoZXI="), CA)
    assert patch is not None
    assert json.loads(patch) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": BUNDLE},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": BUNDLE},
    ]


@pytest.mark.parametrize("body", [_configuration(BUNDLE), _configuration(), b'{"metadata":{}}'])
def test_nothing_is_written_where_nothing_differs(body: bytes) -> None:
    assert ca_bundle_patch(body, CA) is None


@pytest.mark.parametrize(
    "body",
    [b"[]", b"no", b'{"metadata":{"resourceVersion":"\xff"}}', b"[" * 100_000],
    ids=["list", "text", "not UTF-8", "nested"],
)
def test_what_is_no_configuration_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a webhook configuration"):
        ca_bundle_patch(body, CA)
