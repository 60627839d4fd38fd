"""The webhook configuration: whose certificate the API server accepts from us."""

from typing import Protocol


class WebhookTrust(Protocol):
    """The caBundle of our webhooks."""

    async def install(self, ca_pem: bytes) -> bool:
        """Makes every webhook of the configuration trust these certificates; writes only where something differs.

        Returns:
            Whether anything had to be written.

        Raises:
            NotFoundError: there is no such configuration.
            OutsideError: otherwise, as the API server answered.
        """
        ...
