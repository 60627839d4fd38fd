"""Whether every program and library of a root finds what it links to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def missing(roots: Iterable[Path]) -> list[str]:
    """Name each file that needs a library which none of the roots has, with the library."""
    paths = [path for root in roots for path in root.rglob("*")]
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    there = {path.name for path in paths if path.is_symlink() or path.is_file()}
    return sorted(f"{path} needs {name}" for path in files for name in _needed(path) if name not in there)


def _needed(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
        file.seek(0)
        try:
            sections = [each for each in ELFFile(file).iter_sections() if isinstance(each, DynamicSection)]
        except ELFError as error:
            message = f"{path} begins as ELF and is not: {error}"
            raise ValueError(message) from error
        for section in sections:
            yield from (str(tag.needed) for tag in section.iter_tags("DT_NEEDED"))  # type: ignore[attr-defined]  # set by name
