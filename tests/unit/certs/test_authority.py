"""Whose signature counts, and what is wrong with a caBundle."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubemacpool.certs.authority import (
    MOST_FORMER,
    Authorities,
    authorities_of,
    certificates_in,
    fault_of_bundle,
    is_issued_by,
    succeeded_by_a_new_one,
)
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PAIR = issue_authority(NOW)
CURRENT = PAIR.certificate_pem
FORMER = issue_authority(NOW).certificate_pem
OLDER = issue_authority(NOW).certificate_pem
FOREIGN = issue_authority(NOW).certificate_pem
JUST_LAPSED = issue_authority(NOW - DAY, DAY).certificate_pem
LONG_LAPSED = issue_authority(NOW - 2 * DAY, DAY).certificate_pem
SERVING = issue_serving(PAIR, ServerNames(("a.example.com",)), NOW).certificate_pem
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubemacpool-ca")])
PLAIN = (
    x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, NOW, NOW + DAY)
    .sign(KEY, hashes.SHA256())
    .public_bytes(Encoding.PEM)
)
"""Does not say whether it is an authority."""
OURS = Authorities(CURRENT, (FORMER,), (JUST_LAPSED,))


def test_ours_is_what_the_secret_holds_less_what_has_expired_and_what_is_no_authority() -> None:
    stored = {
        "tls.crt": b"a comment\n" + CURRENT,
        "previous.crt": FORMER + SERVING + PLAIN + CURRENT + FORMER + LONG_LAPSED + JUST_LAPSED + OLDER,
    }
    ours = authorities_of(stored, NOW)
    assert ours == Authorities(CURRENT, (FORMER, OLDER), (JUST_LAPSED,))
    assert ours.bundle == CURRENT + FORMER + OLDER


@pytest.mark.parametrize("previous", [{}, {"previous.crt": b""}, {"previous.crt": b"garbage"}])
def test_there_need_be_no_former_one(previous: dict[str, bytes]) -> None:
    assert authorities_of({"tls.crt": CURRENT, **previous}, NOW) == Authorities(CURRENT)


def test_a_new_one_is_preceded_by_what_is_served_under_what_was_stored_and_what_was_kept() -> None:
    stored = {"tls.crt": FORMER, "previous.crt": OLDER + FORMER + LONG_LAPSED}
    assert succeeded_by_a_new_one(stored, CURRENT, NOW) == CURRENT + FORMER + OLDER
    assert succeeded_by_a_new_one({"tls.crt": b"garbage", "previous.crt": OLDER}, b"", NOW) == OLDER
    assert succeeded_by_a_new_one({}, b"", NOW) == b""
    many = b"".join(issue_authority(NOW).certificate_pem for _ in range(MOST_FORMER))
    kept = certificates_in(succeeded_by_a_new_one({"previous.crt": many}, CURRENT, NOW))
    assert kept == certificates_in(CURRENT + many)[:MOST_FORMER]


@pytest.mark.parametrize(
    ("bundle", "fault"),
    [
        (CURRENT + FORMER, ""),
        (FORMER + CURRENT, ""),
        (CURRENT + FORMER + JUST_LAPSED, ""),
        (b" \n", "is empty"),
        (b"garbage", "holds no certificate that can be read"),
        (FORMER, "does not hold our certificate authority"),
        (CURRENT, "does not hold our certificate authority"),
        (CURRENT + FORMER + FOREIGN, "holds certificates that are not ours"),
        (CURRENT + FORMER + LONG_LAPSED, "holds certificates that are not ours"),
    ],
    ids=["ours", "in another order", "lapsed just now", "empty", "garbage", "old", "new only", "foreign", "expired"],
)
def test_a_ca_bundle_holds_ours_and_nobody_else(bundle: bytes, fault: str) -> None:
    assert fault_of_bundle(bundle, OURS) == fault


def test_who_has_signed_a_certificate_is_not_told_by_names() -> None:
    (serving,) = certificates_in(SERVING)
    assert is_issued_by(serving, (FOREIGN, CURRENT))
    assert not is_issued_by(serving, (FOREIGN, FORMER))
    assert not is_issued_by(serving, ())
