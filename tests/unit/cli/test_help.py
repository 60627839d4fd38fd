"""Help: quick, readable at 80 columns, and complete."""

import importlib
import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kubemacpool.cli import main as cli
from kubemacpool.cli.help import FLAGS_WIDTH

COMMANDS = tuple(cli.Commands.entries)
SLOW = ("aiohttp", "cryptography", "structlog", "rich", "yaml", "uvloop", "prometheus_client", "asyncio")
"""What takes longer to import than everything that help needs."""


def _help(monkeypatch: pytest.MonkeyPatch, *arguments: str, columns: int) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERMINAL_WIDTH", "")
    result = CliRunner().invoke(cli.app, [*arguments, "--help"], prog_name="kubemacpool", terminal_width=columns)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_column_of_flags_and_one_of_text(
    monkeypatch: pytest.MonkeyPatch, command: str, columns: int
) -> None:
    shown = _help(monkeypatch, command, columns=columns)
    begin = 2 + FLAGS_WIDTH
    flags = [line for line in shown.splitlines() if line.startswith("  -")]
    assert flags
    for line in flags:
        told = re.split(r" {2,}", line.strip(), maxsplit=1)
        assert len(told) == 1 or line.index(told[1]) == begin
    assert max(map(len, shown.splitlines())) <= columns


@pytest.mark.parametrize("command", COMMANDS)
def test_help_breaks_no_word(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    narrow, wide = (_help(monkeypatch, command, columns=columns) for columns in (80, 110))
    words = re.compile(r"\S+")
    assert sorted(words.findall(narrow)) == sorted(words.findall(wide))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(command: str) -> None:
    entry = cli.Commands.entries[command]
    (registered,) = importlib.import_module(entry.module).app.registered_commands
    assert registered.callback.__doc__.splitlines()[0] == entry.summary


def test_the_list_of_commands_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _help(monkeypatch, columns=80)
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", shown, re.MULTILINE)


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)], ids=str)
def test_help_imports_nothing_that_takes_long(arguments: list[str]) -> None:
    program = (
        "import json, sys\n"
        "from kubemacpool.cli.main import app\n"
        f"app([*{arguments!r}, '--help'], prog_name='kubemacpool', standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in json.loads(ended.stderr) if name in SLOW] == []
