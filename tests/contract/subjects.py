"""The API server that scenarios are about: the real one, and the simulated one that stands in for it in `tests/sim`."""

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final, cast

import msgspec
from aiohttp import web
from tests.contract.objects import config_map
from tests.sim import store
from tests.sim.api import ApiServer
from tests.sim.client import INSTANT, Link, SimulatedClient
from tests.sim.store import Object

from devcluster.controlplane import ControlPlane
from devcluster.errors import ApiError
from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.wire.review import Answer

WEBHOOK_SECONDS: Final = 10
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
DRY_RUN: Final = "?dryRun=All"

ITS_UID: Final = "to be replaced"
"""In an answer of the script: the uid of the request that is answered."""

SETTLING_SECONDS: Final = 30.0
"""After so long what is new is in force, or never."""


class Subject(ABC):
    """An API server, and a webhook for the pods of one namespace that answers by a script.

    Attributes:
        client: reaches it.
        namespace: where everything happens.
        reviews: the requests that the webhook has got.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.reviews: list[Object] = []
        self._script: list[Answer | None] = []

    def path(self, plural: str, name: str = "") -> str:
        """Of a collection or an object in the namespace."""
        api = "/apis/coordination.k8s.io/v1" if plural == "leases" else "/api/v1"
        return f"{api}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def create(self, plural: str, content: Object) -> Object:
        """A new object."""
        body = await self.client.create(self.path(plural), msgspec.json.encode(content))
        return cast("Object", msgspec.json.decode(body))

    async def patch(self, plural: str, name: str, patch: Object) -> Object:
        """Changes an object, by a merge patch."""
        path, _, sub = name.partition("/")
        target = self.path(plural, path) + (f"/{sub}" if sub else "")
        body = await self.client.patch(target, msgspec.json.encode(patch), content_type=MERGE_PATCH)
        return cast("Object", msgspec.json.decode(body))

    async def touch(self) -> int:
        """Writes something that nobody watches; gives its resourceVersion."""
        name = f"touched-{random.randrange(10**9)}"  # noqa: S311 (a name that is not there yet)
        return version_of(await self.create("configmaps", config_map(name)))

    def next_answer(self, review: Object) -> Answer | None:
        """What the webhook says to a review; None for a connection that breaks."""
        self.reviews.append(review["request"])
        return self._script.pop(0)

    @abstractmethod
    async def dry_run(self, pod: Object) -> None:
        """All that creates a pod, but for storing it."""

    @abstractmethod
    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""

    @abstractmethod
    async def forget_history(self) -> None:
        """Only what is there now is remembered."""

    @abstractmethod
    async def forbid_pods(self) -> None:
        """No more pods of the namespace are stored from now on, though the webhooks are asked about them."""

    @abstractmethod
    def webhook(
        self, *script: Answer | None, seconds: int = WEBHOOK_SECONDS
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Inside the block a webhook is asked about every pod, and answers with these, one after the other.

        Args:
            script: the answers; None for a connection that breaks.
            seconds: its time-out.
        """


class Simulated(Subject):
    """The one of `tests/sim`, without delays."""

    def __init__(self) -> None:
        rng = random.Random(1)  # noqa: S311 (a simulation)
        self._server = ApiServer(rng)
        client = SimulatedClient(self._server, Link(rng, INSTANT))
        super().__init__(cast("ApiClient", client), "contract")

    async def dry_run(self, pod: Object) -> None:
        """All that creates a pod, but for storing it."""
        await self._server.create(self.path("pods") + DRY_RUN, msgspec.json.encode(pod))

    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""
        self._server.delete(self.path(plural, name))

    async def forget_history(self) -> None:
        """Only what is there now is remembered."""
        self._server.forget_history()

    async def forbid_pods(self) -> None:
        """By what comes after the webhook."""

        async def refuse(_: Object) -> None:
            raise store.ApiError(403, "Forbidden", "exceeded quota")

        self._server.before_persisting = refuse

    @contextlib.asynccontextmanager
    async def webhook(self, *script: Answer | None, seconds: int = WEBHOOK_SECONDS) -> AsyncIterator[None]:
        """Called directly."""
        self._script = list(script)
        self._server.webhook_seconds = seconds

        async def answer(_: str, body: bytes) -> Answer:
            given = self.next_answer(msgspec.json.decode(body))
            if given is None:
                raise ConnectionError("connection reset")
            return given

        self._server.webhook = answer
        try:
            yield
        finally:
            self._server.webhook = None


