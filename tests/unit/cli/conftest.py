"""What decides keeps quiet, as it does behind every command."""

from collections.abc import Iterator

import pytest
import structlog

from kubemacpool.cli.pool.desk import quiet


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)
