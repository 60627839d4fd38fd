"""The simulated API server: answers in the API's own bytes, so that production code reads and writes them.

What of the API's behaviour is needed here is compared with the real one's by `tests/contract/test_simulated_api.py`.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from tests.sim.admission import REVIEWED, WEBHOOK_SECONDS, AdmissionError, Webhook, admit
from tests.sim.loop import Process
from tests.sim.store import ApiError, Backup, Object, Place, Selection, Store
from tests.sim.watch import Watch, WatchParameters

from kubemacpool.ports import ClusterUnavailableError

REQUEST_SECONDS: Final = 20.0
"""After so long the API server gives up on a request (--request-timeout; 60 s unless set)."""

KINDS: Final = {
    "pods": "Pod",
    "leases": "Lease",
    "configmaps": "ConfigMap",
    "namespaces": "Namespace",
    "podtemplates": "PodTemplate",
    "virtualmachines": "VirtualMachine",
    "virtualmachineinstances": "VirtualMachineInstance",
    "virtualmachineinstancemigrations": "VirtualMachineInstanceMigration",
}

GROUPS: Final = {
    "kubevirt.io": ("virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations"),
    "coordination.k8s.io": ("leases",),
}
"""By group, all of version v1, what is served besides the core's own kinds."""

SUFFIX: Final = "bcdfghjklmnpqrstvwxz2456789"
"""What the five characters after `generateName` are made of."""

PARTIAL: Final = "as=PartialObjectMetadata"
PATCHED_STATUS: Final = "status"
ALL: Final = "All"


class _Path(NamedTuple):
    plural: str
    namespace: str | None
    name: str

    def place(self, name: str = "") -> Place:
        return Place(self.plural, self.namespace or "", name or self.name)