class Real(Subject):
    """The real one."""

    def __init__(self, plane: ControlPlane, client: ApiClient, namespace: str) -> None:
        super().__init__(client, namespace)
        self._plane = plane

    async def dry_run(self, pod: Object) -> None:
        """All that creates a pod, but for storing it."""
        await self._request("POST", self.path("pods") + DRY_RUN, pod)

    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""
        await self._request("DELETE", f"{self.path(plural, name)}?gracePeriodSeconds=0")

    async def forget_history(self) -> None:
        """By a compaction; what is watched has to be read from etcd itself to feel it."""
        await asyncio.to_thread(self._plane.etcd_compact)

    async def forbid_pods(self) -> None:
        """By a quota, as soon as that is in force."""
        await self.create("resourcequotas", {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
        async with asyncio.timeout(SETTLING_SECONDS):
            while not await self._over_quota():
                pass

    @contextlib.asynccontextmanager
    async def webhook(self, *script: Answer | None, seconds: int = WEBHOOK_SECONDS) -> AsyncIterator[None]:
        """Over HTTPS."""
        self._script = list(script)
        authority = issue_authority(datetime.now(UTC))
        serving = issue_serving(authority, ServerNames(("localhost",)), datetime.now(UTC))
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(serving.certificate_pem, serving.key_pem))
        await site.start()
        port = runner.addresses[0][1]
        try:
            await self._request("POST", WEBHOOKS, self._configuration(port, authority.certificate_pem, seconds))
            try:
                await self._until_asked()
                yield
            finally:
                await self._request("DELETE", f"{WEBHOOKS}/{self.namespace}")
        finally:
            await runner.cleanup()

    async def _request(self, method: str, path: str, body: object = None) -> None:
        await asyncio.to_thread(self._plane.api.request, method, path, body)

    async def _over_quota(self) -> bool:
        try:
            await self.dry_run(a_pod("one-too-many"))
        except ApiError as error:
            return "exceeded quota" in str(error)
        return False

    async def _until_asked(self) -> None:
        """The API server learns of a webhook by a watch of its own."""
        script, self._script = self._script, []
        async with asyncio.timeout(SETTLING_SECONDS):
            while not self.reviews:
                self._script = [Answer(200, allowed())]
                with contextlib.suppress(ApiError):  # a quota: the webhook has been asked before that
                    await self.dry_run(a_pod("asked"))
        self._script = script
        self.reviews.clear()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        review = msgspec.json.decode(await request.read())
        given = self.next_answer(review)
        if given is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {} if given.retry_after is None else {"Retry-After": str(given.retry_after)}
        body = given.body.replace(ITS_UID.encode(), review["request"]["uid"].encode())
        return web.Response(status=given.status, body=body, content_type=given.content_type, headers=headers)

    def _configuration(self, port: int, ca_pem: bytes, seconds: int) -> Object:
        webhook = {
            "name": f"{self.namespace}.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": seconds,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "clientConfig": {"url": f"https://localhost:{port}/", "caBundle": b64encode(ca_pem).decode()},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.namespace},
            "webhooks": [webhook],
        }


def a_pod(name: str = "", *, prefix: str = "", **annotations: str) -> Object:
    """A pod with some annotation, so that webhooks are asked about it; no scheduler writes to it."""
    reserved = {"name": name} if name else {"generateName": prefix}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**reserved, "annotations": {"some": "annotation", **annotations}},
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "c", "image": "none"}],
            "automountServiceAccountToken": False,
        },
    }


def allowed(patch: Sequence[Object] = ()) -> bytes:
    """A webhook's answer yes."""
    response: Object = {"uid": ITS_UID, "allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": b64encode(msgspec.json.encode(patch)).decode()}
    return _answer(response)


def denied(code: int, message: str) -> bytes:
    """A webhook's answer no."""
    return _answer(
        {"uid": ITS_UID, "allowed": False, "status": {"code": code, "reason": "Conflict", "message": message}}
    )


def _answer(response: Object) -> bytes:
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def version_of(content: Object) -> int:
    """Its resourceVersion."""
    return int(content["metadata"]["resourceVersion"])
