"""Which test runs on which worker of pytest-xdist: a file is never torn apart, and a worker stays with its suite.

A suite is a directory whose tests share an installation. Starting one takes seconds, so a worker takes the files of its
own suite as long as there are any, then those of the suite where most is left to do. (pytest-xdist's own loadgroup
changes what tests are called, which pytest 9.2 does not let it.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


def suite_of(file: str) -> str:
    """The directory that a test file is in."""
    return file.rpartition("/")[0]


class SuiteScheduling(LoadScopeScheduling):
    """Gives out test files."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Move the file that the worker should have next to the front of the queue, and give it out."""
        own = {suite_of(file) for file in list(self.assigned_work.get(node, {}))[-1:]}
        left: dict[str, int] = {}
        for file, tests in self.workqueue.items():
            left[suite_of(file)] = left.get(suite_of(file), 0) + len(tests)
        suites = own & left.keys() or {max(left, key=left.__getitem__)}
        chosen = next(file for file in self.workqueue if suite_of(file) in suites)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)
