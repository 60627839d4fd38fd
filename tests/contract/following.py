"""A reflector at work on the real API server, and what it has told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reflector import Pacing, Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import JSON
from kubemacpool.wire.listing import read_head
from kubemacpool.wire.objects import Decoded, ObjectIdentity

Decode = Callable[[bytes], Decoded[bytes]]


def decode_any(raw: bytes) -> Decoded[bytes]:
    """Every object is of interest, as it was written."""
    identity, version = read_head(raw)
    return Decoded(identity, version or 0, raw)


class CountingTransport:
    """The client, with every list request written down.

    Attributes:
        lists: the parameters of each list request, but those that ask only how far the cluster is.
    """

    def __init__(self, client: ApiClient) -> None:
        self.lists: list[Mapping[str, str]] = []
        self.stream = client.stream
        self._client = client

    async def get(self, path: str, params: Mapping[str, str], *, accept: str = JSON) -> bytes:
        """As the client does."""
        if params.get("limit") != "1":
            self.lists.append(dict(params))
        return await self._client.get(path, params, accept=accept)


class Following:
    """Listens to a reflector.

    Attributes:
        there: what is present by name.
        steps: what was told, as `present a`, `gone a`, `unreadable a`.
        uids: of the present objects by name.
        versions: resourceVersions with which objects were told last, by name.
        faults: why objects could not be read, by name.
    """

    def __init__(self, client: ApiClient, resource: Resource, decode: Decode, pacing: Pacing) -> None:
        self.transport = CountingTransport(client)
        self.there: dict[str, bytes] = {}
        self.uids: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.steps: list[str] = []
        self.faults: dict[str, str] = {}
        self.reflector = Reflector(self.transport, resource, decode, self, pacing=pacing)

    def present(self, identity: ObjectIdentity, item: bytes, resource_version: int) -> None:
        """Keeps it."""
        assert self.uids.get(identity.name, identity.uid) == identity.uid, (
            "a successor is told before the end of the first"
        )
        self.steps.append(f"present {identity.name}")
        self.there[identity.name] = item
        self.versions[identity.name] = resource_version
        self.uids[identity.name] = identity.uid

    def gone(self, identity: ObjectIdentity) -> None:
        """Drops it, which has to be there."""
        self.steps.append(f"gone {identity.name}")
        del self.there[identity.name]
        assert self.uids.pop(identity.name) == identity.uid

    def reached(self, resource_version: int) -> None:
        """The reflector itself can be asked."""

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """Keeps the reason."""
        self.steps.append(f"unreadable {identity.name}")
        self.faults[identity.name] = reason

    async def until(self, condition: Callable[[], object], *, seconds: float = 15) -> None:
        """Waits until the condition holds, which has to be soon."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - conditions of any kind, told by nobody
                await asyncio.sleep(0.02)


@asynccontextmanager
async def following(
    client: ApiClient,
    resource: Resource,
    *,
    decode: Decode = decode_any,
    pacing: Pacing | None = None,
    listed: bool = True,
) -> AsyncIterator[Following]:
    """A reflector that runs inside the block; waits for its first list unless told otherwise."""
    follower = Following(client, resource, decode, pacing or Pacing())
    running = asyncio.create_task(follower.reflector.run())
    try:
        if listed:
            await follower.until(lambda: follower.reflector.listed or running.done())
            assert follower.reflector.listed, running.exception()
        yield follower
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
