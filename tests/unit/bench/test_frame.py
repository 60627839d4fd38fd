"""Cases of a measurement take turns, and their spread is told."""

from __future__ import annotations

import pytest
from bench.frame import Comparison, Measured, compare, per_call, spread, turns


def test_every_other_round_is_backwards_and_none_is_always_first() -> None:
    rounds = ["".join(turns("abc", number)) for number in range(6)]
    assert rounds == ["abc", "cba", "bca", "acb", "cab", "bac"]


def test_a_case_keeps_its_figures_whatever_its_turn() -> None:
    seen: list[str] = []

    def case(name: str, value: float) -> dict[str, float]:
        seen.append(name)
        return {"ms": value}

    found = compare("t", {"a": lambda: case("a", 1), "b": lambda: case("b", 2)}, 2, lambda _: None)
    assert "".join(seen) == "abba"
    assert found.cases == [Measured("a", [{"ms": 1}] * 2), Measured("b", [{"ms": 2}] * 2)]


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that halves its speed changes none."""
    first, other = Measured("first", [{"ms": 1}, {"ms": 2}]), Measured("other", [{"ms": 3}, {"ms": 6}])
    assert Comparison("t", [first, other]).ratio(other, "ms") == spread([3])


@pytest.mark.parametrize(
    ("values", "text"), [([1, 3, 2], "2.00 (1.00 to 3.00)"), ([1.001, 1.002], "1.00"), ([1234.5], "1,234.50")]
)
def test_a_spread_is_told_where_it_shows(values: list[float], text: str) -> None:
    assert spread(values).text() == text


def test_the_time_of_a_call_is_that_of_one() -> None:
    (one,) = per_call(lambda: sum(range(1_000)), 0.02).values()
    (hundred,) = per_call(lambda: sum(range(100_000)), 0.02).values()
    assert 20 < hundred / one < 500
