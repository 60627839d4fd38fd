"""`python -m website` builds the site; `make docs` runs it."""

import sys

from website.building import BuildError, build

try:
    print(f"{build()}/index.html")  # noqa: T201 (where to look)
except BuildError as error:
    sys.exit(str(error))
