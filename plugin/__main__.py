"""`python -m plugin` builds the command line for those without a Python environment; `make plugin` runs it."""

import argparse
from pathlib import Path

from plugin.building import TREE, build

parser = argparse.ArgumentParser(prog="plugin", description=__doc__)
parser.add_argument("--uv", type=Path, required=True, help="the uv that installs the locked dependencies")
parser.add_argument("--out", type=Path, default=TREE / "_out" / "plugin", help="where everything is put")
parser.add_argument("--uri", default="", help="where the archive will be published")
options = parser.parse_args()
for path in build(options.uv, options.out.resolve(), options.uri):
    print(path)  # noqa: T201 (it talks to a person)
