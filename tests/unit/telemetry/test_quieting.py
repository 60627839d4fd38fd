"""Whatever somebody provokes, a line has a bound, and so have the lines of one message."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from kubemacpool.telemetry import logs
from kubemacpool.telemetry.logs import (
    LINES_A_SECOND,
    LINES_AT_ONCE,
    LONGEST_VALUE,
    MOST_ITEMS,
    LineRation,
    configure_logs,
)


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class Time:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        """Seconds."""
        return self.seconds


def _written(ration: LineRation, message: str, times: int, method: str = "warning") -> list[logs.EventDict]:
    written = []
    for _ in range(times):
        try:
            written.append(ration(None, method, {"event": message}))
        except structlog.DropEvent:
            continue
    return written


def test_lines_of_one_message_are_written_up_to_a_number_at_once_and_then_at_a_rate() -> None:
    time = Time()
    ration = LineRation(time.now)
    assert len(_written(ration, "refused", LINES_AT_ONCE + 100)) == LINES_AT_ONCE
    time.seconds += 2.0
    assert len(_written(ration, "refused", 100)) == 2 * LINES_A_SECOND


def test_the_next_line_says_how_many_were_left_out_before_it() -> None:
    time = Time()
    ration = LineRation(time.now)
    _written(ration, "refused", LINES_AT_ONCE + 312)
    time.seconds += 1.0
    assert [line.get("left_out_before") for line in _written(ration, "refused", 2)] == [312, None]


def test_one_message_takes_nothing_from_another() -> None:
    ration = LineRation(Time().now)
    _written(ration, "refused", LINES_AT_ONCE + 1)
    assert _written(ration, "acquired", 1) == [{"event": "acquired"}]


def test_what_was_left_out_can_be_asked_for_and_is_told_once() -> None:
    ration = LineRation(Time().now)
    _written(ration, "refused", LINES_AT_ONCE + 3)
    assert list(ration.left_out()) == [("refused", 3)]
    assert list(ration.left_out()) == []


def test_lines_for_debugging_are_all_written() -> None:
    ration = LineRation(Time().now)
    assert len(_written(ration, "allocated", LINES_AT_ONCE + 3, "debug")) == LINES_AT_ONCE + 3


def test_messages_that_are_not_constant_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MESSAGES", 2)
    ration = LineRation(Time().now)
    _written(ration, "first", LINES_AT_ONCE + 1)
    for message in ("second", "third"):
        _written(ration, message, 1)
    assert list(ration._buckets) == ["second", "third"]
    assert list(ration.left_out()) == []


def test_a_library_is_counted_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    ration = configure_logs("info", "json")
    for number in range(LINES_AT_ONCE + 20):
        logging.getLogger("a.library").error("request %d failed", number)
    logging.getLogger("another").error("once")
    lines = _lines(capsys)
    assert LINES_AT_ONCE < len(lines) < LINES_AT_ONCE + 20
    assert lines[-1]["event"] == "once"
    assert [name for name, _ in ration.left_out()] == ["a.library"]


def test_a_long_value_is_cut_and_says_how_long_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    structlog.get_logger("x").info("refused", reason="x" * 100_000, names=["y" * 5000] * 190, number=7)
    (line,) = _lines(capsys)
    assert line["reason"] == "x" * LONGEST_VALUE + "… (100000 characters)"
    names = line["names"]
    assert isinstance(names, list)
    assert names[0] == "y" * LONGEST_VALUE + "… (5000 characters)"
    assert names[MOST_ITEMS:] == ["and 170 more"]
    assert line["number"] == 7


def test_a_list_that_is_short_is_written_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    names = [str(number) for number in range(MOST_ITEMS)]
    structlog.get_logger("x").info("refused", names=names, reason="x" * LONGEST_VALUE)
    (line,) = _lines(capsys)
    assert line["names"] == names
    assert line["reason"] == "x" * LONGEST_VALUE


def _fail(number: int) -> None:
    local = str(number)
    raise ValueError("x" * 100_000 if local else "")


def test_an_exception_shows_no_values_of_variables_and_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    try:
        _fail(8_765_432)
    except ValueError:
        structlog.get_logger("x").exception("request failed")
    text = capsys.readouterr().err
    assert "8765432" not in text
    assert "100000 characters" in text
    assert len(text) < 2 * LONGEST_VALUE
