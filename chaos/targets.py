"""What has to be so at the end of a run. Alone, because accounts of several kinds judge by it."""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True):
    """Something that has to be so, and whether it is."""

    name: str
    reached: bool
    found: str
