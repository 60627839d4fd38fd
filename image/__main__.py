"""`make image` and `make image-lock`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from image.building import Tools, UnbuildableError, build
from image.contents import PACKAGES, PLATFORMS
from image.packages import Apt, PackageError, write_lock

_MEBIBYTE = 1 << 20


def main() -> int:
    """Build the image, or write the locks of its Debian packages anew."""
    parser = argparse.ArgumentParser(prog="python -m image", description=main.__doc__)
    parser.add_argument("verb", choices=("build", "lock"))
    parser.add_argument("--uv", type=Path, required=True, help="the uv that installs the wheels")
    parser.add_argument("--cache", type=Path, required=True, help="where downloaded packages stay")
    parser.add_argument("--out", type=Path, default=Path("_out/image"), help="where the archive goes")
    parser.add_argument("--root", type=Path, help="where the root file system goes as well, of one platform")
    names = [platform.name for platform in PLATFORMS]
    parser.add_argument("--platform", action="append", choices=names, help="one of them alone; all by default")
    options = parser.parse_args()
    try:
        if options.verb == "lock":
            for platform in PLATFORMS:
                apt = Apt(platform.architecture, options.cache / f"apt-{platform.architecture}")
                write_lock(platform.architecture, apt.candidates(sorted(PACKAGES)))
            return 0
        platforms = [each for each in PLATFORMS if not options.platform or each.name in options.platform]
        built = build(platforms, Tools(options.uv, options.cache), options.out, options.root)
    except (PackageError, UnbuildableError, NotImplementedError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, size in built.sizes.items():
        print(f"{name}: {size / _MEBIBYTE:.1f} MiB compressed")
    print(f"{built.archive} {built.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
