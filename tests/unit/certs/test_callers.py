"""Who may ask, told by a certificate that the handshake has let through."""

import ssl
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubemacpool.certs.callers import REMEMBERED, Callers
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving

NOW = datetime.now(UTC)
REPLICA: Final = "kubemacpool-service.kubemacpool-system.svc"
OURS, OLDER, CLUSTERS = (issue_authority(NOW) for _ in range(3))


def der(authority: KeyPair, *names: str) -> bytes:
    """A certificate for these names; the first is the common name as well."""
    pair = issue_serving(authority, ServerNames(names), NOW)
    return ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())


def common_name_only(name: str) -> bytes:
    """A certificate without alternative names, as kubeadm makes them for clients; signed by itself, for brevity."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def callers(*names: str, authorities: tuple[KeyPair, ...] = (OURS, OLDER)) -> Callers:
    """Those who judge in an installation with these names of clients."""
    trusted = tuple(each.certificate_pem for each in authorities)
    return Callers(lambda: trusted, REPLICA, names)


@pytest.mark.parametrize("names", [(), ("apiserver",)])
@pytest.mark.parametrize("authority", [OURS, OLDER])
def test_a_replica_may_ask_and_hand_on_whichever_of_our_authorities_it_serves_under(
    names: tuple[str, ...], authority: KeyPair
) -> None:
    judge = callers(*names)
    assert judge.refusal(der(authority, REPLICA), forwarded=True) == ""
    assert judge.refusal(der(authority, REPLICA), forwarded=False) == ""


@pytest.mark.parametrize("names", [(), ("apiserver", REPLICA)])
@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (None, "this connection has shown none"),
        (der(OURS, "apiserver"), "the certificate of this connection is none of these"),
        (der(CLUSTERS, "apiserver"), "the certificate of this connection is none of these"),
        (b"garbage", "the certificate of this connection is none of these"),
    ],
    ids=["nobody", "another of ours", "the API server", "garbage"],
)
def test_nobody_else_hands_on(names: tuple[str, ...], certificate: bytes | None, why: str) -> None:
    refusal = callers(*names).refusal(certificate, forwarded=True)
    assert refusal.startswith("Kubemacpool-Forwarded is for replicas of KubeMacPool")
    assert refusal.endswith(f"; {why}")


def test_a_replica_of_another_authority_hands_nothing_on() -> None:
    assert callers().refusal(der(CLUSTERS, REPLICA), forwarded=True)


def test_where_no_client_is_named_anybody_may_ask() -> None:
    assert callers().refusal(None, forwarded=False) == ""
    assert callers().refusal(b"garbage", forwarded=False) == ""


@pytest.mark.parametrize(
    "certificate",
    [common_name_only("apiserver"), der(CLUSTERS, "other", "apiserver"), der(CLUSTERS, "apiserver")],
    ids=["common name", "alternative name", "both"],
)
def test_a_client_that_is_named_may_ask(certificate: bytes) -> None:
    assert callers("another", "apiserver").refusal(certificate, forwarded=False) == ""


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (None, "this connection has shown none"),
        (common_name_only("kubelet"), "the one of this connection has another name"),
        (der(CLUSTERS, "apiserver.example.com"), "the one of this connection has another name"),
        (der(OURS, "apiserver"), "the one of this connection has another name"),
        (b"garbage", "the one of this connection has another name"),
    ],
    ids=["nobody", "another", "a name below", "one of ours that is no replica", "garbage"],
)
def test_nobody_else_may_ask_where_clients_are_named(certificate: bytes | None, why: str) -> None:
    assert callers("b", "apiserver").refusal(certificate, forwarded=False) == (
        "only a client with a certificate for apiserver, b may ask (--client-ca-file, --client-name); " + why
    )


def test_a_judgement_holds_for_as_long_as_our_authorities_are_the_same() -> None:
    trusted = [OURS.certificate_pem, OLDER.certificate_pem]
    judge = Callers(lambda: tuple(trusted), REPLICA)
    replica = der(OLDER, REPLICA)
    for _ in range(2):
        assert judge.refusal(replica, forwarded=True) == ""
    trusted.pop()
    assert judge.refusal(replica, forwarded=True)
    trusted.append(OLDER.certificate_pem)
    assert judge.refusal(replica, forwarded=True) == ""


def test_certificates_are_not_remembered_without_end() -> None:
    judge = callers()
    strangers = {number.to_bytes(2, "big") for number in range(3 * REMEMBERED)}
    assert all(judge.refusal(each, forwarded=True) for each in strangers)
    assert len(judge._judged) <= REMEMBERED
