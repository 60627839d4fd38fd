"""Documents name metrics; a name that nobody exposes helps nobody."""

import re
from pathlib import Path

from tests.unit.telemetry.exposing import exposed

GUIDE = Path(__file__).parents[3] / "docs" / "howto" / "metrics.md"


def test_the_guide_explains_metrics_that_are_exposed() -> None:
    named = set(re.findall(r"`((?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+)", GUIDE.read_text()))
    assert named
    assert named <= exposed()
