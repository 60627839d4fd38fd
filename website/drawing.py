"""Draws the diagrams that are missing: `make diagrams`. Needs npm and a Chromium, and nobody else does."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from website.diagrams import FOLDER, diagrams, name_of
from website.pages import DOCS, ROOT

MERMAID: Final = "11.16.0"
CHROMIUMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SECONDS: Final = 120

_SVG: Final = re.compile(r"<pre>(.*?)</pre>", re.DOTALL)
_PAGE: Final = """<!doctype html><meta charset="utf-8"><pre></pre><script src="mermaid.min.js"></script><script>
mermaid.initialize({{startOnLoad: false, htmlLabels: false, flowchart: {{htmlLabels: false}}, fontFamily: "sans-serif",
  deterministicIds: true}});
mermaid.render("diagram", {text}).then(
  ({{svg}}) => {{ document.querySelector("pre").textContent = svg; }},
  error => {{ document.querySelector("pre").textContent = "error " + error; }});
</script>"""


def main() -> None:
    """Draw what has no picture, and remove the pictures of what is not there any more."""
    wanted = {
        name_of(diagram): diagram
        for path in sorted((ROOT / DOCS).rglob("*.md"))
        for diagram in diagrams(path.read_text())
    }
    folder = ROOT / DOCS / FOLDER
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.svg"):
        if path.name not in wanted:
            path.unlink()
    missing = {name: diagram for name, diagram in wanted.items() if not (folder / name).exists()}
    if not missing:
        return
    chromium = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if chromium is None or shutil.which("npm") is None:
        sys.exit("diagrams are drawn by mermaid in a browser: npm and a Chromium are needed")
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        _run("npm", "pack", "--silent", f"mermaid@{MERMAID}", cwd=work)
        (package,) = work.glob("mermaid-*.tgz")
        _run("tar", "xzf", package.name, "--strip-components=2", "package/dist/mermaid.min.js", cwd=work)
        for name, diagram in missing.items():
            (folder / name).write_text(_drawn(chromium, work, diagram), encoding="utf-8")


def _drawn(chromium: str, work: Path, diagram: str) -> str:
    (work / "page.html").write_text(_PAGE.format(text=json.dumps(diagram)), encoding="utf-8")
    page = (work / "page.html").as_uri()
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom")
    found = _SVG.search(_run(chromium, *flags, page, cwd=work))
    svg = html.unescape(found[1]) if found else ""
    if not svg.startswith("<svg"):
        sys.exit(f"{svg or 'nothing was drawn'}:\n{diagram}")
    return svg.replace('style="', 'style="background: white; ', 1)  # to be read on dark pages, too


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=SECONDS).stdout  # noqa: S603


if __name__ == "__main__":
    main()
