"""Which test runs on which worker of pytest-xdist: a file is never torn apart, and a worker stays with its suite.

A suite is a directory whose tests share an installation. Starting one takes seconds, so a worker takes the files of its
own suite as long as there are any, then those of the suite that would go on longest without it. (pytest-xdist's own
loadgroup changes what tests are called, which pytest 9.2 does not let it.)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

# So that what goes on longest begins first. Roughly is good enough; elsewhere a test takes a second or less.
SECONDS_A_TEST: Final = {"tests/model": 15.0, "tests/sim": 5.0, "tests/abuse": 4.0, "tests/contract": 1.5}


def suite_of(file: str) -> str:
    """The directory that a test file is in."""
    return file.rpartition("/")[0]


class SuiteScheduling(LoadScopeScheduling):
    """Gives out test files."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Move the file that the worker should have next to the front of the queue, and give it out."""
        left: Counter[str] = Counter()
        for file, tests in self.workqueue.items():
            left[suite_of(file)] += len(tests)
        suite = self._present_suite(node)
        if suite not in left:
            there = Counter(map(self._present_suite, self.nodes))
            suite = max(left, key=lambda each: left[each] * SECONDS_A_TEST.get(each, 1.0) / (1 + there[each]))
        chosen = next(file for file in self.workqueue if suite_of(file) == suite)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _present_suite(self, node: WorkerController) -> str | None:
        """The suite of the last file that the worker was given."""
        return next((suite_of(file) for file in reversed(self.assigned_work.get(node, {}))), None)
