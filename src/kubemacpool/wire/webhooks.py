"""The MutatingWebhookConfiguration, as far as its caBundles go. Pure."""

import base64

import msgspec

from kubemacpool.wire.listing import UnexpectedAnswerError


class _Meta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _ClientConfig(msgspec.Struct):
    ca_bundle: str = msgspec.field(default="", name="caBundle")


class _Webhook(msgspec.Struct):
    client_config: _ClientConfig = msgspec.field(name="clientConfig")


class _Configuration(msgspec.Struct):
    metadata: _Meta
    webhooks: list[_Webhook] | None = None


_read = msgspec.json.Decoder(_Configuration).decode


def ca_bundle_patch(body: bytes, ca_pem: bytes) -> bytes | None:
    """The JSON patch that gives every webhook of the configuration this caBundle; None where all have it.

    The patch names the resourceVersion that was read: the API server answers 409 when the object has changed since.

    Raises:
        UnexpectedAnswerError: the body is not a webhook configuration.
    """
    try:
        configuration = _read(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnexpectedAnswerError(f"not a webhook configuration: {error}") from error
    wanted = base64.b64encode(ca_pem).decode("ascii")
    changes = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": wanted}
        for index, webhook in enumerate(configuration.webhooks or [])
        if webhook.client_config.ca_bundle != wanted
    ]
    if not changes:
        return None
    version = configuration.metadata.resource_version
    return msgspec.json.encode([{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *changes])
