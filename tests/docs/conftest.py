"""The site, built once from this tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from website.building import OUT, build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: strictly. The generator is installed by `make test`."""
    assert (OUT / "venv").is_dir(), "the site's generator is not installed: run `make docs`"
    return build(tmp_path_factory.mktemp("site"))