class ApiServer:
    """One API server and its storage.

    Args:
        rng: decides what the real one leaves to chance.
        bookmark_seconds: between two bookmarks of a watch; a minute in reality.

    Attributes:
        store: what it keeps.
        process: what its own tasks belong to.
        webhook: asked about every new machine, and every new pod that has the annotation; None for nobody.
        webhook_seconds: its time-out.
        before_persisting: what comes after the webhook and may take its time or say no, such as a quota.
        watches: those that are open.
    """

    def __init__(self, rng: random.Random, *, bookmark_seconds: float = 60.0) -> None:
        self.store = Store()
        self.process = Process("api server")
        self.webhook: Webhook | None = None
        self.webhook_seconds = WEBHOOK_SECONDS
        self.before_persisting: Callable[[Object], Awaitable[None]] = _nothing
        self.watches: list[Watch] = []
        self._rng = rng
        self._bookmark_seconds = bookmark_seconds
        self._pages: dict[str, tuple[int, list[Object]]] = {}

    def get(self, path: str, params: Mapping[str, str], accept: str) -> bytes:
        """One object, a page of a collection, or what is served."""
        discovered = _discovered(path)
        if discovered is not None:
            return msgspec.json.encode(discovered)
        where = _parse(path)
        if where.name:
            return msgspec.json.encode(_shown(where.plural, self.store.get(where.place()), accept))
        token = params.get("continue", "")
        if token:
            version, rest = self._rest_of(token)
        else:
            version = self.store.version
            selection = Selection(where.plural, where.namespace, params.get("fieldSelector", ""))
            rest = [found for _, found in self.store.objects(selection)]
        limit = int(params.get("limit", "0")) or len(rest)
        metadata = {"resourceVersion": str(version), "continue": self._keep(version, rest[limit:])}
        items = [_shown(where.plural, found, accept) for found in rest[:limit]]
        return msgspec.json.encode({"metadata": metadata, "items": items})

    async def create(self, path: str, body: bytes) -> bytes:
        """A new object; a webhook is asked about some first. `?dryRun=All` stores nothing."""
        path, _, query = path.partition("?")
        where, content = _parse(path), msgspec.json.decode(body)
        dry_run = dict(parse_qsl(query)).get("dryRun") == ALL
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                if where.plural in REVIEWED:
                    content = await self._admit(where, content, dry_run=dry_run)
                if not dry_run:
                    await self.before_persisting(content)
        except TimeoutError:
            raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", "request did not complete") from None
        place = where.place(self._name(content["metadata"]))
        if dry_run:
            return msgspec.json.encode(content)
        return msgspec.json.encode(_shown(where.plural, self.store.create(place, content), ""))

    def patch(self, path: str, body: bytes) -> bytes:
        """Change an object by a merge patch."""
        where = _parse(path)
        return msgspec.json.encode(_shown(where.plural, self.store.patch(where.place(), msgspec.json.decode(body)), ""))

    def delete(self, path: str) -> None:
        """Remove an object at once. A pod is marked before that, in a write of its own."""
        where = _parse(path)
        if where.plural == "pods":
            self.store.patch(where.place(), {"metadata": {"deletionTimestamp": "1970-01-01T00:00:00Z"}})
        self.store.delete(where.place())

    def watch(
        self, path: str, params: Mapping[str, str], accept: str, carry: Callable[[float], Awaitable[None]]
    ) -> Watch:
        """Tell of every change after a resourceVersion; `carry` takes as long as an event takes on its way."""
        where = _parse(path)
        seconds = float(params.get("timeoutSeconds", "1800"))
        parameters = WatchParameters(
            Selection(where.plural, where.namespace, params.get("fieldSelector", "")),
            int(params["resourceVersion"]),
            seconds,
            self._bookmark_seconds if params.get("allowWatchBookmarks") else None,
        )
        watch = Watch(self.store, parameters, lambda found: _shown(where.plural, found, accept), carry)
        self.watches.append(watch)
        watch.start(self.process, lambda: self.watches.remove(watch))
        return watch

    def forget_history(self) -> None:
        """Neither old versions nor the pages of lists under way can be asked for any more."""
        self.store.forget_history()
        self._pages.clear()

    def restore(self, backup: Backup) -> None:
        """Begin again from a backup; every connection to the API server of before is broken."""
        self.store.restore(backup)
        self._pages.clear()
        for watch in tuple(self.watches):
            watch.cut(ClusterUnavailableError("the API server was restarted"))

    async def _admit(self, where: _Path, content: Object, *, dry_run: bool) -> Object:
        if where.plural == "pods":
            content = {**content, "status": {"phase": "Pending"}}
            if "annotations" not in content["metadata"]:
                return content
        if self.webhook is None:
            return content
        uid, namespace = str(uuid.UUID(int=self._rng.getrandbits(128))), where.namespace or ""
        reviewed = REVIEWED[where.plural]
        try:
            return await admit(self.webhook, self.webhook_seconds, uid, reviewed, content, namespace, dry_run=dry_run)
        except AdmissionError as error:
            raise ApiError(error.code, error.reason, str(error)) from error

    def _name(self, metadata: Mapping[str, Any]) -> str:
        if metadata.get("name"):
            return str(metadata["name"])
        return str(metadata["generateName"]) + "".join(self._rng.choices(SUFFIX, k=5))

    def _keep(self, version: int, rest: list[Object]) -> str:
        if not rest:
            return ""
        token = f"page-{len(self._pages)}-{version}"
        self._pages[token] = (version, rest)
        return token

    def _rest_of(self, token: str) -> tuple[int, list[Object]]:
        if token not in self._pages:
            raise ApiError(HTTPStatus.GONE, "Expired", "The provided continue parameter is too old")
        return self._pages[token]


async def _nothing(_: Object) -> None:
    """Every object is persisted at once."""


def _parse(path: str) -> _Path:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace, parts = parts[1], parts[2:]
    if parts[-1] == PATCHED_STATUS:
        parts = parts[:-1]
    return _Path(parts[0], namespace, parts[1] if len(parts) > 1 else "")


def _discovered(path: str) -> Object | None:
    """What the API server says of a group, or of its version; None for the path of something else."""
    match path.strip("/").split("/"):
        case ["apis", group] if group in GROUPS:
            version = {"groupVersion": f"{group}/v1", "version": "v1"}
            return {"kind": "APIGroup", "name": group, "versions": [version], "preferredVersion": version}
        case ["apis", group, "v1"] if group in GROUPS:
            resources = [{"name": plural, "namespaced": True, "kind": KINDS[plural]} for plural in GROUPS[group]]
            return {"kind": "APIResourceList", "groupVersion": f"{group}/v1", "resources": resources}
        case ["apis", *_] if not _is_served(path):
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource")
        case _:
            return None


def _is_served(path: str) -> bool:
    _, group, *rest = path.strip("/").split("/")
    return rest[:1] == ["v1"] and len(rest) > 1 and _parse(path).plural in GROUPS.get(group, ())


def _shown(plural: str, content: Object, accept: str) -> Object:
    """The object as it is sent: all of it, or its metadata only."""
    if PARTIAL in accept:
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": content["metadata"]}
    return {"kind": KINDS[plural], **content}
