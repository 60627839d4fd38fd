"""A certificate that is given as files."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.test_identity import NAME, credentials, identity_of

from kubemacpool.certs import files
from kubemacpool.certs.files import ServingFiles
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving

if TYPE_CHECKING:
    from kubemacpool.certs.identity import Identity

NOW = datetime.now(UTC)
OURS, THEIRS = issue_authority(NOW), issue_authority(NOW)
FIRST, SECOND = (issue_serving(THEIRS, ServerNames((NAME,)), NOW) for _ in range(2))


class Mounted:
    """A mounted Secret, and the replica that is told of it."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "tls.crt"
        self.key = directory / "tls.key"
        self.identity: Identity = identity_of(credentials(OURS))
        self.changes = 0
        self.files = ServingFiles(self.certificate, self.key, self.identity, lambda: NOW)
        self.files.changed = self._count

    def _count(self) -> None:
        self.changes += 1

    def put(self, pair: KeyPair) -> None:
        """Give this one."""
        self.certificate.write_bytes(pair.certificate_pem)
        self.key.write_bytes(pair.key_pem)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Without files yet."""
    return Mounted(tmp_path)


def test_what_the_files_hold_is_shown_each_time_it_changes(mounted: Mounted) -> None:
    for number, pair in enumerate((FIRST, SECOND), start=1):
        mounted.put(pair)
        mounted.files.look()
        mounted.files.look()
        assert (mounted.identity.shown, mounted.files.fault, mounted.changes) == (pair, "", number)


def test_what_is_half_written_is_not_shown_and_what_was_shown_before_stays(mounted: Mounted) -> None:
    mounted.put(FIRST)
    mounted.files.look()
    mounted.certificate.write_bytes(SECOND.certificate_pem)
    with capture_logs() as logs:
        mounted.files.look()
        mounted.files.look()
    assert mounted.files.fault.endswith("tls.key do not belong together, or cannot be used")
    assert [line["event"] for line in logs] == ["the certificate that is given is not taken up"]
    assert mounted.identity.shown == FIRST
    mounted.key.write_bytes(SECOND.key_pem)
    mounted.files.look()
    assert (mounted.identity.shown, mounted.files.fault) == (SECOND, "")


def test_what_is_no_certificate_is_named(mounted: Mounted) -> None:
    mounted.files.look()
    assert mounted.files.fault.endswith("tls.crt cannot be read: No such file or directory")
    mounted.put(KeyPair(b"garbage", b"garbage"))
    mounted.files.look()
    assert mounted.files.fault.endswith("tls.crt holds no certificate that can be read")
    assert mounted.identity.presented is None


def test_one_that_has_expired_is_shown_only_where_there_is_nothing_better(mounted: Mounted) -> None:
    expired = issue_serving(THEIRS, ServerNames((NAME,)), NOW - timedelta(days=2), timedelta(days=1))
    mounted.put(expired)
    mounted.files.look()
    assert mounted.identity.shown == expired
    mounted.put(FIRST)
    mounted.files.look()
    mounted.put(expired)
    mounted.files.look()
    assert mounted.identity.shown == FIRST
    assert "expired on" in mounted.files.fault


async def test_it_is_looked_at_again_and_again(mounted: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.001)
    running = asyncio.create_task(mounted.files.run())
    try:
        async with asyncio.timeout(10):
            for pair in (FIRST, SECOND):
                mounted.put(pair)
                while mounted.identity.shown != pair:  # noqa: ASYNC110 (there is no event for it)
                    await asyncio.sleep(0.001)
    finally:
        running.cancel()
