"""Tasks that go on for as long as the process lives, and who starts them again when they fail."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import Protocol


class Importance(enum.Enum):
    """What it means that a task has failed."""

    VITAL = "vital"
    """It cannot be started again: this replica hands over and ends."""
    NEEDED = "needed"
    """Without it this replica is not ready. One that fails again and again makes it hand over and end."""
    USEFUL = "useful"
    """Nobody is served worse without it: it is started again for as long as it takes."""


class Keeper(Protocol):
    """Keeps tasks going."""

    def keep(
        self, name: str, work: Callable[[], Awaitable[None]], importance: Importance = Importance.NEEDED
    ) -> asyncio.Task[None]:
        """Do this until it returns; when it fails, do it again after a while.

        Args:
            name: for people; a constant.
            work: what is done. Called again after a failure, so it has to begin from whatever it has left.
            importance: what it means when it fails.

        Returns:
            The task that goes on across failures; to be cancelled when it is needed no more.
        """
        ...
