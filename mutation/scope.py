"""Which modules are mutated, and which tests are to notice."""

from typing import Final

CORE: Final = ("core/*",)
ELECTION: Final = (
    "election/elector.py",
    "election/leadership.py",
    "election/lease_view.py",
    "election/lease_writer.py",
    "election/reserve_queue.py",
    "follow/read_barrier.py",
    "progress.py",
)
ALLOCATION: Final = ("admission/allocation.py", "admission/handler.py")

MODULES: Final = (*CORE, *ELECTION, *ALLOCATION)
"""What two parties could get one address by; patterns below `src/kubemacpool`."""

TESTS: Final = (
    "tests/unit/core",
    "tests/unit/admission",
    "tests/unit/election",
    "tests/unit/follow",
    "tests/unit/timed",
    "tests/unit/test_progress.py",
)

TIMED: Final = ("in_proportion", "well_within", "costs_what", "costs_about")
"""Parts of the names of tests that measure time: mutmut's way to every function takes some of that."""

SILENT: Final = (r"^\s*_log\.",)
"""Lines that are not mutated: what a log says is for people, and the tests check it where it matters."""
