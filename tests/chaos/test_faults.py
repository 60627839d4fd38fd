"""Faults are drawn from a seed, and can be drawn again."""

from __future__ import annotations

from itertools import islice

from chaos.faults import DURATIONS, Kind, drawn


def test_the_same_seed_draws_the_same_faults() -> None:
    assert list(islice(drawn(7), 40)) == list(islice(drawn(7), 40))
    assert list(islice(drawn(7), 40)) != list(islice(drawn(8), 40))


def test_every_kind_comes_once_before_any_comes_again() -> None:
    faults = list(islice(drawn(7), 2 * len(Kind)))
    assert {fault.kind for fault in faults[: len(Kind)]} == {fault.kind for fault in faults[len(Kind) :]} == set(Kind)


def test_a_pause_is_longer_than_the_lease() -> None:
    assert all(DURATIONS[kind][0] > 5 for kind in (Kind.PAUSE_DECIDER, Kind.PAUSE_FOLLOWER))
    assert all(DURATIONS[fault.kind][0] <= fault.seconds for fault in islice(drawn(3), 100) if fault.kind in DURATIONS)
