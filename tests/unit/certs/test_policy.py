"""Versions and cipher suites in the words of Kubernetes and Go, tried on real handshakes."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from kubemacpool.certs.contexts import MIN_VERSIONS, SUITES, TlsPolicy, client_context, policy_of, server_context
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving

NAME = "kubemacpool-service.kubemacpool-system.svc"
NOW = datetime.now(UTC)
AUTHORITY = issue_authority(NOW)
SERVING = issue_serving(AUTHORITY, ServerNames((NAME,)), NOW)
GCM = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
CHACHA = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
RSA = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
NEWEST = "TLS_AES_128_GCM_SHA256"


def _spoken(policy: TlsPolicy, newest: ssl.TLSVersion, ciphers: str = "DEFAULT") -> tuple[str | None, str]:
    """Version and cipher that a client gets which speaks nothing newer."""
    trusting = client_context(AUTHORITY.certificate_pem)
    trusting.maximum_version = newest
    trusting.set_ciphers(ciphers)
    serving = server_context(SERVING.certificate_pem, SERVING.key_pem, policy=policy)
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(here, there, server_hostname=NAME)
    server = serving.wrap_bio(there, here, server_side=True)
    for side in (client, server, client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    cipher = client.cipher()
    assert cipher is not None
    return client.version(), cipher[0]


def test_tls_1_3_is_the_least_where_nothing_is_said() -> None:
    assert _spoken(TlsPolicy(), ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        _spoken(TlsPolicy(), ssl.TLSVersion.TLSv1_2)
    assert policy_of("VersionTLS13", ()) == TlsPolicy()


@pytest.mark.parametrize("version", MIN_VERSIONS)
def test_the_least_version_is_the_one_that_was_asked_for(version: str) -> None:
    assert policy_of(version, ()).minimum == MIN_VERSIONS[version]
    assert MIN_VERSIONS[version].name == f"TLSv1_{version[-1]}"


def test_tls_1_2_is_spoken_where_it_may_be() -> None:
    assert _spoken(policy_of("VersionTLS12", ()), ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"


@pytest.mark.parametrize(
    ("names", "cipher"),
    [((GCM,), "ECDHE-ECDSA-AES128-GCM-SHA256"), ((RSA, CHACHA, NEWEST), "ECDHE-ECDSA-CHACHA20-POLY1305")],
)
def test_only_the_chosen_suites_are_spoken(names: Sequence[str], cipher: str) -> None:
    policy = policy_of("VersionTLS12", names)
    assert _spoken(policy, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", cipher)
    with pytest.raises(ssl.SSLError):
        _spoken(policy, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert _spoken(policy, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3", "those of TLS 1.3 are not for anybody to choose"


@pytest.mark.parametrize("names", [(RSA,), (NEWEST,), (RSA, NEWEST)])
def test_suites_that_cannot_be_used_with_tls_1_2_leave_tls_1_3(names: Sequence[str]) -> None:
    policy = policy_of("VersionTLS12", names)
    assert _spoken(policy, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        _spoken(policy, ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("name", SUITES)
def test_every_known_suite_can_be_asked_for(name: str) -> None:
    assert _spoken(policy_of("VersionTLS12", (name,)), ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"
