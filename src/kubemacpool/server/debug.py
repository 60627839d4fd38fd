"""What support asks of a running replica: who has an address, how much is logged, where time and memory go.

Behind the same authentication as the metrics. Every answer has a bound, in size and in time.
"""

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.inspection import AddressState, known_addresses, state_of
from kubemacpool.core.ledger import Ledger
from kubemacpool.ports import Clock
from kubemacpool.server.connections import Handler
from kubemacpool.server.https import Route
from kubemacpool.server.messages import JSON, RefusedError, Request, Response, text
from kubemacpool.wire.quoting import quoted

LEDGER: Final = "/debug/ledger"
LOG_LEVEL: Final = "/debug/log-level"
CPU: Final = "/debug/profile/cpu"
MEMORY: Final = "/debug/profile/memory"

USUAL_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
"""Addresses that one answer tells of: some hundred kilobytes, and some milliseconds of the event loop."""

MOST_HOLDERS: Final = 20
"""Of one address that are named; how many there are more is said."""

PLAIN: Final = "text"
FORMS: Final = (PLAIN, "speedscope")
"""Of a profile of the CPU; the second is for speedscope.app."""

USUAL_SECONDS: Final = 10
LONGEST_SECONDS: Final = 60
"""A profile costs while it is taken."""


class Inside(NamedTuple):
    """What can be looked at, and what can be set.

    Attributes:
        ledger: what this replica knows; None while it has just started.
        leads: whether it allocates; only a leader knows what is in flight.
        level: the least severe lines that are logged.
        set_level: changes that; raises ValueError for what is none.
        cpu: a profile of so many seconds, in one of `FORMS`; raises ValueError while there is another.
        memory: what was allocated in so many seconds and is there still, as text; raises the same.
    """

    ledger: Callable[[], Ledger | None]
    leads: Callable[[], bool]
    level: Callable[[], str]
    set_level: Callable[[str], None]
    cpu: Callable[[float, str], Awaitable[str]]
    memory: Callable[[float], Awaitable[str]]


def debug_routes(inside: Inside, clock: Clock) -> Mapping[Route, Handler]:
    """By method and path, what answers there."""

    async def ledger(request: Request) -> Response:
        known = inside.ledger()
        if known is None:
            return text(503, "this replica has just started and knows nothing yet", {"Retry-After": "1"})
        asked = _Query(request)
        mac, limit = asked.text("mac"), asked.number("limit", USUAL_LIMIT, LARGEST_LIMIT)
        told = _ledger(known, mac, limit, clock.now()) | {"leads": inside.leads()}
        return Response(200, msgspec.json.format(msgspec.json.encode(told)) + b"\n", JSON)

    async def level(_: Request) -> Response:
        return text(200, inside.level())

    async def set_level(request: Request) -> Response:
        try:
            inside.set_level(_Query(request).text("level"))
        except ValueError as error:
            raise RefusedError(400, f"level: {error}; ask for {LOG_LEVEL}?level=debug") from error
        return text(200, inside.level())

    async def cpu(request: Request) -> Response:
        asked = _Query(request)
        seconds = asked.number("seconds", USUAL_SECONDS, LONGEST_SECONDS)
        form = asked.text("format") or PLAIN
        if form not in FORMS:
            raise RefusedError(400, f"format is {quoted(form)}; there are {', '.join(FORMS)}")
        body = await _profiled(inside.cpu(seconds, form))
        return text(200, body) if form == PLAIN else Response(200, body.encode(), JSON)

    async def memory(request: Request) -> Response:
        seconds = _Query(request).number("seconds", USUAL_SECONDS, LONGEST_SECONDS)
        return text(200, await _profiled(inside.memory(seconds)))

    return {
        ("GET", LEDGER): ledger,
        ("GET", LOG_LEVEL): level,
        ("PUT", LOG_LEVEL): set_level,
        ("GET", CPU): cpu,
        ("GET", MEMORY): memory,
    }


async def _profiled(profile: Awaitable[str]) -> str:
    try:
        return await profile
    except ValueError as error:
        raise RefusedError(409, str(error)) from error


class _Query:
    """What stands behind the question mark; of what is there several times, the last."""

    def __init__(self, request: Request) -> None:
        try:
            self._found = parse_qs(request.query, max_num_fields=16)
        except ValueError as error:
            raise RefusedError(400, f"the query cannot be read: {error}") from error

    def text(self, name: str) -> str:
        """One of the texts, empty where there is none."""
        return self._found.get(name, [""])[-1]

    def number(self, name: str, usual: int, most: int) -> int:
        """One of the numbers, at least 1.

        Raises:
            RefusedError: 400.
        """
        given = self.text(name)
        if not given:
            return usual
        if not given.isascii() or not given.isdecimal() or len(given) > len(str(most)) or not 1 <= int(given) <= most:
            raise RefusedError(400, f"{name} is {quoted(given)}; give a whole number from 1 to {most}")
        return int(given)


def _ledger(ledger: Ledger, mac: str, limit: int, now: float) -> dict[str, object]:
    if mac:
        try:
            addresses = [parse_address(mac)]
        except AddressError as error:
            raise RefusedError(400, f"mac is {quoted(mac)}, {error}") from error
        more = False
    else:
        addresses = [*islice(known_addresses(ledger), limit + 1)]
        more = len(addresses) > limit
    return {
        "pool": {"ranges": str(ledger.pool), "size": ledger.pool.size, "free": ledger.free_count},
        "counts": {
            "held": ledger.held_count,
            "inFlight": ledger.in_flight_count,
            "inDoubt": ledger.in_doubt_count,
            "cooling": ledger.cooling_count,
        },
        "addresses": [_told(state_of(ledger, address), now) for address in addresses[:limit]],
        "more": more,
    }


def _told(state: AddressState, now: float) -> dict[str, object]:
    holders = [
        {
            "kind": each.key.kind,
            "namespace": each.key.namespace,
            "name": each.key.name,
            "uid": each.uid,
            "party": str(each.party),
            "carries": state.address in each.addresses,
        }
        for each in state.holders[:MOST_HOLDERS]
    ]
    in_flight = [
        {
            "party": str(each.party),
            "secondsAgo": round(now - each.allocated_at, 3),
            "implicit": each.terms.implicit,
            "assumed": each.assumed,
        }
        for each in state.allocations[:MOST_HOLDERS]
    ]
    not_named = len(state.holders) + len(state.allocations) - len(holders) - len(in_flight)
    told = {
        "mac": format_address(state.address),
        "inPool": state.in_pool,
        "holders": holders,
        "inFlight": in_flight,
        "inDoubt": state.in_doubt,
    }
    if not_named:
        told["notNamed"] = not_named
    if state.cooling is not None:
        told["releasedSecondsAgo"] = round(now - state.cooling.since, 3)
    return told
