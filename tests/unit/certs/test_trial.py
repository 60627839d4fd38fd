"""What a caBundle is worth, tried on what is served."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.certs.trial import fault_of_trust

NAME = "kubemacpool-service.kubemacpool-system.svc"
NOW = datetime.now(UTC)
THEIRS, STRANGER = issue_authority(NOW), issue_authority(NOW)
NOT_VOUCHED = "does not vouch for the certificate that is served: "


def served(pair: KeyPair) -> ssl.SSLContext:
    """As the webhook's listener does, which asks clients for a certificate."""
    return server_context(pair.certificate_pem, pair.key_pem, STRANGER.certificate_pem)


GOOD = issue_serving(THEIRS, ServerNames((NAME,)), NOW)
CASES = {
    "good": (GOOD, THEIRS.certificate_pem, ""),
    "one of several": (GOOD, STRANGER.certificate_pem + THEIRS.certificate_pem, ""),
    "empty": (GOOD, b" \n", "is empty"),
    "garbage": (GOOD, b"garbage", "holds no certificate that can be read"),
    "a stranger": (GOOD, STRANGER.certificate_pem, f"{NOT_VOUCHED}unable to get local issuer certificate"),
    "another name": (
        issue_serving(THEIRS, ServerNames(("other.example.com",)), NOW),
        THEIRS.certificate_pem,
        f"{NOT_VOUCHED}Hostname mismatch, certificate is not valid for '{NAME}'.",
    ),
    "expired": (
        issue_serving(THEIRS, ServerNames((NAME,)), NOW - timedelta(days=2), timedelta(days=1)),
        THEIRS.certificate_pem,
        f"{NOT_VOUCHED}certificate has expired",
    ),
}


@pytest.mark.parametrize(("pair", "bundle", "fault"), CASES.values(), ids=CASES)
def test_a_bundle_is_worth_what_a_client_that_trusts_it_would_accept(pair: KeyPair, bundle: bytes, fault: str) -> None:
    assert fault_of_trust(served(pair), bundle, NAME) == fault


def test_a_server_that_speaks_nothing_in_common_is_named() -> None:
    old = served(GOOD)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA256")
    assert fault_of_trust(old, THEIRS.certificate_pem, NAME) == "cannot be used: NO_SHARED_CIPHER"
