"""Whose pod it is: a launcher pod is created right after the VirtualMachineInstance that it is for.

That instance may be as new as the VirtualMachine that it is of, and of the two, which are followed by a watch each, the
instance may be observed first.
"""

import asyncio
from typing import Final

from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import ObjectKey, Party
from kubemacpool.ports import Clock

PATIENCE: Final = 2.0
"""Seconds for our view to show the owner, and the owner's; it normally has them within milliseconds."""

PAUSE: Final = 0.02
"""Seconds between two looks."""


class Owners:
    """Finds the party of an object by its controller."""

    def __init__(self, families: Families, clock: Clock) -> None:
        self._families = families
        self._clock = clock

    async def party_of_owner(self, namespace: str, owner: OwnerReference) -> Party | None:
        """The party that an object belongs to; None when no such owner shows up, so that it belongs to nobody."""
        until = self._clock.now() + PATIENCE
        key = ObjectKey(owner.kind, namespace, owner.name)
        while True:
            party = self._families.party_of_owner(namespace, owner)
            known = party is not None and not self._families.waits(key)
            if known or self._clock.now() >= until:
                return party
            await asyncio.sleep(PAUSE)
