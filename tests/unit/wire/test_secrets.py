"""Secrets, whose content never shows in an error."""

import base64
import json

import pytest

from kubemacpool.wire.api_objects import new_tls_secret, read_secret, secret_merge_patch
from kubemacpool.wire.listing import UnexpectedAnswerError

KEY = b"-----BEGIN PRIVATE KEY-----"
ENCODED = base64.b64encode(KEY).decode()


def test_what_is_written_is_read_again() -> None:
    secret = json.loads(new_tls_secret("ns", "name", {"tls.key": KEY, "tls.crt": b""}))
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"] == {"namespace": "ns", "name": "name"}
    secret["metadata"]["resourceVersion"] = "7"
    assert read_secret(json.dumps(secret).encode()) == ({"tls.key": KEY, "tls.crt": b""}, "7", "")


def test_a_secret_without_data_is_empty() -> None:
    assert read_secret(b'{"metadata":{"resourceVersion":"7"}}') == ({}, "7", "")


@pytest.mark.parametrize(
    ("annotations", "kept_by"),
    [({}, ""), ({"a": "b"}, ""), ({"a": "b", "cert-manager.io/certificate-name": "webhook"}, "webhook")],
)
def test_which_certificate_of_cert_manager_keeps_a_secret_is_read(annotations: dict[str, str], kept_by: str) -> None:
    secret = {"metadata": {"resourceVersion": "7", "annotations": annotations}}
    assert read_secret(json.dumps(secret).encode()).kept_by == kept_by


def test_a_change_holds_only_for_what_was_read() -> None:
    patch = json.loads(secret_merge_patch({"tls.key": KEY}, "7"))
    assert patch == {"metadata": {"resourceVersion": "7"}, "data": {"tls.key": ENCODED}}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"not json",
        b'{"metadata":{},"data":{"tls.key":7}}',
        b'{"metadata":{},"data":{"tls.key":"abcde"}}',
        b'{"metadata":{"resourceVersion":"\xff"}}',
        b"[" * 100_000,
    ],
    ids=["list", "text", "number", "not base64", "not UTF-8", "nested"],
)
def test_what_is_no_secret_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError) as refused:
        read_secret(body)
    assert str(refused.value).startswith("not a Secret (")
    assert refused.value.__cause__ is None
