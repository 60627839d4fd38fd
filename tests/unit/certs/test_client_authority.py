"""The file with the authority of the API server's client certificate."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.test_identity import credentials, identity_of

from kubemacpool.certs.files import AuthorityFile
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.issue import issue_authority

NOW = datetime.now(UTC)
OURS, FIRST, SECOND = (issue_authority(NOW) for _ in range(3))


def let_through(identity: Identity) -> int:
    """How many authorities a handshake with the webhook knows."""
    return len(identity.handshake.get_ca_certs())


def test_what_the_file_holds_is_taken_up_once_each_time_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    identity = identity_of(credentials(OURS))
    authority = AuthorityFile("client authority", file, identity.admit_clients)
    file.write_bytes(FIRST.certificate_pem)
    assert authority.look() == ""
    before = identity.handshake
    assert let_through(identity) == 2
    assert authority.look() == ""
    assert identity.handshake is before
    file.write_bytes(FIRST.certificate_pem + SECOND.certificate_pem)
    assert authority.look() == ""
    assert let_through(identity) == 3


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\x00"])
def test_what_cannot_be_used_changes_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ca.crt"
    identity = identity_of(credentials(OURS))
    authority = AuthorityFile("client authority", file, identity.admit_clients)
    file.write_bytes(FIRST.certificate_pem)
    authority.look()
    before = identity.handshake
    file.write_bytes(content)
    assert authority.look() == "it holds no certificates that can be read"
    file.unlink()
    assert authority.look() == "it cannot be read: No such file or directory"
    assert identity.handshake is before


def test_a_file_that_is_empty_from_the_beginning_is_none(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(b"")
    identity = identity_of(credentials(OURS))
    authority = AuthorityFile("client authority", file, identity.admit_clients)
    assert authority.look() == "it holds no certificates that can be read"


async def test_a_fault_is_told_once_and_the_looking_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubemacpool.certs.files.LOOK_SECONDS", 0.001)
    file = tmp_path / "ca.crt"
    identity = identity_of(credentials(OURS))
    running = asyncio.create_task(AuthorityFile("client authority", file, identity.admit_clients).run())
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            while not logs:  # noqa: ASYNC110 (a log sets no event)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            file.write_bytes(FIRST.certificate_pem)
            while let_through(identity) == 1:  # noqa: ASYNC110 (a context sets no event)
                await asyncio.sleep(0.01)
    running.cancel()
    assert [line["event"] for line in logs] == [
        "client authority not taken up; the one before stays",
        "client authority taken up",
    ]
