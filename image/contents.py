"""What the image contains and what is left out of it, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAME: Final = "kubemacpool"
REPOSITORY: Final = "localhost/kubemacpool"
SOURCE: Final = "https://github.com/k8snetworkplumbingwg/kubemacpool"
TITLE: Final = "KubeMacPool"
DESCRIPTION: Final = "MAC addresses from a pool for secondary interfaces of pods and for KubeVirt virtual machines."
LICENSES: Final = "Apache-2.0"

USER: Final = 65532
"""User and group: a number, so that a kubelet can tell that it is not root."""

PORTS: Final = (8000, 8081, 8443)
PYTHON: Final = "3.11"
DISTRIBUTION: Final = "debian-12"
MODULES: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
"""Where Debian's interpreter looks for what does not come from Debian."""

ENVIRONMENT: Final = ("PATH=/usr/local/bin:/usr/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform: its names with OCI and Debian, the directory of its libraries, and the wheels that fit."""

    architecture: str
    triplet: str
    loader: str
    wheels: str

    @property
    def name(self) -> str:
        """The platform as container tools write it."""
        return f"linux/{self.architecture}"


PLATFORMS: Final = (
    Platform("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2", "x86_64-manylinux_2_36"),
    Platform("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1", "aarch64-manylinux_2_36"),
)

# No shell, no package manager; no ca-certificates (the API server's authority is in the pod) and no tzdata (UTC).
PACKAGES: Final = {
    "base-files": "the text of the licences that the others name, and what distribution this is",
    "gcc-12-base": "the licence of libgcc-s1 and libstdc++6",
    "libbz2-1.0": "module bz2",
    "libc6": "everything",
    "libcrypt1": "module crypt",
    "libexpat1": "the interpreter",
    "libffi8": "module ctypes",
    "libgcc-s1": "wheels, and threads that end",
    "liblzma5": "module lzma",
    "libpython3.11-minimal": "the smaller part of the standard library",
    "libpython3.11-stdlib": "the other part: asyncio, ssl",
    "libssl3": "modules ssl and hashlib",
    "libstdc++6": "wheels written in C++",
    "libuuid1": "module uuid",
    "python3.11-minimal": "the interpreter",
    "zlib1g": "the interpreter",
}

LICENSES_BY_HAND: Final = {"libcrypt1": "LGPL-2.1+"}
"""Of packages whose copyright files say it in prose only."""

LEFT_OUT: Final = (
    r"usr/share/(?!doc/[^/]+(/copyright)?$|common-licenses/)",
    r"usr/lib/[^/]+/gconv/",  # of iconv, which Python does not use
    r"usr/lib/binfmt\.d/",
    r"etc/(?!os-release$|debian_version$|python3\.11/)",
    r"usr/s?bin/(?!python3\.11$)",
    r"(var|home|root|boot|proc|sys|dev|run|tmp)/",
    # Modules of the standard library that link to what is not there, or are for a terminal.
    rf"usr/lib/python{PYTHON}/lib-dynload/(_curses|_curses_panel|_dbm|_sqlite3|nis|readline)\.",
    rf"usr/lib/python{PYTHON}/(curses|dbm|sqlite3|pydoc_data|ensurepip|idlelib|lib2to3)/",
)
"""Paths of Debian packages that do not come in, as regular expressions from the root."""
