"""Collisions: running objects of several parties that carry one address.

Pods and VirtualMachineInstances run; a VirtualMachine that is stopped disturbs nobody. A launcher pod stands for its
VirtualMachineInstance, so the two count once.
"""

from collections.abc import Callable, Iterable
from typing import Final

from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE, Holder, Party

_RUNNING: Final = frozenset({POD, VIRTUAL_MACHINE_INSTANCE})


def colliding(holders: Iterable[Holder], party_of: Callable[[Holder], Party]) -> list[Holder]:
    """The objects that run and share an address with an object of another party; none where they are all of one.

    Args:
        holders: all that carry the address.
        party_of: whose address it is that an object carries; parties that are one are the same here.
    """
    running = [holder for holder in holders if holder.key.kind in _RUNNING]
    if len({party_of(holder) for holder in running}) < 2:  # noqa: PLR2004 (a collision takes two)
        return []
    led = {party_of(holder) for holder in running if holder.key.kind == VIRTUAL_MACHINE_INSTANCE}
    return [holder for holder in running if holder.key.kind != POD or party_of(holder) not in led]


class Collisions:
    """Which addresses running objects of several parties carry, and which of these collisions have changed."""

    def __init__(self) -> None:
        self.found: dict[int, int] = {}
        """By address, how many objects share it, in the order in which they were found."""
        self._changed: dict[int, None] | None = None

    def judge(self, address: int, objects: int) -> None:
        """Who carries an address has changed, and now so many of them collide."""
        if self._changed is not None and (objects or address in self.found):
            self._changed[address] = None
        if objects:
            self.found[address] = objects
        else:
            self.found.pop(address, None)

    def note_changes(self) -> None:
        """Note from now on what changes; whatever there is has changed."""
        self._changed = dict.fromkeys(self.found)

    def ignore_changes(self) -> None:
        """Nobody asks any more."""
        self._changed = None

    def take_changed(self) -> list[int]:
        """Where objects have come to collide, or have ceased to, since this was asked last."""
        taken = list(self._changed or ())
        if taken:
            self._changed = {}
        return taken
