"""What is measured beside ours: other webhooks that run already, and another checkout of this repository."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from bench.errors import BenchError
from bench.loading import Target

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[1]
HTTPS_PORT = 443
PROBE_SECONDS = 10.0
DEFAULT_PATH = "/mutate-pods"
# What an answer must contain, as it is written by whoever leaves out blanks, and by whoever does not.
MARKS = (b'"patchType":"JSONPatch"', b'"patchType": "JSONPatch"', b'"allowed":true', b'"allowed": true')
AGAINST = "against"
TAKEN = frozenset({"none", "floor", "patch", "ours", "three", "two", "idle", AGAINST})
SHOWN = 200
"""Characters of an unexpected answer that a message shows."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Another webhook, which somebody else has started.

    Attributes:
        name: what it is called in the results.
        url: where it answers reviews of pods.
        ca: file with the certificate of who has signed its own.
    """

    name: str
    url: str
    ca: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return _port(urlsplit(self.url))

    def target(self, text: str) -> Target:
        """What the load generator is told."""
        parts = urlsplit(self.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        name = parts.hostname or ""
        address = "127.0.0.1" if name == "localhost" else name
        host = f"[{address}]" if ":" in address else address
        return Target(address=f"{host}:{self.port}", path=path, ca=str(self.ca), server_name=name, text=text)

    def mark(self, body: bytes) -> str:
        """Ask it once about a pod, and return a text that every answer of its kind contains.

        Raises:
            BenchError: it cannot be asked, or does not let the pod through.
        """
        # What the load generator would fill in.
        body = body.replace(b"#" * 12, b"0" * 12)
        where = f"--beside {self.name}={self.url}"
        parts = urlsplit(self.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(
            parts.hostname or "", self.port, timeout=PROBE_SECONDS, context=context
        )
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, told = answer.status, answer.read()
        except ssl.SSLCertVerificationError as error:
            message = f"{where}: its certificate is not to be trusted by --ca {self.ca}: {error.verify_message}"
            raise BenchError(message) from None
        except (OSError, http.client.HTTPException) as error:
            message = f"{where}: cannot be asked: {error}"
            raise BenchError(message) from None
        finally:
            connection.close()
        shown = told[:SHOWN].decode(errors="replace")
        if status != http.HTTPStatus.OK or not _allows(told):
            message = f"{where}: a review of a pod was not answered with `allowed`: HTTP {status}: {shown}"
            raise BenchError(message)
        found = next((mark for mark in MARKS if mark in told), None)
        if found is None:
            message = f"{where}: the answer's JSON is written in an unknown way: {shown}"
            raise BenchError(message)
        return found.decode()


@dataclass(frozen=True, slots=True)
class Checkout:
    """Another checkout of this repository, installed in a venv of its own."""

    directory: Path
    commit: str

    @property
    def manifest(self) -> Path:
        """What its users apply."""
        return self.directory / RELEASE_MANIFEST.relative_to(REPOSITORY)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return _python(self.directory)


@dataclass(frozen=True, slots=True)
class Rivals:
    """All that is measured beside ours."""

    beside: tuple[Beside, ...] = ()
    against: Checkout | None = None

    @property
    def told(self) -> dict[str, str]:
        """What each of their names stands for."""
        found = {each.name: each.url for each in self.beside}
        return found if self.against is None else found | {AGAINST: f"commit {self.against.commit}"}


def rivals(beside: Sequence[str], cas: Sequence[Path], against: Path | None) -> Rivals:
    """Read what the command line names.

    Raises:
        BenchError: something is not there, or is not what it should be.
    """
    if cas and not beside:
        raise BenchError("--ca is for another webhook: name it with --beside NAME=URL.")
    if beside and len(cas) not in {1, len(beside)}:
        message = f"--beside is given {len(beside)} times and --ca {len(cas)} times: one for each, or one for all."
        raise BenchError(message)
    each_ca = [_authority(path) for path in (cas if len(cas) == len(beside) else list(cas) * len(beside))]
    others = tuple(_beside(text, ca) for text, ca in zip(beside, each_ca, strict=True))
    names = [each.name for each in others]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"--beside: {twice!r} is there twice; each needs a name of its own."
        raise BenchError(message)
    return Rivals(others, None if against is None else checkout(against))


def checkout(directory: Path) -> Checkout:
    """Look at another checkout.

    Raises:
        BenchError: it is none, or not installed.
    """
    directory = directory.absolute()
    if not (directory / "bench" / "served.py").is_file():
        message = f"--against {directory}: no checkout of this repository (it has no bench/served.py)."
        raise BenchError(message)
    python = _python(directory)
    if not python.exists():
        message = f"--against {directory}: not installed; run `make install` there."
        raise BenchError(message)
    answer = subprocess.run(
        [str(python), "-P", "-c", "import kubemacpool; print(kubemacpool.__file__)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if answer.returncode != 0:
        message = f"--against {directory}: its program cannot be imported; run `make install` there.\n{answer.stderr}"
        raise BenchError(message)
    if not Path(answer.stdout.strip()).is_relative_to(directory.resolve()):
        message = f"--against {directory}: its venv runs {answer.stdout.strip()}; run `make install` there."
        raise BenchError(message)
    return Checkout(directory, commit_of(directory))


def commit_of(directory: Path) -> str:
    """Return the commit of a checkout, and whether it has been changed since; `unknown` where there is no git."""
    try:
        command = ["git", "-C", str(directory), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _python(directory: Path) -> Path:
    return directory / ".venv" / "bin" / "python"


def _authority(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        message = f"--ca {path}: holds no certificate in PEM."
        raise BenchError(message) from None
    except OSError as error:
        message = f"--ca {path}: {error.strerror}."
        raise BenchError(message) from None
    return path.absolute()


def _beside(text: str, ca: Path) -> Beside:
    name, separator, url = text.partition("=")
    if not separator or re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", name) is None:
        message = f"--beside {text}: NAME=URL is wanted, with a name of at most 20 lower-case letters and digits."
        raise BenchError(message)
    if name in TAKEN:
        message = f"--beside {text}: {name!r} is the name of something else here."
        raise BenchError(message)
    try:
        parts = urlsplit(url)
        port = _port(parts)
    except ValueError as error:
        message = f"--beside {text}: {error}."
        raise BenchError(message) from None
    if parts.scheme != "https" or not parts.hostname:
        message = f"--beside {text}: a URL that begins with https:// is wanted, as the API server wants it."
        raise BenchError(message)
    if not _is_loopback(parts.hostname):
        message = f"--beside {text}: only a loopback address may be loaded so: 127.0.0.1, ::1 or localhost."
        raise BenchError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path if parts.path.strip("/") else DEFAULT_PATH
    return Beside(name, parts._replace(netloc=f"{host}:{port}", path=path, fragment="").geturl(), ca)


def _port(parts: SplitResult) -> int:
    return HTTPS_PORT if parts.port is None else parts.port


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _allows(told: bytes) -> bool:
    try:
        return json.loads(told)["response"]["allowed"] is True
    except (ValueError, KeyError, TypeError):
        return False
