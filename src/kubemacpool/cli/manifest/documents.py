"""YAML and JSON files: their documents, and where in the text everything stands."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

STANDARD_INPUT: Final = "-"
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
LONGEST_FILE: Final = 64 * 1024 * 1024
"""Bytes: etcd has no object of more than a fiftieth, and who has a file of so many would wait for an hour."""

_BOM: Final = "\ufeff"
_TAG: Final = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestError(Exception):
    """A file that cannot be read as manifests; the message names it, the line and the remedy."""


@dataclass(eq=False)
class Document:
    """One document of a file.

    Attributes:
        file: where it stands.
        node: its content, with the place of everything.
        value: its content.
        shared: ids of nodes that stand in several places by means of an alias.
    """

    file: "ManifestFile"
    node: Node
    value: object
    shared: frozenset[int] = field(repr=False)


@dataclass(eq=False)
class ManifestFile:
    """One file.

    Attributes:
        name: as people gave it; `-` for the standard input.
        path: where it is written; None for the standard input.
        text: its content.
        mark: the byte order mark that stands before it, or nothing.
        documents: those that are not empty.
    """

    name: str
    path: Path | None
    text: str
    mark: str = ""
    documents: list[Document] = field(default_factory=list, repr=False)

    @property
    def newline(self) -> str:
        """How its lines end."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def line_of(self, index: int) -> int:
        """The line of a place, counted from 1."""
        return self.text.count("\n", 0, index) + 1


def read_all(given: Iterable[str]) -> list[ManifestFile]:
    """Read files, and directories with everything below them.

    Raises:
        ManifestError: one cannot be read.
    """
    files: list[ManifestFile] = []
    known: set[Path] = set()
    for name in given:
        if name == STANDARD_INPUT:
            files.append(parse(STANDARD_INPUT, sys.stdin.buffer.read()))
            continue
        for path in _paths(Path(name)):
            if path.resolve() not in known:
                known.add(path.resolve())
                files.append(_read(path))
    return files


def parse(name: str, content: bytes, path: Path | None = None) -> ManifestFile:
    """Read the documents of a file.

    Raises:
        ManifestError: it is no YAML.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{name}: not UTF-8 ({error.reason} at byte {error.start}); write it anew as UTF-8"
        ) from error
    mark = _BOM if text.startswith(_BOM) else ""  # libyaml does not count it
    file = ManifestFile(name, path, text.removeprefix(mark), mark)
    try:
        for node in yaml.compose_all(file.text, Loader=_Loader):
            if node is not None:
                file.documents.append(Document(file, node, value_of(node), frozenset(_shared(node))))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be read")
        raise ManifestError(
            f"{name}{line}: not YAML ({problem}); correct it, or leave the file out (render templates first)"
        ) from error
    except RecursionError as error:
        raise ManifestError(f"{name}: too deep to be a manifest; leave the file out") from error
    return file


def value_of(node: Node) -> object:
    """What a node says, as the API server would be told: an address is a text, whatever YAML 1.1 makes of it."""
    if isinstance(node, MappingNode):
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                for source in value.value if isinstance(value, SequenceNode) else [value]:
                    found = value_of(source)
                    if isinstance(found, dict):
                        merged = {**found, **merged}
            else:
                own[str(key.value)] = value_of(value)
        return {**merged, **own}
    if isinstance(node, SequenceNode):
        return [value_of(each) for each in node.value]
    return _scalar(node)


def member(node: Node | None, key: str) -> Node | None:
    """The value under a key of a mapping; of several the last, as decoders have it."""
    found = None
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if isinstance(name, ScalarNode) and name.value == key:
                found = value
    return found


def at(node: Node | None, path: Iterable[str | int]) -> Iterator[Node | None]:
    """Every node on the way, the first one included."""
    yield node
    for step in path:
        if isinstance(step, str):
            node = member(node, step)
        else:
            node = node.value[step] if isinstance(node, SequenceNode) and step < len(node.value) else None
        yield node


def _scalar(node: Node) -> object:
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    try:
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() in {"yes", "true", "on", "y"}
            case "int" if ":" not in text:
                return (
                    int(text.replace("_", ""), 0) if not text.lstrip("+-").isdecimal() else int(text.replace("_", ""))
                )
            case "float" if ":" not in text:
                return float(text.replace("_", ""))
    except ValueError:
        pass
    return text


def _shared(node: Node) -> Iterator[int]:
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            yield id(each)
            continue
        seen.add(id(each))
        if isinstance(each, MappingNode):
            waiting += [part for pair in each.value for part in pair]
        elif isinstance(each, SequenceNode):
            waiting += each.value


def _paths(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if (
                each.suffix in SUFFIXES
                and each.is_file()
                and not any(part.startswith(".") for part in each.relative_to(path).parts)
            ):
                yield each
    else:
        yield path


def _read(path: Path) -> ManifestFile:
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise ManifestError(f"{path}: larger than {LONGEST_FILE} bytes; leave the file out")
        return parse(str(path), path.read_bytes(), path)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}; name a file or directory that can be read") from error
