"""What the tests of ledger and decider speak of: addresses by their last number, pods by their name."""

from typing import Final

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool

BASE: Final = 0x02_00_00_00_00_00
BOUND: Final = 100.0
COOL_DOWN: Final = 50.0


def at(number: int) -> int:
    """The address 02:00:00:00:00:00 + number."""
    return BASE + number


def pool(first: int, last: int) -> Pool:
    """A pool of the addresses with these numbers, both included."""
    return Pool([AddressRange(at(first), at(last))])


def ledger(addresses: int = 4, *, cool_down: float = COOL_DOWN) -> Ledger:
    """An empty ledger with the addresses from number 1 on."""
    return Ledger(pool(1, addresses), in_flight_bound=BOUND, cool_down=cool_down)


def pod(name: str) -> Party:
    """A pod that was named by who created it."""
    return Party("Pod", "ns", name)


def unnamed(prefix: str, request: str = "request-1") -> Party:
    """A pod that the API server has yet to name."""
    return Party("Pod", "ns", "", prefix, request)


def key(name: str, kind: str = "Pod") -> ObjectKey:
    """The place of a pod."""
    return ObjectKey(kind, "ns", name)


def holder(name: str, *numbers: int, uid: str = "uid-1") -> Holder:
    """A pod that was seen with addresses."""
    return Holder(key(name), uid, pod(name), tuple(map(at, numbers)))


def machine(name: str) -> Party:
    """A VirtualMachine."""
    return Party("VirtualMachine", "ns", name)
