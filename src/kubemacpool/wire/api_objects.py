"""Objects of the API server, as far as we read or write them: discovery, Events, Secrets, webhook configurations."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from kubemacpool.wire.listing import UnexpectedAnswerError, expecting


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class _Resource(msgspec.Struct):
    name: str


class _ResourceList(msgspec.Struct):
    resources: list[_Resource]


def read_preferred_version(body: bytes) -> str:
    """The version that the API server prefers.

    Raises:
        UnexpectedAnswerError: when the body is no APIGroup.
    """
    with expecting("an APIGroup"):
        return msgspec.json.decode(body, type=_Group).preferred_version.version


def read_plurals(body: bytes) -> frozenset[str]:
    """The resources by their plural; subresources are left out.

    Raises:
        UnexpectedAnswerError: when the body is no APIResourceList.
    """
    with expecting("an APIResourceList"):
        found = msgspec.json.decode(body, type=_ResourceList).resources
    return frozenset(resource.name for resource in found if "/" not in resource.name)


# The API server takes no longer message in an Event (events.k8s.io/v1, note).
LONGEST_MESSAGE_BYTES = 1024

# A name may have 253 characters; generateName puts five more and wants room for them.
_LONGEST_PREFIX = 240


class EventText(NamedTuple):
    """What is said about which object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    reason: str
    message: str


class _Name(msgspec.Struct):
    name: str


class _Stored(msgspec.Struct):
    metadata: _Name


def event_namespace(namespace: str) -> str:
    """Where an Event about an object is kept: beside it, and in `default` for objects that have no namespace."""
    return namespace or "default"


def new_warning(text: EventText, component: str, timestamp: str) -> bytes:
    """An Event to be created, of type Warning, seen once.

    Args:
        text: what is said about which object.
        component: who says it.
        timestamp: now, as in 2026-11-24T03:00:00Z.
    """
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "namespace": event_namespace(text.namespace),
                "generateName": f"{text.name[:_LONGEST_PREFIX]}.",
            },
            "type": "Warning",
            "reason": text.reason,
            "message": cut(text.message, LONGEST_MESSAGE_BYTES),
            "involvedObject": {
                "apiVersion": text.api_version,
                "kind": text.kind,
                "namespace": text.namespace,
                "name": text.name,
                "uid": text.uid,
            },
            "source": {"component": component},
            "reportingComponent": component,
            "firstTimestamp": timestamp,
            "lastTimestamp": timestamp,
            "count": 1,
        }
    )


def seen_again_patch(count: int, timestamp: str) -> bytes:
    """A merge patch for an Event that has been seen so many times by now."""
    return msgspec.json.encode({"count": count, "lastTimestamp": timestamp})


def read_event_name(body: bytes) -> str:
    """The name that the API server gave to a created Event.

    Raises:
        UnexpectedAnswerError: the body is not an object.
    """
    with expecting("an Event"):
        return msgspec.json.decode(body, type=_Stored).metadata.name


