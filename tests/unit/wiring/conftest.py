"""The cluster is followed on a simulated clock: minutes pass in milliseconds."""

import asyncio
from collections.abc import Callable

from tests.sim.loop import SimulatedLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Time passes only while nothing is left to do."""
    return {"simulated": SimulatedLoop}
