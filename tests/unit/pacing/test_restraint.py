"""Writes that somebody undoes."""

from tests.unit.doubles import ManualClock

from kubemacpool.pacing import CALM_SECONDS, LONGEST_PAUSE_SECONDS, SUSPICIOUS, Restraint


def test_the_first_writes_are_made_at_once_and_those_that_follow_ever_later() -> None:
    clock = ManualClock()
    restraint = Restraint(clock)
    pauses = []
    for _ in range(12):
        pauses.append(restraint.pause)
        clock.advance(restraint.pause)
        assert restraint.pause == 0
        restraint.written()
    assert pauses[0] == 0
    assert sum(pauses[:5]) < 1 < pauses[-1] <= LONGEST_PAUSE_SECONDS
    assert min(pauses[-3:]) >= LONGEST_PAUSE_SECONDS / 2


def test_several_writes_in_a_row_tell_of_somebody_who_undoes_them_and_a_calm_ends_that() -> None:
    clock = ManualClock()
    restraint = Restraint(clock)
    told = []
    for _ in range(SUSPICIOUS + 1):
        told.append(restraint.undone)
        restraint.written()
    assert told == [False] * SUSPICIOUS + [True]
    clock.advance(CALM_SECONDS + 1)
    assert not restraint.undone
    restraint.written()
    assert restraint.pause < 0.1
    clock.advance(1)
    restraint.written()
    assert not restraint.undone
