"""What is wrong in a document: names of things that are not there, and figures that are others."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.unit.docs.markdown import anchors, blocks, links, rows, spans
from tests.unit.docs.tree import KEY, ROOT, Tree

OF_OTHERS: Final = frozenset({"--admission-control-config-file", "--cascade", "--request-timeout"})
"""Flags of kube-apiserver and kubectl that stand alone.

Those that stand behind a command of others are not looked at.
"""

NO_PATHS: Final = frozenset({"application/json"})
"""Code with a slash that is no path of this repository."""

_PATH: Final = re.compile(r"\.{0,2}/?[\w.*-]+(?:/[\w.*-]+)*/?")
_FILE: Final = re.compile(r"[\w*-]+\.(?:py|md|toml|sh|json)|Makefile|Dockerfile")
_ELSEWHERE: Final = re.compile(r"/|_out/|[\w-]+(?:\.[\w-]+)+/")
"""An absolute path or URL path, what is made while we run, and names with a domain (API groups, annotations)."""

_TARGET: Final = re.compile(r"(?:^ *|&& )make ([a-z][a-z-]*)", re.MULTILINE)
_FLAG: Final = re.compile(r"(--[a-z][a-z-]*)(?:=\S*| <?[\w.,|:-]+>?)?")
_VARIABLE: Final = re.compile(r"\b(?:KUBE)?MACPOOL_[A-Z_]*[A-Z]\b")
_METRIC: Final = re.compile(r"\b(?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+\b")
_ALERT: Final = re.compile(r"\bKubemacpool[A-Z]\w+")
_IDENTIFIER: Final = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+|[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+")
_FIGURE: Final = re.compile(r"([\d,.]+)(?: (ms|s|min|h|KiB|MiB))?")
_UNITS: Final = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "KiB": 1 << 10, "MiB": 1 << 20}
_MODEL: Final = "tests/model/"
_LEFT_OUT: Final = "left out in `tests/model`"
_CONSTANT: Final = re.compile(r"`([\w/]+\.py)` `([A-Z_]+)`")


def faults(text: str, folder: Path, tree: Tree) -> Iterator[str]:
    """Every fault of a document, a sentence each.

    Args:
        text: the document.
        folder: where it stands; its links begin there.
        tree: what there is.
    """
    yield from _broken_links(text, folder)
    for code in spans(text):
        yield from _of_path(code, folder, tree)
        yield from _of_flag(code, tree)
        if _IDENTIFIER.fullmatch(code) and not _METRIC.fullmatch(code) and code not in tree.words:
            yield f"nothing is called {code}"
    for code in (*spans(text), *blocks(text)):
        yield from _of_names(code, tree)
    yield from wrong_figures(text, tree)
    yield from _unknown_sabotages(text, tree)


def _broken_links(text: str, folder: Path) -> Iterator[str]:
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path
        if path and not target.exists():
            yield f"the link {link} leads nowhere"
        elif anchor and anchor not in anchors(text if not path else target.read_text()):
            yield f"the link {link} leads to no heading"


def _of_path(code: str, folder: Path, tree: Tree) -> Iterator[str]:
    if not _PATH.fullmatch(code) or _ELSEWHERE.match(code) or code in NO_PATHS:
        return
    if "*" in code:
        found = any(ROOT.glob(code)) or any((ROOT / "src" / "kubemacpool").glob(code))
    elif "/" in code:
        found = tree.has(code) or (folder / code).exists()
    elif _FILE.fullmatch(code):
        found = (folder / code).exists() or any(Path(path).name == code for path in tree.files) or tree.has(code)
    else:
        return
    if not found:
        yield f"there is no {code}"


def _of_flag(code: str, tree: Tree) -> Iterator[str]:
    match = _FLAG.fullmatch(code)
    if match and match[1] not in tree.flags | OF_OTHERS:
        yield f"nothing has the flag {match[1]}"


def _of_names(code: str, tree: Tree) -> Iterator[str]:
    for pattern, known, fault in (
        (_TARGET, tree.targets, "there is no make {}"),
        (_VARIABLE, tree.variables, "nothing reads the variable {}"),
        (_METRIC, tree.metrics, "there is no metric {}"),
        (_ALERT, tree.words, "there is no alert {}"),
        (KEY, tree.keys, "nothing reads or writes {}"),
    ):
        yield from (fault.format(name) for name in pattern.findall(code) if name not in known)


def wrong_figures(text: str, tree: Tree) -> Iterator[str]:
    """The rows of tables that name a constant and say something else than it is.

    Such a row has a cell with the module and the constant in code, and the figure, with its unit, in the cell before.
    """
    for cells in rows(text):
        for said, named in pairwise(cells):
            for path, name in _CONSTANT.findall(named):
                try:
                    value = tree.constant(path, name)
                except LookupError:
                    yield f"{path} has no {name}"
                    continue
                figure = _FIGURE.fullmatch(said)
                if figure is None:
                    yield f"{said!r} is no figure for {name}"
                elif float(figure[1].replace(",", "")) * _UNITS.get(figure[2], 1) != value:
                    yield f"{name} is {value}, and not {said}"


def _unknown_sabotages(text: str, tree: Tree) -> Iterator[str]:
    """Names in the column of what `tests/model` leaves out that it does not have."""
    inside = False
    for cells in rows(text):
        if cells[-1].startswith(_LEFT_OUT):
            inside = True
        elif inside:
            for name in re.findall(r"`([a-z-]+)`", cells[-1]):
                if not any(f'"{name}"' in source for path, source in tree.files.items() if path.startswith(_MODEL)):
                    yield f"tests/model leaves out nothing that is called {name}"
