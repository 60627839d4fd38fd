"""The figures of the election: who leads, since when, and what is open, in doubt and in flight."""

import re
from dataclasses import dataclass
from typing import get_args

import pytest
from tests.unit.doubles import FIRST, new_allocator

from kubemacpool.core.parties import Party
from kubemacpool.ports import Forwarding
from kubemacpool.telemetry.metrics import Metrics


@dataclass
class Tenure:
    """What an election would tell."""

    leading: bool = False
    transitions: int = 0
    seconds_since_renewal: float = 0.0
    seconds_without_leader: float = 0.0


class Shown:
    """The figures of one replica, as they are scraped."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.election = Tenure()
        self.allocator = new_allocator(size=10)
        self.metrics.show_ledger(self.allocator.ledger)
        self.metrics.show_election(self.election, self.allocator)

    def __getitem__(self, name: str) -> float | None:
        """The value of one series; None where there is none."""
        body, _ = self.metrics.exposition()
        found = re.search(rf"^kubemacpool_{re.escape(name)} (\S+)$", body.decode(), re.MULTILINE)
        return None if found is None else float(found[1])


@pytest.fixture
def shown() -> Shown:
    """A replica that stands by."""
    return Shown()


def test_who_leads_and_the_term_are_shown_as_they_are_when_asked(shown: Shown) -> None:
    assert (shown["leader"], shown["lease_transitions_total"]) == (0, None)
    shown.election.leading, shown.election.transitions = True, 7
    assert (shown["leader"], shown["lease_transitions_total"]) == (1, 7)
    shown.election.leading = False
    assert (shown["leader"], shown["lease_transitions_total"]) == (0, 7)


def test_the_age_of_the_last_renewal_is_shown(shown: Shown) -> None:
    shown.election.seconds_since_renewal = 1.25
    assert shown["lease_renewal_age_seconds"] == 1.25
    shown.election.seconds_since_renewal = 0.5
    assert shown["lease_renewal_age_seconds"] == 0.5


def test_the_time_without_a_leader_is_a_counter(shown: Shown) -> None:
    assert shown["without_leader_seconds_total"] == 0
    shown.election.seconds_without_leader = 6.5
    assert shown["without_leader_seconds_total"] == 6.5
    body, _ = shown.metrics.exposition()
    assert b"# TYPE kubemacpool_without_leader_seconds_total counter" in body


def test_open_in_doubt_and_in_flight_addresses_are_shown_from_acquisition_to_hand_over(shown: Shown) -> None:
    def counts() -> tuple[float | None, ...]:
        in_doubt, in_flight = (shown[f'addresses{{state="{state}"}}'] for state in ("in_doubt", "in_flight"))
        return shown["lease_reserved_addresses"], in_doubt, in_flight

    allocator = shown.allocator
    assert counts() == (0, 0, 0)
    allocator.acquire([FIRST + 5, FIRST + 6], None, 1000.0)
    assert counts() == (2, 2, 0)
    names = allocator.next_update([FIRST + 20], 1)
    allocator.reservations.confirm(names.reserved)
    allocator.ledger.allocate(FIRST + 20, Party("Pod", "default", "a"), 1000.0)
    assert counts() == (4, 2, 1)
    allocator.step_down()
    assert counts() == (0, 0, 0)


def test_forwarded_reviews_are_counted_from_zero_so_that_a_rate_sees_the_first(shown: Shown) -> None:
    zeros = {each: shown[f'forwarded_reviews_total{{outcome="{each}"}}'] for each in get_args(Forwarding)}
    assert zeros == {"answered": 0, "misdirected": 0, "failed": 0}


def test_forwarded_reviews_are_counted_by_outcome(shown: Shown) -> None:
    for _ in range(2):
        shown.metrics.forwarded("answered")
    shown.metrics.forwarded("misdirected")
    shown.metrics.forwarded("failed")
    outcomes = ("answered", "misdirected", "failed")
    counted = {each: shown[f'forwarded_reviews_total{{outcome="{each}"}}'] for each in outcomes}
    assert counted == {"answered": 2, "misdirected": 1, "failed": 1}
