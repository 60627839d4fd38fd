import json
from typing import Any

import pytest
from tests.unit.core.subjects import at, holder, key, ledger, pod
from tests.unit.doubles import ManualClock

from kubemacpool.core.ledger import Ledger
from kubemacpool.server import debug
from kubemacpool.server.debug import Inside, debug_routes
from kubemacpool.server.messages import RefusedError, Request, Response


class Program:
    """What is looked into."""

    def __init__(self, known: Ledger | None) -> None:
        self.known = known
        self.level = "info"
        self.profiles: list[tuple[str, float, str]] = []
        self.busy = False

    def change(self, level: str) -> None:
        """Take up a level."""
        if level not in {"info", "debug"}:
            raise ValueError(f"there is no level {level!r}")
        self.level = level

    async def cpu(self, seconds: float, form: str) -> str:
        """A profile."""
        return self._profile("cpu", seconds, form)

    async def memory(self, seconds: float) -> str:
        """A profile."""
        return self._profile("memory", seconds, "")

    def _profile(self, what: str, seconds: float, form: str) -> str:
        if self.busy:
            raise ValueError("another profile is being taken")
        self.profiles.append((what, seconds, form))
        return "{}"

    async def ask(self, target: str, method: str = "GET") -> Response:
        """What is answered."""
        clock = ManualClock()
        inside = Inside(lambda: self.known, lambda: True, lambda: self.level, self.change, self.cpu, self.memory)
        request = Request(method, target, {})
        return await debug_routes(inside, clock)[method, request.path](request)

    async def told(self, query: str = "") -> dict[str, Any]:
        """What the ledger is told to be."""
        return dict(json.loads((await self.ask(f"/debug/ledger{query}")).body))


def _known() -> Ledger:
    known = ledger()
    known.inherit({at(3)}, 990.0)
    known.observe(holder("web", 1), 991.0)
    known.allocate(at(2), pod("db"), 998.5)
    known.observe(holder("gone", 0), 992.0)
    known.vanish(key("gone"), 993.0)
    return known


async def test_the_ledger_says_who_has_which_address_and_what_is_not_settled() -> None:
    told = await Program(_known()).told()
    assert told["leads"] is True
    assert told["counts"] == {"held": 1, "inFlight": 1, "inDoubt": 1, "cooling": 1}
    assert told["more"] is False
    by_mac = {each["mac"]: each for each in told["addresses"]}
    assert len(by_mac) == 4
    assert by_mac["02:00:00:00:00:02"]["inFlight"] == [
        {"party": str(pod("db")), "secondsAgo": 1.5, "implicit": False, "assumed": False}
    ]
    assert by_mac["02:00:00:00:00:03"]["inDoubt"] is True
    assert by_mac["02:00:00:00:00:00"]["releasedSecondsAgo"] == 7.0
    (web,) = by_mac["02:00:00:00:00:01"]["holders"]
    assert (web["kind"], web["name"], web["carries"]) == ("Pod", "web", True)


async def test_one_address_can_be_asked_for_in_any_spelling_and_a_bound_is_kept() -> None:
    program = Program(_known())
    (one,) = (await program.told("?mac=0200.0000.0001"))["addresses"]
    assert one["mac"] == "02:00:00:00:00:01"
    few = await program.told("?limit=2")
    assert (len(few["addresses"]), few["more"]) == (2, True)


async def test_of_a_crowd_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "MOST_HOLDERS", 2)
    known = ledger()
    for name in ("a", "b", "c"):
        known.observe(holder(name, 1), 1.0)
    (told,) = (await Program(known).told("?mac=02:00:00:00:00:01"))["addresses"]
    assert ([each["name"] for each in told["holders"]], told["notNamed"]) == (["a", "b"], 1)


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("/debug/ledger?mac=zz", 'mac is "zz"'),
        ("/debug/ledger?limit=0", "whole number from 1 to 1000"),
        ("/debug/ledger?limit=1001", "whole number from 1 to 1000"),
        ("/debug/ledger?limit=-1", "whole number"),
        ("/debug/ledger?limit=" + "9" * 5000, "whole number"),
        ("/debug/ledger?" + "&".join(f"a{number}=1" for number in range(40)), "query cannot be read"),
        ("/debug/profile/cpu?seconds=61", "whole number from 1 to 60"),
        ("/debug/profile/cpu?format=svg", 'format is "svg"; there are text, speedscope'),
        ("/debug/profile/memory?seconds=x", "whole number from 1 to 60"),
    ],
)
async def test_what_cannot_be_asked_is_a_clear_400(target: str, fault: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await Program(_known()).ask(target)
    assert caught.value.status == 400
    assert fault in caught.value.message
    assert len(caught.value.message) < 600


async def test_a_replica_that_has_just_started_says_so() -> None:
    response = await Program(None).ask("/debug/ledger")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_the_level_of_the_log_is_told_and_set() -> None:
    program = Program(None)
    assert (await program.ask("/debug/log-level")).body == b"info\n"
    assert (await program.ask("/debug/log-level?level=debug", "PUT")).body == b"debug\n"
    assert program.level == "debug"
    with pytest.raises(RefusedError, match="there is no level 'loud'; ask for /debug/log-level"):
        await program.ask("/debug/log-level?level=loud", "PUT")


async def test_profiles_are_taken_for_as_long_as_asked_one_at_a_time() -> None:
    program = Program(None)
    assert (await program.ask("/debug/profile/cpu?seconds=3&format=speedscope")).headers["Content-Type"] == (
        "application/json"
    )
    await program.ask("/debug/profile/cpu")
    await program.ask("/debug/profile/memory?seconds=5")
    assert program.profiles == [("cpu", 3, "speedscope"), ("cpu", 10, "text"), ("memory", 5, "")]
    program.busy = True
    with pytest.raises(RefusedError) as caught:
        await program.ask("/debug/profile/cpu")
    assert caught.value.status == 409
