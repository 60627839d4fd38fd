"""The API server as its administrator's program sees it: statuses, messages and the warnings of admission."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeVar

import aiohttp
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from devcluster.controlplane import ControlPlane

NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"
MERGE: Final = "application/merge-patch+json"
CONFIG_MAPS: Final = "/api/v1/namespaces/kubemacpool-system/configmaps"
RANGE: Final = f"{CONFIG_MAPS}/kubemacpool-mac-range-config"

T = TypeVar("T")


class Metadata(msgspec.Struct, rename="camel"):
    """What the tests look at in any object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] = {}


class Found(msgspec.Struct):
    """Any object."""

    metadata: Metadata


class FoundList(msgspec.Struct):
    """Any list."""

    items: list[Found]


class ConfigMap(msgspec.Struct):
    """A ConfigMap."""

    data: dict[str, str]


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class Reply(NamedTuple):
    """What the API server answered."""

    status: int
    """0 where there was no answer; then the body says why."""
    body: bytes
    warnings: tuple[str, ...]
    sent: float
    answered: float
    """Both on the monotonic clock."""

    @property
    def created(self) -> bool:
        """Whether the object was created, or would have been."""
        return self.status == 201

    @property
    def message(self) -> str:
        """Why not."""
        return self._said.message

    @property
    def _said(self) -> _Status:
        try:
            return msgspec.json.decode(self.body, type=_Status)
        except msgspec.DecodeError:
            return _Status(self.body.decode(errors="replace"))

    @property
    def reason(self) -> str:
        """Why not, in one word; empty where there is none."""
        return self._said.reason

    @property
    def metadata(self) -> Metadata:
        """The object's metadata."""
        return msgspec.json.decode(self.body, type=Found).metadata

    @property
    def networks(self) -> str:
        """The network-selection annotation as it is stored."""
        return self.metadata.annotations[NETWORKS]

    @property
    def entries(self) -> list[dict[str, object]]:
        """The entries of the network-selection annotation."""
        return msgspec.json.decode(self.networks, type=list[dict[str, object]])

    @property
    def macs(self) -> list[str]:
        """The address of every entry."""
        return macs_of(self.networks)

    @property
    def mac(self) -> str:
        """The address of the only entry."""
        (mac,) = self.macs
        return mac


class _Selection(msgspec.Struct):
    mac: str


def macs_of(networks: str) -> list[str]:
    """The address of every entry of a network-selection annotation in its JSON form."""
    return [selection.mac for selection in msgspec.json.decode(networks, type=list[_Selection])]


def pod(
    name: str = "",
    networks: str | None = '[{"name":"net"}]',
    *,
    generate_name: str = "",
    scheduled: bool = False,
    metadata: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """A pod that is allowed in any namespace; only a `scheduled` one is given a node and runs."""
    about: dict[str, object] = {"name": name} if name else {"generateName": generate_name}
    if networks is not None:
        about["annotations"] = {NETWORKS: networks}
    container = {
        "name": "app",
        "image": "registry.k8s.io/pause:3.10",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": about | dict(metadata or {}),
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 1,
        }
        | ({} if scheduled else {"schedulerName": "nobody"}),
    }


