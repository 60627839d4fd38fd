"""The services of several replicas, in random order and in all weathers, on a simulated clock and API server."""

from typing import Final

from hypothesis import HealthCheck, settings
from tests.sim.histories import Histories

BOUNDED: Final = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # one history is minutes of a cluster's life
)

TestReplicas = Histories.TestCase
TestReplicas.settings = BOUNDED
