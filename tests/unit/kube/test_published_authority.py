"""The ConfigMap with our authority is kept as it should be, whatever others do to it."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs
from tests.support.scripted import ScriptedTransport

from kubemacpool.kube import published_authority
from kubemacpool.kube.published_authority import PublishedAuthority
from kubemacpool.kube.transport import JSON
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError, OutsideError

PATH = "/api/v1/namespaces/ns1/configmaps/kubemacpool-ca"


class ConfigMaps(ScriptedTransport):
    """One ConfigMap in memory."""

    def __init__(self) -> None:
        super().__init__([])
        self.bundle: str | None = None
        self.writes: list[str] = []
        self.fault: OutsideError | None = None
        self.created_by_another = False

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> bytes:
        """As it is."""
        assert (path, params, accept) == (PATH, None, JSON)
        if self.fault is not None:
            raise self.fault
        if self.bundle is None:
            raise NotFoundError(path)
        return json.dumps({"data": {"ca.crt": self.bundle}}).encode()

    async def create(self, path: str, body: bytes, *, dry_run: bool = False) -> bytes:
        """From now on it is there."""
        assert (path, dry_run) == (PATH.rpartition("/")[0], False)
        if self.created_by_another:
            raise ConflictError(path)
        return self._write("create", body)

    async def patch(self, path: str, body: bytes, *, content_type: str, dry_run: bool = False) -> bytes:
        """From now on it is another."""
        assert (path, content_type, dry_run) == (PATH, "application/merge-patch+json", False)
        return self._write("patch", body)

    def _write(self, verb: str, body: bytes) -> bytes:
        self.writes.append(verb)
        self.bundle = json.loads(body)["data"]["ca.crt"]
        return body


async def test_it_is_created_once_and_written_when_it_says_something_else() -> None:
    api = ConfigMaps()
    bundle = b"first"
    subject = PublishedAuthority(api, "ns1", lambda: bundle)
    for _ in range(2):
        await subject.look()
    assert (api.bundle, api.writes) == ("first", ["create"])
    bundle = b"second"
    for _ in range(2):
        await subject.look()
    assert (api.bundle, api.writes) == ("second", ["create", "patch"])


async def test_another_replica_may_be_the_first_to_create_it() -> None:
    api = ConfigMaps()
    api.created_by_another = True
    with capture_logs() as logs:
        await PublishedAuthority(api, "ns1", lambda: b"first").look()
    assert logs == []


async def test_a_fault_is_told_once_and_goes_away_by_itself() -> None:
    api = ConfigMaps()
    subject = PublishedAuthority(api, "ns1", lambda: b"first")
    api.fault = ClusterUnavailableError("gone")
    with capture_logs() as logs:
        for _ in range(2):
            await subject.look()
        api.fault = None
        await subject.look()
    assert [line["event"] for line in logs] == ["authority not published", "authority published"]
    assert api.bundle == "first"


async def test_a_change_of_ours_is_published_at_once_and_one_of_others_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(published_authority, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(published_authority, "REREAD_SECONDS", 0.2)
    api = ConfigMaps()
    bundle = b"first"
    running = asyncio.create_task(PublishedAuthority(api, "ns1", lambda: bundle).run())

    async def published(text: str) -> None:
        async with asyncio.timeout(10):
            while api.bundle != text:  # noqa: ASYNC110 (the double sets no event)
                await asyncio.sleep(0.001)

    await published("first")
    bundle = b"second"
    await published("second")
    api.bundle = "garbage"
    await published("second")
    running.cancel()
    assert api.writes == ["create", "patch", "patch"]
