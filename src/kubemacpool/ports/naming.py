"""Having the Lease name an address before it is granted (rule 1), as the one who decides sees it."""

from collections.abc import Iterable
from typing import Protocol


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

    async def name(self, addresses: Iterable[int], automatic: int) -> None:
        """Returns when a confirmed write of the Lease has taken these into account. Requests share writes.

        Args:
            addresses: what it is to name.
            automatic: how many interfaces have no address of the user's choice, so that enough is set aside for all.

        Raises:
            NotDecidingError: it could not be written, or this replica no longer decides.
        """
        ...
