"""A network namespace of its own for each test, and the plugins, built once from their pinned module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.cni.sandbox import Sandbox

from devcluster import assets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def plugins() -> Path:
    """The directory with bridge, tuning and cnitool."""
    return assets.built(assets.cni(), print)


@pytest.fixture
def sandbox(plugins: Path) -> Iterator[Sandbox]:
    """A network of its own."""
    with Sandbox(plugins) as made:
        yield made
