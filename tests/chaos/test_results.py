"""A run that misses a target says so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from chaos.auditing import Duplicate
from chaos.causes import Cause, Failure, Verdict
from chaos.results import Episode, FailedCreate, Results
from chaos.tables import tables
from rich.console import Console

GOOD = Results(
    command=["chaos"],
    seed=1,
    clients=16,
    replicas=3,
    load_seconds=60.0,
    creates={"created": 3590, "failed": 10},
    longest_create=6.0,
    webhook_timeout=10.0,
    episodes=[],
    failed=[],
    duplicates=[],
    untruths=[],
    leaks=[],
    watch_gaps=0,
)


def failed(cause: Cause, during: str, *, inherited: bool = False) -> FailedCreate:
    """A create that failed."""
    failure = Failure("Pod chaos/a", 1.0, 2.0, 500, "", "")
    return FailedCreate(Verdict(cause, 1.0), during, inherited, failure)


def missed(**found: Any) -> list[str]:  # noqa: ANN401 (any field)
    """The targets that are missed by a run that is good but for this."""
    return [target.name for target in msgspec.structs.replace(GOOD, **found).targets() if not target.reached]


def test_a_good_run_misses_nothing_and_excused_failures_are_no_fault() -> None:
    assert missed() == []
    assert missed(failed=[failed(cause, "kill-leader") for cause in Cause if cause is not Cause.OTHER]) == []
    assert missed(failed=[failed(Cause.IN_DOUBT, "roll", inherited=True)]) == []
    assert GOOD.rate == 60.0


@pytest.mark.parametrize(
    ("found", "target"),
    [
        ({"duplicates": [Duplicate("02:00:00:00:00:01", ("a", "b"), 7)]}, "no address held by two parties"),
        ({"leaks": ["replica-1-0 says 2 in flight, not 0"]}, "nothing leaked after the bound"),
        ({"untruths": ["refused, and the holder does not have it"]}, "refusals and allocations are as told"),
        ({"failed": [failed(Cause.OTHER, "compact")]}, "no create fails for any other cause"),
        ({"failed": [failed(Cause.DEAD, "roll")]}, "no create fails in a graceful rolling"),
        ({"longest_create": 10.0}, "the longest create takes less than the webhook's time-out"),
    ],
)
def test_each_target_can_be_missed(found: dict[str, Any], target: str) -> None:
    assert missed(**found) == [target]


def test_failures_are_counted_by_cause() -> None:
    results = msgspec.structs.replace(GOOD, failed=[failed(Cause.DEAD, "roll"), failed(Cause.DEAD, "compact")])
    assert results.failures()[Cause.DEAD] == 2
    assert results.failures()[Cause.OTHER] == 0


def test_faults_of_one_kind_are_told_together() -> None:
    episodes = [
        Episode("", "no fault", 0.0, 2.0, 120, {}),
        Episode("compact", "etcd compacted", 2.0, 1.0, 60, {}),
        Episode("kill-leader", "kill -9 of the leader", 3.0, 5.2, 200, {Cause.INSIDE: 3}),
        Episode("kill-leader", "kill -9 of the leader", 9.0, 9.4, 300, {Cause.INSIDE: 1, Cause.DEAD: 2}),
    ]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(next(tables(msgspec.structs.replace(GOOD, episodes=episodes))))
    rows = [line.strip("\u2502").split("\u2502") for line in capture.get().splitlines() if line.startswith("\u2502")]
    assert [[cell.strip() for cell in row][:6] for row in rows][:3] == [
        ["none", "1", "2", "120", "0", "0"],
        ["compact", "1", "1", "60", "0", "0"],
        ["kill-leader", "2", "5 to 9", "500", "4", "2"],
    ]
