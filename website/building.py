"""The site: pages, navigation and settings for the generator, which is as strict as it can be and fetches nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from website.navigation import HOME, placed
from website.pages import ROOT, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OUT: Final = ROOT / "_out" / "docs"
GENERATOR: Final = OUT / "venv" / "bin" / "zensical"
NAME: Final = "KubeMacPool"
ADDRESS: Final = "https://kubemacpool.invalid/"
"""Nobody publishes the site yet; the generator wants an address, and no page has it."""

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")

_EXTENSIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "attr_list": {},
    "md_in_html": {},
    "tables": {},
    "toc": {"permalink": True, "slugify": {"object": "pymdownx.slugs.slugify", "kwds": {"case": "lower"}}},
    "pymdownx.highlight": {"pygments_lang_class": True},
    "pymdownx.inlinehilite": {},
    "pymdownx.superfences": {},
}


class BuildError(Exception):
    """The generator has found something wrong; the message is what it says."""


def build(out: Path = OUT, root: Path = ROOT) -> Path:
    """Build the site; gives its folder.

    Raises:
        BuildError: there is something that it warns of.
    """
    pages = write(out / "pages", root)
    site = out / "site"
    shutil.rmtree(site, ignore_errors=True)
    settings = out / "zensical.toml"
    settings.write_text(_toml({"project": _project(pages)}), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 (the generator of this tree)
        [GENERATOR, "build", "--strict", "--clean", "--config-file", settings],
        cwd=out,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode or not (site / "index.html").exists():
        said = _COLOURS.sub("", done.stdout).strip()
        raise BuildError(said or f"{GENERATOR} failed with {done.returncode} and said nothing")
    return site


def _project(pages: Mapping[str, str]) -> dict[str, object]:
    nav: list[dict[str, object]] = [{"Home": HOME}]
    for section, entries in placed(pages).items():
        nav.append({section: [{title: path} for path, title in entries]})
    return {
        "site_name": NAME,
        "site_url": ADDRESS,
        "site_description": "MAC addresses from a pool for the secondary interfaces of pods and for virtual machines",
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,
        "nav": nav,
        "theme": {
            "font": False,
            "language": "en",
            "features": [
                "navigation.sections",
                "navigation.top",
                "content.code.copy",
                "search.highlight",
                "toc.follow",
            ],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        "validation": {"invalid_links": True, "invalid_link_anchors": True, "unresolved_references": True},
        "markdown_extensions": dict(_EXTENSIONS),
        "extra": {"generator": False},
    }


def _toml(value: Mapping[str, Any]) -> str:
    """Settings as TOML: a table for the project, and JSON-like values in it."""
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {_inline(each)}\n" for key, each in table.items())
        for name, table in value.items()
    )


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
