"""Which modules are mutated, and which tests are to notice."""

from typing import Final

CORE: Final = ("core/*",)
ELECTION: Final = (
    *("service/electing.py", "service/leading.py", "service/knowing.py", "service/writing.py", "service/waiting.py"),
    *("service/vacancy.py", "service/catching_up.py", "service/proving.py", "service/progress.py"),
)
ALLOCATION: Final = ("service/deciding.py", "service/conflicts.py", "service/admission.py")

MODULES: Final = (*CORE, *ELECTION, *ALLOCATION)
"""What two parties could get one address by; patterns below `src/kubemacpool`."""

TESTS: Final = ("tests/unit/core", "tests/unit/service")

TIMED: Final = ("in_proportion", "well_within", "costs_what", "costs_about")
"""Parts of the names of tests that measure time: mutmut's way to every function takes some of that."""

SILENT: Final = (r"^\s*_log\.",)
"""Lines that are not mutated: what a log says is for people, and the tests check it where it matters."""
