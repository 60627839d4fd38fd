"""Whether certificates could be renewed, asked long before they have to be: the same writes, as dry runs."""

from typing import Final

from kubemacpool.certs.rotation import Bootstrap, Stored
from kubemacpool.ports import Clock, OutsideError, RefusedError, WebhookTrust
from kubemacpool.wire.api_objects import WebhookBundles

PERIOD_SECONDS: Final = 3600.0
"""Between two rehearsals, three small requests: rights and policies change rarely, and certificates live for months."""

AGAIN_SECONDS: Final = 60.0
"""After one that was refused: somebody may be mending it just now."""


class Rehearsal:
    """Asks whether the Secrets and the caBundles could be written; also when somebody has changed the Secrets.

    Args:
        bootstrap: writes the Secrets.
        webhooks: the caBundles.
        clock: the process's own.

    Attributes:
        trouble: what the API server has refused; empty where it would let us.
    """

    def __init__(self, bootstrap: Bootstrap, webhooks: WebhookTrust, clock: Clock) -> None:
        self.trouble = ""
        self._bootstrap = bootstrap
        self._webhooks = webhooks
        self._clock = clock
        self._due_at = float("-inf")
        self._versions: tuple[str, ...] = ()

    async def rehearse(self, stored: Stored, found: WebhookBundles | None) -> None:
        """Ask, where it is time.

        Args:
            stored: the Secrets as they were read just now.
            found: the caBundles as they were read just now; None where they are not for us to write.
        """
        secrets = [each for each in (stored.authority, stored.serving) if each is not None]
        versions = tuple(each.resource_version for each in secrets)
        if self._clock.now() < self._due_at and versions == self._versions:
            return
        self._versions = versions
        self._due_at = self._clock.now() + PERIOD_SECONDS
        try:
            await self._bootstrap.rehearse(stored)
            if found is not None:
                await self._webhooks.rehearse(found)
        except RefusedError as error:
            self.trouble = str(error)
            self._due_at = self._clock.now() + AGAIN_SECONDS
        except OutsideError:  # changed or gone meanwhile, or the API server is away: nobody has refused anything
            self._due_at = self._clock.now() + AGAIN_SECONDS
        else:
            self.trouble = ""
