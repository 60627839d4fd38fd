"""Durations as Go writes them."""

import contextlib
import timeit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.wire.strategies import TEXTS

from kubemacpool.wire.review import DurationError, parse_duration

GOOD = {
    "10s": 10.0,
    "1m30s": 90.0,
    "8760h0m0s": 8760 * 3600.0,
    "1.5h": 5400.0,
    "300ms": 0.3,
    "2us": 2e-6,
    "2µs": 2e-6,  # U+00B5, as Go writes it
    "2μs": 2e-6,  # U+03BC, which Go reads as well
    "7ns": 7e-9,
    "0": 0.0,
    "-0": 0.0,
    "0s": 0.0,
    "+5s": 5.0,
    "-1m1s": -61.0,
    ".5s": 0.5,
    "1.s": 1.0,
    "1s1s": 2.0,
}


@pytest.mark.parametrize(("text", "seconds"), GOOD.items())
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", ".s", "1d", "10 s", " 10s", "10s\n", "1e3s", "٣s", "--1s", "1s-", "+"])
def test_what_is_no_duration_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(DurationError, match=r"^not a duration; write it like 10s, 1m30s or 8760h0m0s$"):
        parse_duration(text)


@given(st.integers(0, 100), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    text = f"{hours}h{minutes}m{seconds}.{thousandths:03}s"
    assert parse_duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + thousandths / 1000)
    assert parse_duration(f"-{text}") == -parse_duration(text)


@example("0")
@given(TEXTS)
def test_no_text_raises_anything_but_the_error_told(text: str) -> None:
    with contextlib.suppress(DurationError):
        assert isinstance(parse_duration(text), float)


def test_a_duration_too_long_for_go_is_none() -> None:
    assert parse_duration("2562047h47m16.854775807s") == pytest.approx(2**63 / 1e9)
    for text in ("2562048h", "9" * 400 + "s"):
        with pytest.raises(DurationError, match=r"^longer than 292 years, the longest duration that can be written$"):
            parse_duration(text)


def test_digits_without_an_end_are_read_once() -> None:
    def seconds(length: int) -> float:
        def read() -> None:
            with contextlib.suppress(DurationError):
                parse_duration("1" * length)

        return min(timeit.repeat(read, number=1, repeat=20))

    assert seconds(8_000) < 8 * seconds(2_000)
