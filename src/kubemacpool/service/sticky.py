"""Sticky addresses: a pod with a stable name asks for the same ones each time, without anything being stored."""

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from kubemacpool.core.pool import Pool

ATTEMPTS: Final = 64
"""Another place is tried when an interface of the same pod has the first one; a pool so small is not worth more."""


def preferred(pool: Pool, pod: tuple[str, str, str], interface: int, taken: Collection[int]) -> int | None:
    """The address that an interface prefers; None where the pool is too small to have one for it.

    The same arguments give the same address for as long as the pool has the same addresses; it is a locally
    administered one where the pool has any.

    Args:
        pool: where it is looked for.
        pod: the cluster's uid, the pod's namespace and its name.
        interface: its index in the pod's annotation.
        taken: addresses of the pod's other interfaces.
    """
    for attempt in range(ATTEMPTS):
        text = "\0".join((*pod, str(interface), str(attempt)))
        address = pool.derived(int.from_bytes(sha256(text.encode()).digest()[:8]))
        if address not in taken:
            return address
    return None
