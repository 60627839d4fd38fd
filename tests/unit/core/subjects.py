"""What the tests of ledger and leader speak of: addresses by their last number, pods by their name."""

import pickle
from collections.abc import Iterable
from typing import Final

from kubemacpool.core.allocator import Allocator, LeaseUpdate
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import (
    AddressRequest,
    Allocated,
    Decision,
    Exhausted,
    Refusal,
    Refused,
    Undecided,
    Unreserved,
)

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


def unreserved(prefix: str, request: str = "request-1") -> Party:
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


def numbers(addresses: Iterable[int]) -> list[int]:
    """The numbers of some addresses, in order."""
    return [address - BASE for address in addresses]


def allocator(addresses: int = 4, *, cool_down: float = COOL_DOWN) -> Allocator:
    """One that has taken over a Lease which names nothing, with the addresses from number 1 on."""
    return in_office(ledger(addresses, cool_down=cool_down))


def in_office(over: Ledger) -> Allocator:
    """The first leader, over this ledger; the Lease lists nothing."""
    subject = Allocator(over)
    subject.acquire((), None, 0.0, first=True)
    return subject


def write(of: Allocator, asked: Iterable[int] = (), needed: int = 0) -> LeaseUpdate:
    """A write of the Lease that is confirmed at once."""
    names = of.next_update(asked, needed)
    of.reservations.begin_write(names.reserved)
    of.reservations.confirm(names.reserved)
    return names


def decide(of: Allocator, request: AddressRequest, now: float) -> Decision | Undecided:
    """What the request ends with, once the Lease lists what it needs."""
    decision = of.decide(request, now)
    while isinstance(decision, Unreserved):
        assert write(of, decision.addresses, decision.automatic).complete
        decision = of.decide(request, now)
    return decision


def request(name: str, *wanted: int | None, dry_run: bool = False) -> AddressRequest:
    """A pod that asks for the addresses with these numbers, None being any."""
    return AddressRequest(pod(name), tuple(None if each is None else at(each) for each in wanted), dry_run=dry_run)


def ask(of: Allocator, name: str, *wanted: int | None, now: float = 10.0) -> list[int] | None:
    """The numbers of the addresses that a pod is allocated; None when there are none left."""
    decision = decide(of, request(name, *wanted), now)
    if isinstance(decision, Exhausted):
        return None
    assert isinstance(decision, Allocated), decision
    return numbers(decision.addresses)


def refusals(of: Allocator, asked: AddressRequest, now: float = 10.0) -> tuple[Refusal, ...]:
    """Why a request is refused."""
    decision = of.decide(asked, now)
    assert isinstance(decision, Refused), decision
    return decision.refusals


def fill_and_release(of: Allocator, *names: str) -> None:
    """Let each pod take an address and go again, at moments 1.0, 2.0 and so on."""
    for now, name in enumerate(names, start=1):
        allocated = ask(of, name, None, now=float(now))
        assert allocated
        of.ledger.observe(holder(name, *allocated), float(now))
    for now, name in enumerate(names, start=1):
        of.ledger.vanish(key(name), float(now))


def everything(known_to: Allocator) -> bytes:
    """All that a leader remembers, and in which order: equal before and after whatever changed nothing."""
    return pickle.dumps(known_to)
