"""TLS of the port for metrics."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.handshaking import Handshake, shake_hands

from devcluster.pki import Authority
from kubemacpool.certs import files
from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.files import AuthorityFile
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.certs.scrapers import ScraperTls

NAME = "metrics.ns1.svc"


class Scene:
    """Certificates of ours that change, a file, and clients of its authority."""

    def __init__(self, directory: Path) -> None:
        self.authority = issue_authority(datetime.now(UTC))
        self.shown = self.another()
        self.file = directory / "clients.crt"
        self.theirs = directory / "theirs"
        self.theirs.mkdir()
        self.renew()
        self.tls = ScraperTls(lambda: self.shown, server_context_of)
        self.authority_file = AuthorityFile("authority of scrapers", self.file, self.tls.admit_clients)

    def another(self) -> KeyPair:
        """A certificate of ours."""
        return issue_serving(self.authority, ServerNames((NAME,)), datetime.now(UTC))

    def renew(self) -> None:
        """Another authority of clients, in the file."""
        Authority(self.theirs).client("prometheus", "prometheus")
        self.file.write_bytes((self.theirs / "ca.crt").read_bytes())

    async def connect(self, listener: ssl.SSLContext, *, certified: bool = True) -> Handshake:
        """A handshake of one of these clients, or of somebody who has no certificate."""
        pair = ((self.theirs / "prometheus.crt").read_bytes(), (self.theirs / "prometheus.key").read_bytes())
        client = client_context(self.authority.certificate_pem, identity=pair if certified else None)
        return await shake_hands(listener, client, NAME)


def server_context_of(pair: KeyPair, authorities: bytes | None) -> ssl.SSLContext:
    return server_context(pair.certificate_pem, pair.key_pem, authorities)


async def test_a_client_may_show_a_certificate_of_the_file_or_none(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.authority_file.look()
    listener = scene.tls.listener()
    assert (await scene.connect(listener)).client is not None
    assert (await scene.connect(listener, certified=False)).client is None


async def test_another_authority_in_the_file_is_the_one_that_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.authority_file.look()
    listener, before = scene.tls.listener(), scene.tls.current()
    scene.renew()
    with pytest.raises((ssl.SSLError, OSError)):
        await scene.connect(listener)
    scene.authority_file.look()
    assert (await scene.connect(listener)).client is not None
    assert scene.tls.current() is not before


async def test_another_certificate_of_ours_is_shown_from_the_next_handshake_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.authority_file.look()
    listener = scene.tls.listener()
    before = (await scene.connect(listener)).server
    assert scene.tls.current() is scene.tls.current()
    scene.shown = scene.another()
    assert (await scene.connect(listener)).server != before


async def test_without_a_file_nobody_is_asked_for_a_certificate(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert (await scene.connect(scene.tls.listener())).client is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff"])
def test_what_cannot_be_used_changes_nothing(tmp_path: Path, content: bytes) -> None:
    scene = Scene(tmp_path)
    scene.authority_file.look()
    before = scene.tls.current()
    scene.file.write_bytes(content)
    assert scene.authority_file.look() == "it holds no certificates that can be read"
    scene.file.unlink()
    assert scene.authority_file.look() == "it cannot be read: No such file or directory"
    assert scene.tls.current() is before


async def test_a_fault_is_told_once_and_the_looking_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.001)
    scene = Scene(tmp_path)
    scene.file.unlink()
    with capture_logs() as logs:
        running = asyncio.create_task(scene.authority_file.run())
        async with asyncio.timeout(10):
            while not logs:  # noqa: ASYNC110 (a log sets no event)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            scene.renew()
            while len(logs) == 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
    assert [line["event"] for line in logs] == [
        "authority of scrapers not taken up; the one before stays",
        "authority of scrapers taken up",
    ]
