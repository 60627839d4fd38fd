"""One version stands wherever there is one."""

import re
import tomllib

from tests.unit.docs.tree import ROOT


def test_manifest_and_guide_name_the_image_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = [
        found
        for path in ("config/release/kubemacpool.yaml", "docs/howto/install.md", "docs/howto/air-gapped.md")
        for found in re.findall(r"kubemacpool:v([\w.]+\w)", (ROOT / path).read_text())
    ]
    assert len(named) >= 4
    assert set(named) == {version}
