"""What a replica has to have before it can answer, waited for and said."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.certs.cupboard import Cupboard
from tests.unit.certs.test_identity import NAME, credentials, identity_of

from kubemacpool import provision
from kubemacpool.certs.files import ServingFiles
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving
from kubemacpool.certs.rotation import SERVING_SECRET, Bootstrap
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import StoredSecret
from kubemacpool.provision import establish_credentials, establish_given

NOT_READ = ("MutatingWebhookConfiguration kubemacpool-mutator has not been read yet",)


async def until_said(readiness: Readiness, text: str) -> None:
    """Wait until readiness has this in what it says."""
    async with asyncio.timeout(10):
        while text not in str(readiness.obstacles):  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.001)


async def test_what_keeps_a_certificate_from_being_issued_is_said_until_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "GRACE_SECONDS", -1)
    secrets, readiness = Cupboard(), Readiness()
    secrets.stored[SERVING_SECRET] = StoredSecret({}, "7", "theirs")
    establishing = asyncio.create_task(establish_credentials(Bootstrap(secrets, ServerNames((NAME,))), readiness))
    await until_said(readiness, "what cert-manager keeps for Certificate theirs")
    del secrets.stored[SERVING_SECRET]
    assert (await establishing).under
    assert readiness.obstacles == NOT_READ


async def test_files_are_waited_for_and_what_is_wrong_with_them_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provision, "LOOK_SECONDS", 0.001)
    now, readiness = datetime.now(UTC), Readiness()
    identity = identity_of(credentials(issue_authority(now)))
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    files = ServingFiles(certificate, key, identity, lambda: now)
    establishing = asyncio.create_task(establish_given(files, readiness))
    await until_said(readiness, f"no certificate yet: {certificate} cannot be read: No such file or directory")
    given = issue_serving(issue_authority(now), ServerNames((NAME,)), now)
    certificate.write_bytes(given.certificate_pem)
    key.write_bytes(given.key_pem)
    await establishing
    assert identity.shown == given
    assert readiness.obstacles == NOT_READ
