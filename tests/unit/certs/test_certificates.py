"""Issuing, judging and using certificates."""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from kubemacpool.certs.check import Judged, Verdict
from kubemacpool.certs.check import judge as judge_by
from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.intervals import AS_SHIPPED, Interval, Intervals
from kubemacpool.certs.issue import USAGES, KeyPair, ServerNames, issue_authority, issue_serving, service_names

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NAMES = ServerNames(
    service_names(["kubemacpool-service", "kubemacpool-metrics-service"], "kubemacpool-system"),
    [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")],
)
AUTHORITY = issue_authority(NOW)
SERVING = issue_serving(AUTHORITY, NAMES, NOW)


def certificate(pair: KeyPair) -> x509.Certificate:
    """The certificate of a pair."""
    return x509.load_pem_x509_certificate(pair.certificate_pem)


def secret(pair: KeyPair, **more: bytes) -> dict[str, bytes]:
    """The content of a Secret with this pair."""
    return {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem, **more}


def serving_secret(pair: KeyPair = SERVING, authority: KeyPair = AUTHORITY) -> dict[str, bytes]:
    """The content of the serving certificate's Secret."""
    return {**secret(pair), "ca.crt": authority.certificate_pem}


def test_the_names_of_the_services_are_those_that_the_api_server_uses() -> None:
    assert service_names(["kubemacpool-service"], "kubemacpool-system") == (
        "kubemacpool-service.kubemacpool-system.svc",
        "kubemacpool-service.kubemacpool-system.svc.cluster.local",
    )


@pytest.mark.parametrize("name", [*NAMES.dns, *NAMES.addresses])
def test_a_strict_verifier_accepts_what_was_issued(name: str | ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    subject = x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
    policy = PolicyBuilder().store(Store([certificate(AUTHORITY)])).time(NOW)
    chain = policy.build_server_verifier(subject).verify(certificate(SERVING), [])
    assert chain == [certificate(SERVING), certificate(AUTHORITY)]


def test_validity_begins_an_hour_ago_and_lasts_a_year_and_half_a_year() -> None:
    for pair, days in ((AUTHORITY, 365), (SERVING, 182.5)):
        assert certificate(pair).not_valid_before_utc == NOW - timedelta(hours=1)
        assert certificate(pair).not_valid_after_utc == NOW + timedelta(days=days)


def test_a_serving_certificate_does_not_outlive_its_authority() -> None:
    authority = issue_authority(NOW, timedelta(days=10))
    assert certificate(issue_serving(authority, NAMES, NOW)).not_valid_after_utc == NOW + timedelta(days=10)


def test_the_authority_signs_certificates_and_the_server_serves() -> None:
    usage = certificate(AUTHORITY).extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    usage = certificate(SERVING).extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (False, True)
    purposes = certificate(SERVING).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate(AUTHORITY).subject.rfc4514_string() == "CN=kubemacpool-ca"


def test_the_private_key_is_not_part_of_the_text_form() -> None:
    assert b"PRIVATE" in SERVING.key_pem
    assert "PRIVATE" not in repr(SERVING)


def judge(
    authority: Mapping[str, bytes] | None,
    serving: Mapping[str, bytes] | None,
    names: ServerNames = NAMES,
    now: datetime = NOW,
    intervals: Intervals = AS_SHIPPED,
) -> Verdict:
    """With what is usual."""
    return judge_by(authority, serving, names, now, intervals)


def pairs_and_faults(verdict: Verdict) -> tuple[KeyPair | None, str, KeyPair | None, str]:
    """What is usable, and why something is to be issued."""
    return (verdict.authority.pair, verdict.authority.fault, verdict.serving.pair, verdict.serving.fault)


def test_what_is_good_is_kept_until_a_day_before_its_end() -> None:
    verdict = judge(secret(AUTHORITY), serving_secret())
    assert pairs_and_faults(verdict) == (AUTHORITY, "", SERVING, "")
    assert verdict.under == AUTHORITY.certificate_pem
    assert verdict.authority.renewal == NOW + timedelta(days=364)
    assert verdict.serving.renewal == NOW + timedelta(days=181.5)


def test_a_certificate_that_covers_more_than_is_asked_for_is_kept() -> None:
    fewer = ServerNames(NAMES.dns[:1], NAMES.addresses[:1])
    assert judge(secret(AUTHORITY), serving_secret(), fewer).serving.pair == SERVING


def test_what_is_old_is_used_while_the_next_one_is_issued() -> None:
    verdict = judge(secret(AUTHORITY), serving_secret(), now=NOW + timedelta(days=182))
    assert pairs_and_faults(verdict) == (AUTHORITY, "", SERVING, "expires on 2027-05-25 15:00:00 UTC")
    serving = issue_serving(AUTHORITY, NAMES, NOW + timedelta(days=363))
    verdict = judge(secret(AUTHORITY), serving_secret(serving), now=NOW + timedelta(days=364.5))
    assert pairs_and_faults(verdict) == (AUTHORITY, "expires on 2027-11-24 03:00:00 UTC", serving, "")


def test_one_that_ends_with_its_authority_waits_for_the_next_authority() -> None:
    """Another one of the same authority would end as soon, and be issued with each look."""
    serving = issue_serving(AUTHORITY, NAMES, NOW + timedelta(days=300))
    verdict = judge(secret(AUTHORITY), serving_secret(serving), now=NOW + timedelta(days=364))
    assert verdict.authority.fault
    assert not verdict.serving.fault
    overlapping = AS_SHIPPED._replace(serving=Interval(timedelta(days=182.5), timedelta(days=30)))
    verdict = judge(secret(AUTHORITY), serving_secret(serving), now=NOW + timedelta(days=350), intervals=overlapping)
    assert pairs_and_faults(verdict) == (AUTHORITY, "", serving, "")
    assert verdict.serving.renewal == verdict.authority.renewal


def test_one_of_an_authority_before_is_used_until_one_of_the_present_is_issued() -> None:
    later = issue_authority(NOW)
    stored = secret(later, **{"previous.crt": AUTHORITY.certificate_pem})
    verdict = judge(stored, serving_secret())
    assert pairs_and_faults(verdict) == (later, "", SERVING, "its authority is followed by another one")
    assert verdict.under == AUTHORITY.certificate_pem


INTERVALS = {
    "as shipped": (Interval(timedelta(days=365), timedelta(days=1)), timedelta(days=364)),
    "an overlap as long as the interval": (Interval(timedelta(days=365), timedelta(days=365)), timedelta(days=365) / 3),
    "made shorter since": (Interval(timedelta(days=30), timedelta(days=1)), timedelta(days=29)),
    "made longer since": (Interval(timedelta(days=730), timedelta(days=1)), timedelta(days=364)),
    "seconds": (Interval(timedelta(seconds=10), timedelta(seconds=6)), timedelta(seconds=4)),
}


@pytest.mark.parametrize(("interval", "after"), INTERVALS.values(), ids=INTERVALS)
def test_when_another_one_is_issued_follows_from_the_interval_as_it_is_now(
    interval: Interval, after: timedelta
) -> None:
    assert interval.renewal(certificate(AUTHORITY)) == NOW + after


def test_one_that_ends_before_another_one_would_be_due_is_used_to_its_end() -> None:
    short = certificate(issue_authority(NOW, timedelta(days=1)))
    assert AS_SHIPPED.authority.renewal(short) == short.not_valid_after_utc


@pytest.mark.parametrize(("overlap", "seconds"), [(4, 2), (9, 3), (60, 12), (200, 20), (86_400, 30)])
def test_a_new_authority_is_given_time_to_become_known_by_how_much_there_is(overlap: float, seconds: float) -> None:
    authority = Interval(timedelta(days=365), timedelta(seconds=overlap))
    assert Intervals(authority).settling == seconds


OTHER = issue_authority(NOW)
ED25519 = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
BAD_AUTHORITIES: dict[str, tuple[Mapping[str, bytes] | None, str]] = {
    "none": (None, "there is none"),
    "empty": ({}, "tls.crt holds no certificate that can be read"),
    "garbage": ({**secret(AUTHORITY), "tls.crt": b"garbage"}, "tls.crt holds no certificate that can be read"),
    "key garbled": ({**secret(AUTHORITY), "tls.key": b"garbage"}, "tls.key holds no private key that can be read"),
    "key of another kind": ({**secret(AUTHORITY), "tls.key": ED25519}, "tls.key is neither an EC nor an RSA key"),
    "key of another": ({**secret(AUTHORITY), "tls.key": OTHER.key_pem}, "tls.key does not belong to tls.crt"),
    "no authority": (secret(SERVING), "not a certificate authority"),
    "expired": (
        secret(issue_authority(NOW - timedelta(days=2), timedelta(days=1))),
        "expired on 2026-11-23 03:00 UTC",
    ),
    "from the future": (
        secret(issue_authority(NOW + timedelta(days=2))),
        "not valid before 2026-11-26 02:00 UTC",
    ),
}


@pytest.mark.parametrize(("content", "fault"), BAD_AUTHORITIES.values(), ids=BAD_AUTHORITIES.keys())
def test_an_authority_that_is_no_good_is_issued_anew_with_all_that_hangs_on_it(
    content: Mapping[str, bytes] | None, fault: str
) -> None:
    verdict = judge(content, serving_secret())
    assert verdict == Verdict(Judged(fault=fault), Judged(fault="its authority is issued anew"))


def reissued(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *usages: x509.ObjectIdentifier) -> KeyPair:
    """SERVING with another key, and for these uses; with no extension about them where there are none."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate(SERVING).subject)
        .issuer_name(certificate(AUTHORITY).subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=300))
        .add_extension(
            certificate(SERVING).extensions.get_extension_for_class(x509.SubjectAlternativeName).value, critical=False
        )
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    signer = load_pem_private_key(AUTHORITY.key_pem, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    return KeyPair(
        builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


EC_KEY = ec.generate_private_key(ec.SECP256R1())
SHORT_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 (this is what is refused)
BAD_SERVING: dict[str, tuple[Mapping[str, bytes] | None, str]] = {
    "none": (None, "there is none"),
    "garbage": ({**serving_secret(), "tls.crt": b"\x00"}, "tls.crt holds no certificate that can be read"),
    "key of another": ({**serving_secret(), "tls.key": OTHER.key_pem}, "tls.key does not belong to tls.crt"),
    "of another authority": (serving_secret(issue_serving(OTHER, NAMES, NOW)), "not issued by our authority"),
    "other names": (
        serving_secret(issue_serving(AUTHORITY, ServerNames(NAMES.dns[1:], NAMES.addresses[:1]), NOW)),
        "does not cover kubemacpool-service.kubemacpool-system.svc, ::1",
    ),
    "for servers only, as early versions have it": (
        serving_secret(reissued(EC_KEY, ExtendedKeyUsageOID.SERVER_AUTH)),
        "not for servers and clients both",
    ),
    "for no use in particular": (serving_secret(reissued(EC_KEY)), "does not say what it is for"),
    "a key that is too short": (
        serving_secret(reissued(SHORT_KEY, *USAGES)),
        "cannot be used: EE_KEY_TOO_SMALL",
    ),
    "another authority beside it": (serving_secret(authority=OTHER), "ca.crt is not our authority"),
    "no authority beside it": (secret(SERVING), "ca.crt is not our authority"),
    "expired": (
        serving_secret(issue_serving(AUTHORITY, NAMES, NOW - timedelta(days=20), timedelta(days=10))),
        "expired on 2026-11-14 03:00 UTC",
    ),
}


@pytest.mark.parametrize(("content", "fault"), BAD_SERVING.values(), ids=BAD_SERVING.keys())
def test_a_serving_certificate_that_is_no_good_is_issued_anew_by_the_same_authority(
    content: Mapping[str, bytes] | None, fault: str
) -> None:
    assert pairs_and_faults(judge(secret(AUTHORITY), content)) == (AUTHORITY, "", None, fault)


async def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    finished = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await finished.wait()
        writer.close()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        finally:
            finished.set()
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.transport.abort()
        await asyncio.sleep(0)
        return connection


async def test_a_client_that_trusts_the_authority_speaks_modern_tls_and_http_1_1_to_the_server() -> None:
    now = datetime.now(UTC)
    authority = issue_authority(now)
    serving = issue_serving(authority, NAMES, now)
    server = server_context(serving.certificate_pem, serving.key_pem)
    connection = await _handshake(server, client_context(authority.certificate_pem), NAMES.dns[0])
    assert connection.version() == "TLSv1.3"
    assert connection.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await _handshake(server, client_context(authority.certificate_pem), "other.example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
        await _handshake(server, client_context(OTHER.certificate_pem), NAMES.dns[0])
    connection = await _handshake(server, client_context(None, verify=False), "other.example.com")
    assert connection.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (server_context, ssl.TLSVersion.TLSv1_3),
        (lambda *pair: client_context(None, identity=pair), ssl.TLSVersion.TLSv1_2),
    ],
)
def test_older_tls_is_not_spoken_and_a_key_of_another_is_refused(
    make: Callable[..., ssl.SSLContext], least: ssl.TLSVersion
) -> None:
    assert make(SERVING.certificate_pem, SERVING.key_pem).minimum_version == least
    with pytest.raises(ssl.SSLError) as error:
        make(SERVING.certificate_pem, OTHER.key_pem)
    assert "PRIVATE" not in str(error.value)
