"""How the simulated API server asks a webhook about a new object."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from tests.sim.store import Object

from kubemacpool.wire.review import Answer

WEBHOOK_SECONDS: Final = 10.0
"""The webhook's time-out, as shipped."""

RETRIES: Final = 10
"""So often a webhook is asked again at most, whatever time is left."""

Webhook = Callable[[str, bytes], Awaitable[Answer]]
"""Posts a review to a path at one of the webhook's servers. Raises ConnectionError where there is no answer."""


class Reviewed(NamedTuple):
    """A kind of object that a webhook is asked about.

    Attributes:
        group: of its API.
        kind: its name.
        path: where the webhook is asked.
    """

    group: str
    kind: str
    path: str


REVIEWED: Final = {
    "pods": Reviewed("", "Pod", "/mutate-pods"),
    "virtualmachines": Reviewed("kubevirt.io", "VirtualMachine", "/mutate-virtualmachines"),
}
"""By plural. Instances are reviewed as well in reality; here each is made from a machine, and carries its addresses."""


class AdmissionError(Exception):
    """The object is not admitted."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


async def admit(
    webhook: Webhook, seconds: float, uid: str, reviewed: Reviewed, content: Object, namespace: str, *, dry_run: bool
) -> Object:
    """The object as the webhook wants it; a 503 with Retry-After is asked again, the same request, until the time-out.

    Args:
        webhook: who is asked.
        seconds: its time-out, for all times that it is asked.
        uid: of the request.
        reviewed: its kind.
        content: the object.
        namespace: of the object.
        dry_run: whether nothing will be stored.

    Raises:
        AdmissionError: the webhook said no, or nothing.
    """
    review = _review(uid, reviewed, content, namespace, dry_run=dry_run)
    try:
        async with asyncio.timeout(seconds):
            answer = await webhook(reviewed.path, review)
            for _ in range(RETRIES):
                if answer.retry_after is None:
                    break
                await asyncio.sleep(answer.retry_after)
                answer = await webhook(reviewed.path, review)
    except (TimeoutError, ConnectionError) as error:
        text = f"failed calling webhook: {str(error) or 'context deadline exceeded'}"
        raise AdmissionError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", text) from error
    if answer.status != HTTPStatus.OK:
        text = f"failed calling webhook: status {answer.status}: {answer.body.decode()}"
        raise AdmissionError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", text)
    response = msgspec.json.decode(answer.body)["response"]
    if not response["allowed"]:
        status = response["status"]
        text = f"admission webhook denied the request: {status['message']}"
        raise AdmissionError(status["code"], status["reason"], text)
    if "patch" in response:
        return _patched(content, msgspec.json.decode(b64decode(response["patch"])))
    return content


def _review(uid: str, reviewed: Reviewed, content: Object, namespace: str, *, dry_run: bool) -> bytes:
    request: Object = {
        "uid": uid,
        "kind": {"group": reviewed.group, "version": "v1", "kind": reviewed.kind},
        "namespace": namespace,
        "operation": "CREATE",
        "object": content,
        "dryRun": dry_run,
    }
    if "name" in content["metadata"]:
        request["name"] = content["metadata"]["name"]
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return msgspec.json.encode(review)


def _patched(content: Object, patch: list[Object]) -> Object:
    """The object after a JSON patch that replaces or adds members of objects, which is all that is needed here."""
    patched: Object = msgspec.json.decode(msgspec.json.encode(content))
    for operation in patch:
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        target: Any = patched
        for key in way:
            target = target[int(key) if isinstance(target, list) else key]
        target[last] = operation["value"]
    return patched
