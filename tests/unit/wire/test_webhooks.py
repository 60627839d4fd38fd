"""The caBundles of the webhook configuration."""

import base64
import json

import pytest

from kubemacpool.wire.api_objects import WebhookBundle, WebhookBundles, ca_bundle_patch, read_ca_bundles
from kubemacpool.wire.listing import UnexpectedAnswerError

CA = b"-----BEGIN CERTIFICATE-----"
BUNDLE = base64.b64encode(CA).decode()


def _configuration(*bundles: str | None) -> bytes:
    webhooks = [
        {"name": f"w{place}", "clientConfig": {} if bundle is None else {"caBundle": bundle}}
        for place, bundle in enumerate(bundles)
    ]
    return json.dumps({"metadata": {"resourceVersion": "7"}, "webhooks": webhooks}).encode()


def test_the_bundle_of_every_webhook_is_read_and_what_cannot_be_decoded_is_as_good_as_none() -> None:
    found = read_ca_bundles(_configuration(None, BUNDLE, "", "a", "ä"))
    contents = (b"", CA, b"", b"", b"")
    assert found == WebhookBundles("7", tuple(WebhookBundle(f"w{n}", content) for n, content in enumerate(contents)))


@pytest.mark.parametrize("body", [b'{"metadata":{"resourceVersion":"7"}}', _configuration()])
def test_a_configuration_may_have_no_webhooks(body: bytes) -> None:
    assert read_ca_bundles(body) == WebhookBundles("7", ())


@pytest.mark.parametrize(
    ("annotations", "injected"),
    [
        ({"a": "b"}, ""),
        ({"cert-manager.io/inject-ca-from": ""}, ""),
        ({"a": "b", "cert-manager.io/inject-ca-from": "ns/name"}, "cert-manager.io/inject-ca-from"),
        ({"cert-manager.io/inject-apiserver-ca": "true"}, "cert-manager.io/inject-apiserver-ca"),
    ],
)
def test_whether_cert_manager_writes_the_bundles_is_read(annotations: dict[str, str], injected: str) -> None:
    body = json.dumps({"metadata": {"resourceVersion": "7", "annotations": annotations}}).encode()
    assert read_ca_bundles(body).injected == injected


def test_only_the_webhooks_that_are_named_are_changed_and_only_as_they_were_read() -> None:
    assert json.loads(ca_bundle_patch(read_ca_bundles(_configuration(None, BUNDLE, None)), (0, 2), CA)) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": BUNDLE},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": BUNDLE},
    ]


@pytest.mark.parametrize(
    "body",
    [b"[]", b"no", b'{"metadata":{"resourceVersion":"\xff"}}', b"[" * 100_000],
    ids=["list", "text", "not UTF-8", "nested"],
)
def test_what_is_no_configuration_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a webhook configuration"):
        read_ca_bundles(body)
