"""The names that there are: files, targets, flags, metrics and what else documents speak of."""

import importlib
import re
from functools import cached_property
from pathlib import Path
from typing import Final

import typer.main
from tests.unit.telemetry.exposing import exposed

from kubemacpool.cli import main as cli

ROOT: Final = Path(__file__).parents[3]
PACKAGE: Final = ROOT / "src" / "kubemacpool"
CODE: Final = (
    "src",
    "cluster",
    "tests",
    "bench",
    "chaos",
    "mutation",
    "demo",
    "config",
    "references",
    "website",
    ".github",
    ".ci",
)
_TEXT: Final = frozenset({".py", ".yaml", ".yml", ".toml", ".sh", ".go", ".json", ".in", ".txt", ""})


class Tree:
    """This repository, read once."""

    @cached_property
    def files(self) -> dict[str, str]:
        """What is in the files that are no documents, by path."""
        found = [path for top in CODE for path in (ROOT / top).rglob("*") if path.suffix in _TEXT and path.is_file()]
        found += [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "Dockerfile"]
        return {str(path.relative_to(ROOT)): path.read_text() for path in found if "__pycache__" not in path.parts}

    @cached_property
    def words(self) -> set[str]:
        """Every identifier in them, but for those of the tests of documents."""
        texts = (text for path, text in self.files.items() if not path.startswith("tests/unit/docs/"))
        return {word for text in texts for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text)}

    @cached_property
    def targets(self) -> set[str]:
        """Of the Makefile."""
        return set(" ".join(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", self.files["Makefile"], re.MULTILINE)).split())

    @cached_property
    def flags(self) -> set[str]:
        """Of `kubemacpool` and its commands, and of chaos, benchmarks and mutation, as their sources have them."""
        ours = {name for option in self._options for name in (*option.opts, *option.secondary_opts)}
        tools = "".join(text for path, text in self.files.items() if path.startswith(("chaos/", "bench/", "mutation/")))
        named = {name.replace("_", "-") for name in re.findall(r"\b(\w+): Annotated\[", tools)}
        given = set(re.findall(r"\"(--[a-z-]+)\"", tools))
        return ours | given | {f"--{no}{name}" for name in named for no in ("", "no-")} | {"--help"}

    @cached_property
    def variables(self) -> set[str]:
        """By which `kubemacpool` and the development cluster are set."""
        given = [option.envvar for option in self._options if option.envvar]
        ours = {name for names in given for name in ([names] if isinstance(names, str) else names)}
        return ours | {word for word in self.words if word.startswith("MACPOOL_")}

    @cached_property
    def metrics(self) -> set[str]:
        """The names of all series that a replica exposes."""
        return exposed()

    @cached_property
    def keys(self) -> set[str]:
        """Annotations, labels and other names with a domain of ours, and those of webhooks."""
        texts = (text for path, text in self.files.items() if path.startswith(("src/", "config/")))
        return {key for text in texts for key in KEY.findall(text)}

    @cached_property
    def packages(self) -> set[str]:
        """What stands in the package itself: `core`, `wiring`."""
        return {path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_")}

    @staticmethod
    def has(path: str) -> bool:
        """Whether there is such a file or folder, seen from the root or from the package, with or without `.py`."""
        places = [base / path for base in (ROOT, PACKAGE)] + [PACKAGE / f"{path}.py"]
        return any(place.exists() for place in places)

    @staticmethod
    def constant(path: str, name: str) -> object:
        """What a module of the package calls so.

        Raises:
            LookupError: it calls nothing so.
        """
        try:
            module = importlib.import_module("kubemacpool." + path.removesuffix(".py").replace("/", "."))
        except ImportError as error:
            raise LookupError(path) from error
        if not hasattr(module, name):
            raise LookupError(name)
        return getattr(module, name)

    @property
    def _options(self) -> list[typer.core.TyperOption]:
        group = typer.main.get_command(cli.app)
        assert isinstance(group, typer.core.TyperGroup)
        apps = [importlib.import_module(entry.module).app for entry in cli.Commands.entries.values()]
        parameters = [*group.params, *(each for app in apps for each in typer.main.get_command(app).params)]
        return [each for each in parameters if isinstance(each, typer.core.TyperOption)]


KEY: Final = re.compile(r"(?:[a-z][a-z.-]*\.)?kubemacpool\.io(?:/[a-zA-Z-]+[a-zA-Z])?")
