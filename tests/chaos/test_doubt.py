"""Which addresses were in doubt, and since when."""

from __future__ import annotations

import pytest
from chaos.doubt import Doubt

NAMED = "02:00:00:00:00:10-02:00:00:00:00:1f,fe:00:00:00:00:01"


def test_what_the_lease_named_at_an_acquisition_is_in_doubt_until_the_bound_has_passed() -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "first", "", 0.0)
    doubt.learn(2, "second", NAMED, 100.0)
    for address in ("02:00:00:00:00:10", "02:00:00:00:00:1f", "fe:00:00:00:00:01"):
        assert doubt.since(address, 101.0, 102.0) == 100.0
        assert doubt.since(address, 123.0, 133.0) == 100.0
        assert doubt.since(address, 90.0, 99.0) is None
        assert doubt.since(address, 125.0, 126.0) is None
    assert doubt.since("02:00:00:00:00:20", 101.0, 102.0) is None


def test_names_that_a_leader_adds_in_its_own_term_are_not_in_doubt() -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "first", "", 0.0)
    doubt.learn(1, "first", NAMED, 100.0)
    assert doubt.since("fe:00:00:00:00:01", 101.0, 102.0) is None


def test_a_lease_that_nobody_holds_is_no_acquisition_yet() -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "first", "", 0.0)
    doubt.learn(1, "", NAMED, 100.0)
    doubt.learn(2, "second", NAMED, 101.0)
    assert doubt.since("fe:00:00:00:00:01", 101.0, 102.0) == 101.0


def test_an_in_doubt_that_is_handed_on_is_in_doubt_since_the_first_acquisition() -> None:
    doubt = Doubt(24.0)
    for transitions, at in ((1, 0.0), (2, 100.0), (3, 120.0), (4, 200.0)):
        doubt.learn(transitions, "somebody", NAMED, at)
    assert doubt.since("fe:00:00:00:00:01", 140.0, 141.0) == 100.0
    assert doubt.since("fe:00:00:00:00:01", 201.0, 202.0) == 200.0


@pytest.mark.parametrize(
    ("last", "sent", "crowded"),
    [("02:00:00:00:20:00", 12.0, True), ("02:00:00:00:10:00", 12.0, False), ("02:00:00:00:20:00", 40.0, False)],
    ids=["more than half", "less", "later"],
)
def test_the_lease_is_crowded_while_more_than_half_of_its_room_is_for_what_is_in_doubt(
    last: str, sent: float, *, crowded: bool
) -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "a", "", 0.0)
    doubt.learn(2, "b", f"02:00:00:00:00:01-{last}", 10.0)
    assert doubt.crowded_since(sent, sent + 5.0) == (10.0 if crowded else None)
