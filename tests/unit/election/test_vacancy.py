"""How long nobody has led, also when that is known only later."""

from tests.unit.doubles import ManualClock

from kubemacpool.election.lease_view import Vacancy


def test_time_without_a_leader_adds_up_and_so_does_what_is_known_later() -> None:
    clock = ManualClock()
    subject = Vacancy(clock)
    clock.advance(2.0)
    subject.see(somebody=True)
    clock.advance(10.0)
    assert subject.seconds == 2.0
    subject.reach_back(clock.now() - 3.0)
    assert subject.seconds == 5.0
    subject.reach_back(clock.now() - 0.25)
    assert subject.seconds == 5.25


def test_a_vacancy_that_is_known_already_is_not_counted_twice() -> None:
    clock = ManualClock()
    subject = Vacancy(clock)
    subject.see(somebody=True)
    clock.advance(4.0)
    subject.see(somebody=False)
    clock.advance(5.0)
    subject.reach_back(clock.now() - 6.0)
    assert subject.seconds == 6.0
    subject.reach_back(clock.now() + 1.0)
    assert subject.seconds == 6.0
