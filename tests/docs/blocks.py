"""The commands of a document, with what stands beside them in comments that readers do not see.

A block of `console` is run. Lines that begin with `$ ` are commands, and what follows each is its output; a block
without any is a script. A block of another language with a title is a file. What a comment says holds for the block
below it:

- `<!-- not run: REASON -->`: it is listed, with the reason, and not run.
- `<!-- exit 1 -->`: its last command ends so.
- `<!-- run: COMMANDS -->` stands for itself: commands that are run and not shown.
- `<!-- installation: own -->` anywhere: the document does what no other should feel.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
LANGUAGE: Final = "console"

_PART: Final = re.compile(
    r"^(?P<indent>[ ]*)```(?P<info>[^\n]*)\n(?P<body>.*?)^[ ]*```[ ]*$|^<!-- *(?P<note>.*?) *-->",
    re.DOTALL | re.MULTILINE,
)
_TITLE: Final = re.compile(r'title="([^"]+)"')
_PROMPT: Final = "$ "


class Command(NamedTuple):
    """A command, and what it prints; None where the document does not say."""

    text: str
    output: str | None = None
    status: int = 0


class Block(NamedTuple):
    """Commands that stand together.

    Attributes:
        line: where they stand.
        commands: in order.
        reason: why they are not run; empty where they are.
    """

    line: int
    commands: list[Command]
    reason: str = ""


class File(NamedTuple):
    """A file that the reader is told to save."""

    name: str
    text: str


class Document(NamedTuple):
    """What there is to do in a document.

    Attributes:
        path: from the top of the tree.
        parts: in order.
        own: whether it needs an installation of its own.
    """

    path: str
    parts: list[Block | File]
    own: bool

    @property
    def blocks(self) -> list[Block]:
        """Those with commands."""
        return [part for part in self.parts if isinstance(part, Block)]

    @property
    def runs(self) -> bool:
        """Whether there is anything to run."""
        return any(not block.reason for block in self.blocks)


def documents() -> list[Document]:
    """Every document of the tree in which there are commands."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    found = [document(str(path.relative_to(ROOT)), path.read_text()) for path in sorted(paths)]
    return [each for each in found if each.blocks]


def document(path: str, text: str) -> Document:
    """Read one."""
    own = re.search(r"^<!-- installation: own -->$", text, re.MULTILINE) is not None
    return Document(path, list(_parts(text)), own)


def _parts(text: str) -> Iterator[Block | File]:
    reason, status = "", 0
    for match in _PART.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        note, info = match["note"], match["info"]
        if note is not None:
            if note.startswith("run:"):
                yield Block(line, [Command(note.removeprefix("run:").strip())])
            elif note.startswith("not run:"):
                reason = " ".join(note.removeprefix("not run:").split())
            elif note.startswith("exit "):
                status = int(note.removeprefix("exit "))
            continue
        body = "".join(each.removeprefix(match["indent"]) for each in match["body"].splitlines(keepends=True))
        if info.split(" ")[0] == LANGUAGE:
            yield Block(line, _commands(body, status), reason)
            reason, status = "", 0
        elif title := _TITLE.search(info):
            yield File(title[1], body)


def _commands(body: str, status: int) -> list[Command]:
    if not any(line.startswith(_PROMPT) for line in body.splitlines()):
        return [Command(body.strip(), None, status)]
    found: list[Command] = []
    for line in body.splitlines():
        if found and not found[-1].output and not _complete(found[-1].text):
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line}")
        elif line.startswith(_PROMPT):
            found.append(Command(line.removeprefix(_PROMPT), ""))
        else:
            assert found, f"output without a command: {line}"
            found[-1] = found[-1]._replace(output=f"{found[-1].output}{line}\n")
    found[-1] = found[-1]._replace(status=status)
    return found


def _complete(command: str) -> bool:
    """Whether a shell would not ask for more."""
    if command.endswith(("\\", "|", "&&")):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True
