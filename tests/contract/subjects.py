"""The API server that scenarios are about: the real one, and the simulated one that stands in for it in `tests/sim`."""

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import cast

import msgspec
from aiohttp import web
from tests.contract.objects import config_map
from tests.sim.api import ApiServer
from tests.sim.client import INSTANT, Link, SimulatedClient
from tests.sim.store import ApiError, Object

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.ports.errors import RefusedError
from kubemacpool.tls.contexts import server_context
from kubemacpool.tls.issuing import ServerNames, issue_authority, issue_serving
from kubemacpool.wire.answers import Answer

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


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

    async def create(self, plural: str, content: Object, query: str = "") -> Object:
        """A new object."""
        body = await self.client.create(self.path(plural) + query, msgspec.json.encode(content))
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
    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""

    @abstractmethod
    async def forbid_pods(self) -> None:
        """No pod of the namespace is persisted from now on, though the webhooks are asked about it."""

    @abstractmethod
    def webhook(self, *script: Answer | None) -> contextlib.AbstractAsyncContextManager[None]:
        """Inside the block a webhook is asked about every pod, and answers with these, one after the other."""


class Simulated(Subject):
    """The one of `tests/sim`, without delays."""

    def __init__(self) -> None:
        rng = random.Random(1)  # noqa: S311 (a simulation)
        self._server = ApiServer(rng)
        client = SimulatedClient(self._server, Link(rng, INSTANT))
        super().__init__(cast("ApiClient", client), "contract")

    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""
        self._server.delete(self.path(plural, name))

    async def forbid_pods(self) -> None:
        """By what comes after the webhook."""

        async def refuse(_: Object) -> None:
            raise ApiError(403, "Forbidden", "exceeded quota")

        self._server.before_persisting = refuse

    @contextlib.asynccontextmanager
    async def webhook(self, *script: Answer | None) -> AsyncIterator[None]:
        """Called directly."""
        self._script = list(script)

        async def answer(body: bytes) -> Answer:
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

    async def delete(self, plural: str, name: str) -> None:
        """Removes an object at once."""
        path = f"{self.path(plural, name)}?gracePeriodSeconds=0"
        await asyncio.to_thread(self._plane.api.request, "DELETE", path)

    async def forbid_pods(self) -> None:
        """By a quota, as soon as that is in force."""
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        await self.create("resourcequotas", quota)
        async with asyncio.timeout(30):
            for number in range(10_000):
                try:
                    await self.create("pods", a_pod(f"probe-{number}"))
                except RefusedError as error:
                    if "exceeded quota" in str(error):
                        return
                else:
                    await self.delete("pods", f"probe-{number}")
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def webhook(self, *script: Answer | None) -> AsyncIterator[None]:
        """Over HTTPS."""
        self._script = list(script)
        authority = issue_authority(datetime.now(UTC))
        serving = issue_serving(authority, ServerNames(("localhost",), (ip_address("127.0.0.1"),)), datetime.now(UTC))
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(serving.certificate_pem, serving.key_pem))
        await site.start()
        port = runner.addresses[0][1]
        try:
            await asyncio.to_thread(
                self._plane.api.request, "POST", WEBHOOKS, self._configuration(port, authority.certificate_pem)
            )
            await self._until_asked()
            self.reviews.clear()
            yield
        finally:
            await asyncio.to_thread(self._plane.api.request, "DELETE", f"{WEBHOOKS}/{self.namespace}")
            await runner.cleanup()

    async def _until_asked(self) -> None:
        """The API server learns of a webhook by a watch of its own."""
        async with asyncio.timeout(30):
            while not self.reviews:
                self._script.insert(0, Answer(200, allowed("to be replaced"), "application/json"))
                with contextlib.suppress(RefusedError):  # a quota: the webhook was asked before
                    await self.create("pods", a_pod("asked"), "?dryRun=All")
                if not self.reviews:
                    del self._script[0]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        review = msgspec.json.decode(await request.read())
        given = self.next_answer(review)
        if given is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {} if given.retry_after is None else {"Retry-After": str(given.retry_after)}
        body = given.body.replace(b"to be replaced", review["request"]["uid"].encode())
        return web.Response(status=given.status, body=body, content_type=given.content_type, headers=headers)

    def _configuration(self, port: int, ca_pem: bytes) -> Object:
        webhook = {
            "name": f"{self.namespace}.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": b64encode(ca_pem).decode()},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.namespace},
            "webhooks": [webhook],
        }


def a_pod(name: str = "", *, prefix: str = "", **annotations: str) -> Object:
    """A pod with some annotation, so that webhooks are asked about it."""
    named = {"name": name} if name else {"generateName": prefix}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, "annotations": {"some": "annotation", **annotations}},
        "spec": {"containers": [{"name": "c", "image": "none"}], "automountServiceAccountToken": False},
    }


def allowed(uid: str, patch: Sequence[Object] = ()) -> bytes:
    """A webhook's answer yes."""
    response: Object = {"uid": uid, "allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": b64encode(msgspec.json.encode(patch)).decode()}
    return _answer(response)


def denied(uid: str, code: int, message: str) -> bytes:
    """A webhook's answer no."""
    return _answer({"uid": uid, "allowed": False, "status": {"code": code, "reason": "Conflict", "message": message}})


def _answer(response: Object) -> bytes:
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def version_of(content: Object) -> int:
    """Its resourceVersion."""
    return int(content["metadata"]["resourceVersion"])
