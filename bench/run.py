"""`make bench`: start here. See `bench/cli.py` for what can be asked, docs/benchmarks.md for what is measured."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "cluster"))
sys.path.insert(0, str(REPOSITORY))

from bench.cli import main  # noqa: E402 (found by the path above)

if __name__ == "__main__":
    main()