def cut(text: str, longest: int) -> str:
    """The text with at most so many bytes in UTF-8, no character cut in two; an ellipsis shows where it was cut."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= longest:
        return encoded.decode("utf-8")
    ellipsis = "…"
    return encoded[: longest - len(ellipsis.encode())].decode("utf-8", "ignore") + ellipsis


class SecretContent(NamedTuple):
    """What is read of a Secret.

    Attributes:
        data: by key, decoded.
        resource_version: at which it was so.
        kept_by: the Certificate of cert-manager for which that keeps the Secret; empty where it does not.
    """

    data: dict[str, bytes]
    resource_version: str
    kept_by: str = ""


class _SecretAnnotations(msgspec.Struct):
    certificate: str = msgspec.field(default="", name="cert-manager.io/certificate-name")


class _SecretMeta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    annotations: _SecretAnnotations | None = None


class _Secret(msgspec.Struct):
    metadata: _SecretMeta
    data: dict[str, str] | None = None


_read_secret = msgspec.json.Decoder(_Secret).decode


def read_secret(body: bytes) -> SecretContent:
    """The content of a Secret.

    Raises:
        UnexpectedAnswerError: the body is not a Secret. Nothing of the body is in the error's text.
    """
    try:
        secret = _read_secret(body)
        data = {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error) as error:
        raise UnexpectedAnswerError(f"not a Secret ({type(error).__name__})") from None
    annotations = secret.metadata.annotations
    kept_by = annotations.certificate if annotations is not None else ""
    return SecretContent(data, secret.metadata.resource_version, kept_by)


def new_tls_secret(namespace: str, name: str, data: Mapping[str, bytes]) -> bytes:
    """A Secret of type kubernetes.io/tls to be created."""
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": name},
            "type": "kubernetes.io/tls",
            "data": _encoded(data),
        }
    )


def secret_merge_patch(data: Mapping[str, bytes], resource_version: str) -> bytes:
    """A merge patch that sets these keys and holds only for this resourceVersion."""
    return msgspec.json.encode({"metadata": {"resourceVersion": resource_version}, "data": _encoded(data)})


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}


CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class WebhookBundle(NamedTuple):
    """Whom the API server trusts at one webhook: PEM, decoded; empty where there is none that can be decoded."""

    webhook: str
    content: bytes


class WebhookBundles(NamedTuple):
    """All webhooks of a configuration in their order.

    Attributes:
        resource_version: at which they were so.
        bundles: of each webhook.
        injected: the annotation by which cert-manager writes the caBundles; empty where there is none.
    """

    resource_version: str
    bundles: tuple[WebhookBundle, ...]
    injected: str = ""


INJECTIONS = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
)
"""Annotations by which cert-manager's cainjector knows whose caBundles it writes."""


class _ConfigurationMeta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    annotations: dict[str, str] | None = None


class _ClientConfig(msgspec.Struct):
    ca_bundle: str | None = msgspec.field(default=None, name="caBundle")


class _Webhook(msgspec.Struct):
    client_config: _ClientConfig = msgspec.field(name="clientConfig")
    name: str = ""


class _Configuration(msgspec.Struct):
    metadata: _ConfigurationMeta
    webhooks: list[_Webhook] | None = None


_read_configuration = msgspec.json.Decoder(_Configuration).decode


def read_ca_bundles(body: bytes) -> WebhookBundles:
    """The caBundle of every webhook of a configuration.

    Raises:
        UnexpectedAnswerError: the body is not a webhook configuration.
    """
    try:
        configuration = _read_configuration(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnexpectedAnswerError(f"not a webhook configuration: {error}") from error
    return WebhookBundles(
        configuration.metadata.resource_version,
        tuple(
            WebhookBundle(webhook.name, _decoded(webhook.client_config.ca_bundle or ""))
            for webhook in configuration.webhooks or []
        ),
        next((name for name in INJECTIONS if (configuration.metadata.annotations or {}).get(name)), ""),
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


BUNDLE_KEY = "ca.crt"
"""As in every namespace's ConfigMap kube-root-ca.crt."""


class _ConfigMap(msgspec.Struct):
    data: dict[str, str] | None = None


def read_published_bundle(body: bytes) -> str:
    """The certificates that a ConfigMap publishes; empty where it publishes none.

    Raises:
        UnexpectedAnswerError: when the body is no ConfigMap.
    """
    with expecting("a ConfigMap"):
        return (msgspec.json.decode(body, type=_ConfigMap).data or {}).get(BUNDLE_KEY, "")


def new_published_bundle(namespace: str, name: str, bundle: str) -> bytes:
    """A ConfigMap that publishes certificates."""
    metadata = {"namespace": namespace, "name": name, "labels": {"app": "kubemacpool"}}
    return msgspec.json.encode(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {BUNDLE_KEY: bundle}}
    )


def published_bundle_patch(bundle: str) -> bytes:
    """A merge patch after which a ConfigMap publishes these certificates."""
    return msgspec.json.encode({"data": {BUNDLE_KEY: bundle}})
