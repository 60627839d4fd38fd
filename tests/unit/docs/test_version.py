"""One version stands wherever there is one."""

import re
import tomllib

from tests.unit.docs.tree import ROOT


def test_manifest_and_readme_name_the_image_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = [
        found
        for path in ("config/release/kubemacpool.yaml", "README.md")
        for found in re.findall(r"kubemacpool:v([\w.]+\w)", (ROOT / path).read_text())
    ]
    assert len(named) >= 4
    assert set(named) == {version}
