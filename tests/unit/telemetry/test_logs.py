import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from kubemacpool.telemetry.levels import LogFormat, LogLevel
from kubemacpool.telemetry.logs import Levels, configure_logs


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """Loggers of modules are bound when they are first used; nothing of this may outlive the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    output = capsys.readouterr()
    assert output.out == ""
    return [json.loads(line) for line in output.err.splitlines()]


def test_a_line_is_a_json_object_with_a_constant_event_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    structlog.get_logger("x").info("refused", object="Pod ns1/a", reason="two\nlines")
    [line] = _lines(capsys)
    timestamp = line.pop("timestamp")
    assert line == {"event": "refused", "level": "info", "object": "Pod ns1/a", "reason": "two\nlines"}
    assert isinstance(timestamp, str)
    assert timestamp.endswith("Z")


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lines_less_severe_than_the_level_are_not_written(
    capsys: pytest.CaptureFixture[str], level: LogLevel, written: list[str]
) -> None:
    configure_logs(level, "json")
    log = structlog.get_logger("x")
    for each in ("debug", "info", "warning", "error"):
        getattr(log, each)("event")
    assert [line["level"] for line in _lines(capsys)] == written


@pytest.mark.parametrize(("level", "written"), [("debug", ["warning", "error"]), ("error", ["error"])])
def test_libraries_log_in_the_same_format_what_is_severe(
    capsys: pytest.CaptureFixture[str], level: LogLevel, written: list[str]
) -> None:
    configure_logs(level, "json")
    library = logging.getLogger("asyncio")
    for each in ("debug", "info", "warning", "error"):
        getattr(library, each)("from %s", "a library")
    lines = _lines(capsys)
    assert [(line["event"], line["level"]) for line in lines] == [("from a library", each) for each in written]


@pytest.mark.parametrize("ours", [True, False])
def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str], *, ours: bool) -> None:
    configure_logs("info", "json")
    log = structlog.get_logger("x") if ours else logging.getLogger("asyncio")
    try:
        int("a fault")
    except ValueError:
        log.exception("request failed")
    [line] = _lines(capsys)
    assert "a fault" in json.dumps(line["exception"])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_text_that_is_no_unicode_does_not_break_the_log(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # as Python itself opens it
    configure_logs("info", log_format)
    structlog.get_logger("x").info("request failed", path="/\udcff")
    assert "request failed" in capsys.readouterr().err


def test_lines_for_people_are_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "console")
    structlog.get_logger("x").info("refused", object="Pod ns1/a")
    shown = capsys.readouterr().err
    assert "refused" in shown
    assert "Pod ns1/a" in shown
    assert "\x1b" not in shown, "no colours where nobody sees them"
    assert not shown.startswith("{")


def test_an_exception_is_shown_to_people_as_python_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "console")
    try:
        int("a fault")
    except ValueError:
        structlog.get_logger("x").exception("request failed")
    assert "ValueError" in capsys.readouterr().err


def test_the_level_may_change_for_loggers_that_have_written_already(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logger, library = structlog.get_logger("x"), logging.getLogger("library")
    for number, level in enumerate(("info", "debug", "error", "info")):
        if number:
            Levels.change(level)
        assert Levels.current == level
        logger.debug("fine", number=number)
        logger.info("coarse", number=number)
        library.warning("theirs")
    written = [(line["event"], line.get("number")) for line in _lines(capsys)]
    changed = ("log level changed", None)
    assert written == [
        ("coarse", 0),
        ("theirs", None),
        changed,
        ("fine", 1),
        ("coarse", 1),
        ("theirs", None),
        changed,
        ("coarse", 3),
        ("theirs", None),
    ]


@pytest.mark.parametrize("level", ["loud", "", "INFO", "x" * 5000])
def test_a_level_that_there_is_not_changes_nothing(level: str) -> None:
    configure_logs("warning", "json")
    with pytest.raises(ValueError, match="only debug, info, warning, error") as caught:
        Levels.change(level)
    assert len(str(caught.value)) < 100
    assert Levels.current == "warning"
