"""The webhook configuration: whose certificates the API server accepts from us."""

from collections.abc import Sequence
from typing import Protocol

from kubemacpool.wire.webhooks import WebhookBundles


class WebhookTrust(Protocol):
    """The caBundles of our webhooks. Both methods raise the errors of `kubemacpool.ports.errors`."""

    async def read(self) -> WebhookBundles:
        """The caBundle of every webhook.

        Raises:
            NotFoundError: there is no such configuration.
        """
        ...

    async def write(self, found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> None:
        """Gives the webhooks at these places this caBundle.

        Args:
            found: the configuration as it was read.
            places: in `found.bundles`.
            ca_pem: whom to trust.

        Raises:
            ConflictError: the configuration has been changed since.
            NotFoundError: it has been deleted.
        """
        ...
