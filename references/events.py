"""The reference of Events: their reasons, on what they stand, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kubemacpool.follow.collision_events import FEW_ADDRESSES, FEW_OBJECTS, MAC_COLLISION, MOST_TOLD
from kubemacpool.follow.pool_config import INVALID_RANGE, POOL_EXHAUSTED
from kubemacpool.wire.config import RANGE_CONFIG_MAP
from references.tables import FOLDER, code, table

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = FOLDER / "events.md"

EVENTS: Final[Sequence[tuple[str, str, str, str]]] = (
    (
        MAC_COLLISION,
        "Pod, VirtualMachineInstance",
        "Running objects of different owners have one address. Once for each, and once more with each new leader.",
        "Give one of them another address: [Collisions](../howto/collisions.md).",
    ),
    (
        INVALID_RANGE,
        f"ConfigMap `{RANGE_CONFIG_MAP}`",
        "An edit was not taken up; the range in force stays. The text names the key, its value and the remedy.",
        "Mend the ConfigMap: [Choose the range](../howto/range.md).",
    ),
    (
        POOL_EXHAUSTED,
        f"ConfigMap `{RANGE_CONFIG_MAP}`",
        "Objects are refused, because no address is free. Once a minute at most.",
        "Delete what is not needed, or widen the range.",
    ),
)
"""Reasons, on what they stand, when, and what to do."""


_BOUNDS: Final = f"""A text names {FEW_OBJECTS} objects at most, and how many more there are. Of an object with many
addresses that collide, {FEW_ADDRESSES} are reported at a time. Of objects that share one address, {MOST_TOLD} get an
Event.
"""

_HEADER: Final = """# Events

Made from the code by `make references`. All are of the type Warning. One that is reported again is counted.
"""


def text() -> str:
    """Return the page as it is to be."""
    rows = [(code(reason), on, when, remedy) for reason, on, when, remedy in EVENTS]
    return "\n".join([_HEADER, table(("reason", "on", "when", "what to do"), rows), _BOUNDS])
