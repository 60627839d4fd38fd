r"""kubectl's JSONPath templates, as far as people use them.

Source: kubernetes.io, JSONPath Support. Known are: texts around braces, members (`.a`, `['a']`), elements (`[0]`,
`[-1]`, `[*]`), filters (`[?(@.a=="b")]` with ==, !=, <, >, <=, >=), literals (`{"\\n"}`) and `{range …}…{end}`.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

_PART: Final = re.compile(r"\{([^{}]*(?:\"[^\"]*\"[^{}]*)*)\}|([^{]+)")
_STEP: Final = re.compile(r"\.?\*|\.([\w-]+(?:\\\.[\w-]+)*)|\[\*\]|\[(-?\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\?\((.*?)\)\]")
_FILTER: Final = re.compile(r"\s*@((?:\.[\w-]+|\['[^']*'\])*)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


class JsonPathError(ValueError):
    """A template that cannot be read."""


def evaluate(template: str, data: object) -> str:
    """What a template makes of data.

    Raises:
        JsonPathError: it cannot be read.
    """
    parts = [(found.group(1), found.group(2)) for found in _PART.finditer(template)]
    if "".join(text if text is not None else f"{{{inner}}}" for inner, text in parts) != template:
        raise JsonPathError("braces do not match")
    if not any(inner is not None for inner, _ in parts):  # kubectl takes a path without braces, too
        parts = [(template, "")]
    written, rest = _written(parts, data)
    if rest:
        raise JsonPathError("{end} without {range}")
    return written


def _written(parts: list[tuple[Any, Any]], data: object) -> tuple[str, list[tuple[Any, Any]]]:
    out = ""
    while parts:
        (inner, text), parts = parts[0], parts[1:]
        if inner is None:
            out += text
            continue
        inner = inner.strip()
        if inner == "end":
            return out, [("end", None), *parts]
        if inner.startswith("range "):
            rest = _body_end(parts)
            for each in _values(inner.removeprefix("range ").strip(), data):
                out += _written(parts[: len(parts) - len(rest) - 1], each)[0]
            parts = rest
        elif inner.startswith(('"', "'")):
            out += inner[1:-1].encode().decode("unicode_escape")
        else:
            out += " ".join(map(_shown, _values(inner, data)))
    return out, []


def _body_end(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """What comes behind the end of a range."""
    depth = 1
    for index, (inner, _) in enumerate(parts):
        depth += (inner or "").strip().startswith("range ") - ((inner or "").strip() == "end")
        if not depth:
            return parts[index + 1 :]
    raise JsonPathError("{range} without {end}")


def _values(path: str, data: object) -> list[object]:
    found: list[object] = [data]
    rest = path.removeprefix("$").removeprefix("@")
    if rest and not rest.startswith((".", "[")):
        rest = f".{rest}"
    if rest == ".":
        return found
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise JsonPathError(f"{rest!r} is not understood")
        found = list(_stepped(step, found))
        rest = rest[step.end() :]
    return found


def _stepped(step: re.Match[str], found: Iterable[object]) -> Iterator[object]:
    member, index, quoted, condition = step.groups()
    key = quoted if quoted is not None else (member or "").replace("\\.", ".")
    for each in found:
        if member is not None or quoted is not None:
            if isinstance(each, dict) and key in each:
                yield each[key]
        elif index is not None:
            if isinstance(each, list) and -len(each) <= int(index) < len(each):
                yield each[int(index)]
        elif condition is not None:
            yield from (item for item in _all_of(each) if _holds(condition, item))
        else:
            yield from _all_of(each)


def _all_of(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _holds(condition: str, item: object) -> bool:
    found = _FILTER.fullmatch(condition)
    if found is None:
        raise JsonPathError(f"the filter {condition!r} is not understood")
    values = _values(found.group(1), item)
    if found.group(2) is None:
        return bool(values)
    try:
        wanted = json.loads(found.group(3).replace("'", '"'))
    except ValueError as error:
        raise JsonPathError(f"{found.group(3)!r} is neither a text between quotation marks nor a number") from error
    try:
        return any(_OPERATORS[found.group(2)](value, wanted) for value in values)
    except TypeError:
        return False


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
