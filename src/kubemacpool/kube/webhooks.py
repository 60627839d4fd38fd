"""Installing our certificate authority into the webhook configuration."""

import structlog

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import JSON_PATCH
from kubemacpool.ports.errors import ClusterUnavailableError, ConflictError
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.webhooks import ca_bundle_patch

_log = structlog.get_logger(__name__)

# Each conflict means that somebody else has written in the few milliseconds between reading and writing. Ten in a row
# are no coincidence but somebody who fights us.
_ATTEMPTS = 10


class WebhookConfiguration:
    """Implements `kubemacpool.ports.webhooks.WebhookTrust` for one MutatingWebhookConfiguration.

    Needs the verbs get and patch on it.
    """

    def __init__(self, client: ApiClient, name: str) -> None:
        self._client = client
        self._name = name
        self._path = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}"

    async def install(self, ca_pem: bytes) -> bool:
        """Makes every webhook of the configuration trust these certificates; writes only where something differs."""
        for _ in range(_ATTEMPTS):
            body = await self._client.get(self._path)
            try:
                patch = ca_bundle_patch(body, ca_pem)
            except UnexpectedAnswerError as error:
                raise ClusterUnavailableError(f"GET {self._path}: {error}") from error
            if patch is None:
                return False
            try:
                await self._client.patch(self._path, patch, content_type=JSON_PATCH)
            except ConflictError:
                continue
            _log.info("the certificate authority is installed", webhook_configuration=self._name)
            return True
        raise ConflictError(f"PATCH {self._path}: changed by somebody else in each of {_ATTEMPTS} attempts")
