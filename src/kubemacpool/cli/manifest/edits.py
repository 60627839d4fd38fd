"""Changes of a text at the places where something is added: every other character stays as it is."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from yaml.nodes import MappingNode, ScalarNode

from kubemacpool.cli.manifest.documents import ManifestFile

_BLOCK: Final = frozenset("|>")
_ESCAPES: Final = {"x": 4, "u": 6, "U": 10}
"""How long an escape sequence is with these letters; of all others two."""


class Edit(NamedTuple):
    """A part of a text becomes another one."""

    begin: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Make changes that do not overlap."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.begin] + edit.text + text[edit.end :]
    return text


def set_member(file: ManifestFile, node: MappingNode, key: str, value: str, *, after: str) -> Edit:
    """Give a mapping a member, or a member that is empty its value.

    Args:
        file: where it stands.
        node: the mapping.
        key: of the member.
        value: a text without anything that would have to be escaped.
        after: behind which other member it goes best.
    """
    for name, old in node.value:
        if name.value == key:
            begin, end = old.start_mark.index, old.end_mark.index
            return Edit(begin, end, f'"{value}"' if end > begin else f' "{value}"')
    return _add_flow(file, node, key, value) if node.flow_style else _add_block(file, node, key, value, after)


def _add_flow(file: ManifestFile, node: MappingNode, key: str, value: str) -> Edit:
    text = file.text
    if not node.value:
        begin = node.start_mark.index + 1
        quotes = text[:1] in "[{"
        return Edit(begin, begin, f'"{key}": "{value}"' if quotes else f'{key}: "{value}"')
    last_key, last = node.value[-1]
    shown = f'"{key}"' if any(name.style == '"' for name, _ in node.value) else key
    tight = text[last_key.end_mark.index : last.start_mark.index] == ":" and shown != key
    line_begin = text.rfind("\n", 0, last_key.start_mark.index) + 1
    indent = text[line_begin : last_key.start_mark.index]
    gap = "" if tight else " "
    if line_begin > node.start_mark.index and not indent.strip():
        gap = file.newline + indent
    begin = max(last.end_mark.index, last_key.end_mark.index)
    return Edit(begin, begin, f',{gap}{shown}:{"" if tight else " "}"{value}"')


def _add_block(file: ManifestFile, node: MappingNode, key: str, value: str, after: str) -> Edit:
    column = node.value[0][0].start_mark.column
    line = f'{key}: "{value}"'
    ordered = sorted(node.value, key=lambda pair: pair[0].value != after)
    for name, old in ordered:
        plain = isinstance(old, ScalarNode) and old.style not in _BLOCK and old.end_mark.index > old.start_mark.index
        if plain and name.start_mark.line == old.end_mark.line:
            end = file.text.find("\n", old.end_mark.index)
            end = len(file.text) if end < 0 else end
            if end and file.text[end - 1] == "\r":
                end -= 1
            return Edit(end, end, f"{file.newline}{' ' * column}{line}")
    begin = node.value[0][0].start_mark.index
    return Edit(begin, begin, f"{line}{file.newline}{' ' * column}")


def insert_into(file: ManifestFile, node: ScalarNode, insertions: Mapping[int, str]) -> list[Edit] | None:
    """Insert into the text that a scalar says; None where its way of writing does not show where.

    Args:
        file: where it stands.
        node: the scalar.
        insertions: by place in what it says.
    """
    indent = _block_indent(file, node) if node.style in _BLOCK else ""
    places = _places(file, node, indent)
    if places is None:
        return None

    def written(text: str) -> str:
        match node.style:
            case '"':
                return json.dumps(text, ensure_ascii=False)[1:-1]
            case "'":
                return text.replace("'", "''")
            case _:
                return text.replace("\n", file.newline + indent)

    if node.style not in {*_BLOCK, '"'} and any("\n" in text for text in insertions.values()):
        return None
    return [Edit(places[index], places[index], written(text)) for index, text in insertions.items()]


def replace(file: ManifestFile, node: ScalarNode, value: str) -> Edit:
    """Write a scalar anew."""
    begin, end = node.start_mark.index, node.end_mark.index
    text = json.dumps(value, ensure_ascii=False) if "\n" in value else "'" + value.replace("'", "''") + "'"
    old = file.text[begin:end]
    if node.style in _BLOCK:  # its end is where the next line begins
        text += old[len(old.rstrip()) :] or ""
        if old.endswith("\n") and not text.endswith("\n"):
            text += file.newline
    return Edit(begin, end, text)


def _places(file: ManifestFile, node: ScalarNode, indent: str) -> list[int] | None:
    """Where in the file each character of what a scalar says stands, and its end."""
    if node.style in _BLOCK:
        return _block_places(file, node, indent)
    if node.style not in {"'", '"'}:
        return None
    index, end = node.start_mark.index + 1, node.end_mark.index - 1
    source = file.text
    places: list[int] = []
    while index < end:
        letter = source[index]
        if letter in "\r\n":
            return None
        places.append(index)
        if node.style == "'" and letter == "'":
            index += 2
        elif node.style == '"' and letter == "\\":
            index += _ESCAPES.get(source[index + 1], 2)
        else:
            index += 1
    places.append(end)
    return places if len(places) == len(node.value) + 1 else None


def _block_indent(file: ManifestFile, node: ScalarNode) -> str:
    body = file.text[node.start_mark.index : node.end_mark.index].partition("\n")[2]
    for line in body.splitlines():
        if line.strip():
            return line[: len(line) - len(line.lstrip(" "))]
    return ""


def _block_places(file: ManifestFile, node: ScalarNode, indent: str) -> list[int] | None:
    lines = node.value.rstrip("\n").split("\n")
    if node.style == ">" and len(lines) > 1:
        return None
    places: list[int] = []
    index = file.text.find("\n", node.start_mark.index) + 1
    for line in lines:
        shown = indent + line if line else ""
        if not file.text.startswith(shown, index):
            return None
        places += range(index + len(shown) - len(line), index + len(shown) + 1)
        index = file.text.find("\n", index) + 1
    return places


def json_insertions(value: str, macs: Mapping[int, str]) -> dict[int, str] | None:
    """By place in a JSON list of objects, what gives some of them an address; None where one has an empty one already.

    Args:
        value: the list.
        macs: by the index of the object.
    """
    decoder = json.JSONDecoder(object_pairs_hook=list)
    found: dict[int, str] = {}
    index = _beyond_blanks(value, 0) + 1
    for count in range(max(macs, default=-1) + 1):
        begin = _beyond_blanks(value, index)
        members, end = decoder.raw_decode(value, begin)
        if count in macs:
            if any(key.casefold() == "mac" for key, _ in members):
                return None
            last = len(value[: end - 1].rstrip())
            found[last] = _json_member(value[begin:last], macs[count], empty=not members)
        index = _beyond_blanks(value, end) + 1
    return found


def _json_member(entry: str, mac: str, *, empty: bool) -> str:
    """What is inserted behind the last member of an object, written as that is."""
    spaced = '": ' in entry or (": " not in entry and ":" not in entry)
    member = f'"mac"{": " if spaced else ":"}"{mac}"'
    if empty:
        return member
    line = entry.rpartition("\n")[2]
    indent = line[: len(line) - len(line.lstrip())]
    if "\n" in entry and line.lstrip().startswith('"'):
        return f",\n{indent}{member}"
    return f",{' ' if spaced or ', ' in entry else ''}{member}"


def _beyond_blanks(text: str, index: int) -> int:
    while index < len(text) and text[index] in " \t\r\n":
        index += 1
    return index
