"""What a replica proves itself by, exchanged while it serves."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.unit.certs.handshaking import Handshake, shake_hands

from kubemacpool.certs.authority import Authorities
from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.certs.rotation import Credentials
from kubemacpool.certs.scrapers import ScraperTls
from kubemacpool.runtime import Loop

NAME = "kubemacpool-service.kubemacpool-system.svc"
AMONG_REPLICAS = f"replica.{NAME}"
NOW = datetime.now(UTC)
FIRST, SECOND, STRANGER = (issue_authority(NOW) for _ in range(3))


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the program: whether contexts can be exchanged is its doing as well."""
    return {"uvloop": Loop}


def credentials(authority: KeyPair, *former: KeyPair) -> Credentials:
    """A new certificate of this authority."""
    ours = Authorities(authority.certificate_pem, tuple(each.certificate_pem for each in former))
    return Credentials(ours, issue_serving(authority, ServerNames((NAME, AMONG_REPLICAS)), NOW), ours.current)


def make(pair: KeyPair, asked_for: bytes | None) -> ssl.SSLContext:
    """TLS of a server."""
    return server_context(pair.certificate_pem, pair.key_pem, asked_for)


def identity_of(given: Credentials, client_ca: bytes = b"") -> Identity:
    """A replica with these."""
    return Identity(given, make, client_ca, replica_name=AMONG_REPLICAS)


def scrapers_of(identity: Identity) -> ssl.SSLContext:
    """The listener for whoever reads the metrics."""
    return ScraperTls(lambda: identity.shown, make).listener()


def der(pair: KeyPair) -> bytes:
    """The certificate of a pair."""
    return ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())


def client_of(authority: KeyPair, trusting: KeyPair = FIRST) -> ssl.SSLContext:
    """A client with a certificate of this authority."""
    pair = issue_serving(authority, ServerNames((NAME,)), NOW)
    return client_context(trusting.certificate_pem, identity=(pair.certificate_pem, pair.key_pem))


async def test_replicas_prove_themselves_to_each_other_and_others_need_not() -> None:
    here, there = credentials(FIRST), credentials(FIRST)
    identity = identity_of(here)
    assert await shake_hands(identity.webhook, identity_of(there).peers, NAME) == Handshake(
        der(here.serving), der(there.serving)
    )
    nobody = client_context(FIRST.certificate_pem)
    assert await shake_hands(identity.webhook, nobody, NAME) == Handshake(der(here.serving), None)
    assert await shake_hands(scrapers_of(identity), client_of(STRANGER), NAME) == Handshake(der(here.serving), None)


async def test_who_shows_a_certificate_of_a_stranger_is_not_connected() -> None:
    with pytest.raises(OSError, match=r"."):
        await shake_hands(identity_of(credentials(FIRST)).webhook, client_of(STRANGER), NAME)


async def test_what_is_taken_up_is_shown_by_listeners_that_stand_already() -> None:
    identity = identity_of(credentials(FIRST))
    after = credentials(SECOND, FIRST)
    listeners = (identity.webhook, scrapers_of(identity))
    identity.take_up(after)
    trusting = client_context(SECOND.certificate_pem)
    for listener in listeners:
        assert (await shake_hands(listener, trusting, NAME)).server == der(after.serving)
    shown = await shake_hands(identity.webhook, identity.peers, NAME)
    assert shown == Handshake(der(after.serving), der(after.serving))
    assert identity.credentials == after


async def test_what_is_given_is_shown_to_everybody_but_replicas() -> None:
    ours, given = credentials(FIRST), issue_serving(STRANGER, ServerNames((NAME, AMONG_REPLICAS)), NOW)
    identity = identity_of(ours)
    assert (identity.presented, identity.shown) == (None, ours.serving)
    before, listeners = identity.handshakes, (identity.webhook, scrapers_of(identity))
    identity.present(given)
    assert (identity.presented, identity.shown) == (given, given)
    assert not set(before) & set(identity.handshakes)
    trusting = client_context(STRANGER.certificate_pem)
    for listener in listeners:
        assert (await shake_hands(listener, trusting, NAME)).server == der(given)
    among = await shake_hands(identity.webhook, identity.peers, AMONG_REPLICAS)
    assert among == Handshake(der(ours.serving), der(ours.serving))
    after = credentials(SECOND, FIRST)
    identity.take_up(after)
    assert (await shake_hands(identity.webhook, identity.peers, AMONG_REPLICAS)).server == der(after.serving)
    assert (await shake_hands(identity.webhook, trusting, NAME)).server == der(given)
    with pytest.raises(ssl.SSLError):
        identity.present(KeyPair(given.certificate_pem, ours.serving.key_pem))
    assert identity.presented == given


async def test_whom_we_trust_is_exchanged_without_what_we_show() -> None:
    before = credentials(FIRST)
    identity = identity_of(before)
    identity.trust(Authorities(SECOND.certificate_pem, (FIRST.certificate_pem,)))
    assert identity.authorities.current == SECOND.certificate_pem
    assert (await shake_hands(identity.webhook, client_of(SECOND), NAME)).server == der(before.serving)
    assert (await shake_hands(identity_of(credentials(SECOND, FIRST)).webhook, identity.peers, NAME)).client is not None
    assert identity.credentials.under == FIRST.certificate_pem
    identity.trust(Authorities(SECOND.certificate_pem))
    with pytest.raises(OSError, match=r"."):
        await shake_hands(identity.webhook, client_of(FIRST), NAME)


async def test_a_client_authority_is_exchanged_and_one_that_cannot_be_used_changes_nothing() -> None:
    identity = identity_of(credentials(FIRST), STRANGER.certificate_pem)
    assert (await shake_hands(identity.webhook, client_of(STRANGER), NAME)).client is not None
    with pytest.raises(ssl.SSLError):
        identity.admit_clients(b"garbage")
    assert (await shake_hands(identity.webhook, client_of(STRANGER), NAME)).client is not None
    identity.admit_clients(SECOND.certificate_pem)
    assert (await shake_hands(identity.webhook, client_of(SECOND), NAME)).client is not None
    with pytest.raises(OSError, match=r"."):
        await shake_hands(identity.webhook, client_of(STRANGER), NAME)


def test_what_cannot_be_used_is_refused_each_time_and_changes_nothing() -> None:
    identity = identity_of(credentials(FIRST))
    before = (*identity.handshakes, identity.handshake, identity.peers, identity.credentials)
    garbage = Authorities(b"garbage")
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            identity.trust(garbage)
        with pytest.raises(ssl.SSLError):
            identity.take_up(Credentials(garbage, identity.shown, b""))
    now = (*identity.handshakes, identity.handshake, identity.peers, identity.credentials)
    assert all(one is other for one, other in zip(before, now, strict=True))
