"""A copy of the tree in which mutmut may write, kept between runs so that one that was interrupted goes on."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mutation.scope import SILENT, TESTS, TIMED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

COPIED: Final = ("src", "tests", "cluster", "chaos", "pyproject.toml", "README.md")
PACKAGE: Final = Path("src/kubemacpool")
FINGERPRINT: Final = "tests.sha256"
TEST_SECONDS: Final = 40
"""A unit test takes three at most, and thrice that where mutmut records which functions it runs."""
TIMEOUT_FACTOR: Final = 4.0
"""Times the time that all tests take which run a function, measured beforehand on the same machine."""
SURVIVED: Final = 0
NO_TESTS: Final = 33


def prepare(repository: Path, workspace: Path, patterns: Sequence[str]) -> None:
    """Bring the copy up to date, and have mutmut judge anew what may have changed.

    mutmut itself forgets what it knows of a function that was changed. Of tests it does not know what they check: when
    any was changed, which test runs what is found out anew, and what survived is tried again; what had died stays dead.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _copy(repository / name, workspace / name)
        if (
            name != "src"
        ):  # where mutmut keeps what it knows; of the rest it copies what is there and leaves what is gone
            _remove(workspace / "mutants" / name)
    for path in sorted((workspace / PACKAGE).rglob("*.py")):
        _write(path, with_plain_properties(path.read_text(encoding="utf-8")))
    _configure(workspace, patterns)
    fingerprint = _fingerprint(workspace / test for test in TESTS)
    known = workspace / FINGERPRINT
    if not known.exists() or known.read_text(encoding="ascii") != fingerprint:
        _try_survivors_again(workspace / "mutants")
        known.write_text(fingerprint, encoding="ascii")


def with_plain_properties(source: str) -> str:
    """The same module with `name = property(name)` in place of each `@property`.

    mutmut leaves decorated functions alone, and many a question of the election is a property.
    """
    lines = source.splitlines(keepends=True)
    found = sorted(_properties(ast.parse(source)), key=lambda each: each.lineno, reverse=True)
    for function in found:
        end = function.end_lineno or function.lineno
        lines.insert(end, f"{' ' * function.col_offset}{function.name} = property({function.name})\n")
        del lines[function.decorator_list[0].lineno - 1]
    return "".join(lines)


def _properties(module: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(module):
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.FunctionDef) and [ast.unparse(one) for one in each.decorator_list] == ["property"]:
                yield each


def _copy(source: Path, target: Path) -> None:
    """Copy what has changed, and take away what is gone."""
    if source.is_file():
        _write(target, source.read_text(encoding="utf-8"))
        return
    _remove(target)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _configure(workspace: Path, patterns: Sequence[str]) -> None:
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"{PACKAGE}/{pattern}" for pattern in patterns],
        "do_not_mutate_patterns": list(SILENT),
        "also_copy": ["cluster", "chaos", "README.md"],
        "pytest_add_cli_args": [
            *("-p", "no:cacheprovider", "-q", "--no-header", f"--timeout={TEST_SECONDS}"),
            *("-k", " and ".join(f"not {part}" for part in TIMED)),
        ],
        "pytest_add_cli_args_test_selection": list(TESTS),
        "timeout_multiplier": TIMEOUT_FACTOR,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())  # JSON of these is TOML as well
    path = workspace / "pyproject.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[tool.mutmut]\n{text}", encoding="utf-8")


def _fingerprint(folders: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def forget(mutants: Path, outcomes: Collection[int] | None = None) -> None:
    """Forget which mutants had these outcomes, or any."""
    for path in mutants.rglob("*.py.meta"):
        kept = json.loads(path.read_text(encoding="utf-8"))
        results = kept["exit_code_by_key"]
        results |= {key: None for key, code in results.items() if outcomes is None or code in outcomes}
        path.write_text(json.dumps(kept), encoding="utf-8")


def _try_survivors_again(mutants: Path) -> None:
    (mutants / "mutmut-stats.json").unlink(missing_ok=True)
    forget(mutants, {SURVIVED, NO_TESTS})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
