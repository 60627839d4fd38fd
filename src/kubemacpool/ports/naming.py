"""Having the Lease name an address before it is granted (rule 1), as the one who decides sees it."""

from typing import Protocol

from kubemacpool.core.decisions import Unnamed


class Naming(Protocol):
    """Says whether this replica may decide, and has addresses named."""

    def check(self) -> None:
        """Returns if this replica may decide at this moment (rule 6).

        Raises:
            NotDecidingError: it may not; the message says what is waited for.
        """
        ...

    def extend_soon(self) -> None:
        """Tells that little is left of what is set aside for the automatic path. Returns at once."""
        ...

    async def name(self, unnamed: Unnamed) -> None:
        """Returns when a confirmed write of the Lease has taken this into account. Requests share writes.

        Raises:
            NotDecidingError: it could not be written, this replica no longer decides, or too much is on its way.
        """
        ...