class ClusterClient:
    """Requests to the API server of a test's control plane, as its administrator."""

    def __init__(self, control_plane: ControlPlane, patience: float = 60.0) -> None:
        """Read the administrator's certificate.

        Args:
            control_plane: whose API server it is.
            patience: seconds that a request may take.
        """
        self.url = control_plane.server_url
        self._tls = ssl.create_default_context(cafile=str(control_plane.ca_path))
        pki = control_plane.layout.pki
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0), timeout=aiohttp.ClientTimeout(total=self._patience)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Where requests are made."""
        assert self._session is not None, "used outside its `async with`"
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request; whatever the API server answers is an answer.

        Raises:
            OSError: it does not (aiohttp has errors of its own as well).
        """
        data = None if body is None else msgspec.json.encode(body)
        own = {"Accept": "application/json"} | ({} if data is None else {"Content-Type": content_type})
        sent = time.monotonic()
        async with self.session.request(
            method, self.url + path, data=data, params=params, headers=own | dict(headers or {})
        ) as answer:
            text = await answer.read()
            # A warning is: code, agent, quoted text (RFC 7234, section 5.5).
            warnings = tuple(
                msgspec.json.decode(each.split(" ", 2)[2], type=str) for each in answer.headers.getall("Warning", [])
            )
            return Reply(answer.status, text, warnings, sent, time.monotonic())

    async def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Make one request, whatever becomes of it."""
        sent = time.monotonic()
        try:
            return await self.request(method, path, body, headers=headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Reply(0, (str(error) or type(error).__name__).encode(), (), sent, time.monotonic())

    async def get(self, path: str, kind: type[T]) -> T:
        """Read an object that is there."""
        reply = await self.request("GET", path)
        assert reply.status == 200, reply.body
        return msgspec.json.decode(reply.body, type=kind)

    async def done(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> None:
        """Make a request that has to succeed."""
        reply = await self.request(method, path, body, content_type=content_type)
        assert reply.status in {200, 201, 202}, reply.body

    async def patch(self, path: str, body: object) -> None:
        """Merge into an object; has to succeed."""
        await self.done("PATCH", path, body, content_type=MERGE)

    async def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a namespace in which pods can be created at once."""
        await self.done("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        reply = await self.request(
            "POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}}
        )
        assert reply.status in {201, 409}, reply.body  # the controller may have been faster

    async def leave_pods_alone(self, namespace: str) -> None:
        """From now on what happens to the namespace's pods goes past us; returns once the API server knows."""
        label = {"metadata": {"labels": {"mutatepods.kubemacpool.io": "ignore"}}}
        await self.patch(f"/api/v1/namespaces/{namespace}", label)
        async with asyncio.timeout(10):
            while True:
                reply = await self.create(namespace, pod("passes"), dry_run=True)
                if reply.created and "mac" not in reply.entries[0]:
                    return
                await asyncio.sleep(0.02)

    async def create(self, namespace: str, manifest: Mapping[str, object], *, dry_run: bool = False) -> Reply:
        """Create a pod, or ask whether it could be."""
        params = {"dryRun": "All"} if dry_run else None
        return await self.request("POST", f"/api/v1/namespaces/{namespace}/pods", manifest, params=params)

    async def made(self, namespace: str, manifest: Mapping[str, object]) -> Reply:
        """Create a pod; has to succeed."""
        reply = await self.create(namespace, manifest)
        assert reply.created, reply.body
        return reply

    async def judged(self, namespace: str, manifest: Mapping[str, object], *, dry_run: bool = False) -> Reply:
        """Create a pod once nothing that it asks for is in flight: its holder's creation may be on its way to us."""
        async with asyncio.timeout(10):
            while True:
                reply = await self.create(namespace, manifest, dry_run=dry_run)
                if reply.created or "a moment ago" not in reply.message:
                    return reply
                await asyncio.sleep(0.02)

    async def delete(self, namespace: str, name: str, *, force: bool = False) -> None:
        """Delete a pod; a scheduled one is terminating for a while unless it is forced."""
        body = {"gracePeriodSeconds": 0} if force else None
        await self.done("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body)

    async def set_range(self, start: str, end: str) -> None:
        """Edit the range in the ConfigMap."""
        await self.patch(RANGE, {"data": {"RANGE_START": start, "RANGE_END": end}})


async def together(jobs: Iterable[Awaitable[T]], clients: int = 16) -> list[T]:
    """Do all jobs, so many at a time; gives what they gave in their order."""
    turn = asyncio.Semaphore(clients)

    async def one(job: Awaitable[T]) -> T:
        async with turn:
            return await job

    return await asyncio.gather(*map(one, jobs))
