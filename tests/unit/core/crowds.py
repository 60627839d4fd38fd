"""Crowds, for histories in which addresses are never carried by many: three that carry one are a crowd there.

A file of its own, since two histories mix it in.
"""

from unittest.mock import patch

from hypothesis.stateful import RuleBasedStateMachine

from kubemacpool.core import holders


class Crowded(RuleBasedStateMachine):
    """Mixed into a history, before it."""

    def __init__(self) -> None:
        super().__init__()
        self._few = patch.object(holders, "FEW", 2)
        self._few.start()

    def teardown(self) -> None:
        """And not longer."""
        try:
            super().teardown()
        finally:
            self._few.stop()
