"""The MutatingWebhookConfiguration, as far as its caBundles go. Pure."""

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kubemacpool.wire.listing import UnexpectedAnswerError

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class WebhookBundle(NamedTuple):
    """Whom the API server trusts at one webhook: PEM, decoded; empty where there is none that can be decoded."""

    webhook: str
    content: bytes


class WebhookBundles(NamedTuple):
    """All webhooks of a configuration in their order, and the resourceVersion at which they were so."""

    resource_version: str
    bundles: tuple[WebhookBundle, ...]


class _Meta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _ClientConfig(msgspec.Struct):
    ca_bundle: str | None = msgspec.field(default=None, name="caBundle")


class _Webhook(msgspec.Struct):
    client_config: _ClientConfig = msgspec.field(name="clientConfig")
    name: str = ""


class _Configuration(msgspec.Struct):
    metadata: _Meta
    webhooks: list[_Webhook] | None = None


_read = msgspec.json.Decoder(_Configuration).decode


def read_ca_bundles(body: bytes) -> WebhookBundles:
    """The caBundle of every webhook of a configuration.

    Raises:
        UnexpectedAnswerError: the body is not a webhook configuration.
    """
    try:
        configuration = _read(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnexpectedAnswerError(f"not a webhook configuration: {error}") from error
    return WebhookBundles(
        configuration.metadata.resource_version,
        tuple(
            WebhookBundle(webhook.name, _decoded(webhook.client_config.ca_bundle or ""))
            for webhook in configuration.webhooks or []
        ),
    )


def ca_bundle_patch(found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> bytes:
    """The JSON patch that gives the webhooks at these places this caBundle.

    The patch names the resourceVersion that was read: the API server answers 409 when the object has changed since.
    """
    wanted = base64.b64encode(ca_pem).decode("ascii")
    version = found.resource_version
    return msgspec.json.encode(
        [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            *({"op": "add", "path": f"/webhooks/{place}/clientConfig/caBundle", "value": wanted} for place in places),
        ]
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
