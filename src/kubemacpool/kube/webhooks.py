"""Reading and writing the caBundles of a webhook configuration."""

from collections.abc import Sequence

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import JSON_PATCH
from kubemacpool.ports.errors import ClusterUnavailableError
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.webhooks import CONFIGURATIONS, WebhookBundles, ca_bundle_patch, read_ca_bundles


class WebhookConfiguration:
    """Implements `kubemacpool.ports.webhooks.WebhookTrust` for one MutatingWebhookConfiguration.

    Needs the verbs get and patch on it.
    """

    def __init__(self, client: ApiClient, name: str) -> None:
        self._client = client
        self._path = f"{CONFIGURATIONS}/{name}"

    async def read(self) -> WebhookBundles:
        """The caBundle of every webhook."""
        body = await self._client.get(self._path)
        try:
            return read_ca_bundles(body)
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"GET {self._path}: {error}") from error

    async def write(self, found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> None:
        """Gives the webhooks at these places this caBundle."""
        await self._client.patch(self._path, ca_bundle_patch(found, places, ca_pem), content_type=JSON_PATCH)
