"""`kubemacpool probe` says what a replica says, over TLS that it trusts."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from devcluster.pki import Authority
from kubemacpool.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replica(directory: Path, status: int, said: bytes) -> Iterator[str]:
    """A server that answers so; gives its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "replica.crt", directory / "replica.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"https://localhost:{server.server_port}/readyz"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an authority and the certificate of a replica are."""
    directory = tmp_path_factory.mktemp("certificates")
    Authority(directory).server("replica", ["localhost"])
    return directory


def test_a_replica_that_is_ready_is_quoted(certificates: Path) -> None:
    with replica(certificates, 200, b"ok") as url:
        asked = CliRunner().invoke(app, ["probe", url, "--ca-file", str(certificates / "ca.crt")])
    assert (asked.exit_code, asked.stdout) == (0, "ok\n")


def test_one_that_is_not_says_why(certificates: Path) -> None:
    with replica(certificates, 503, b"no range yet") as url:
        asked = CliRunner().invoke(app, ["probe", url, "--ca-file", str(certificates / "ca.crt")])
    assert asked.exit_code == 1
    assert asked.stderr == f"kubemacpool: {url}: 503 no range yet\n"


def test_one_that_nobody_vouches_for_is_not_asked(certificates: Path) -> None:
    with replica(certificates, 200, b"ok") as url:
        asked = CliRunner().invoke(app, ["probe", url])
    assert asked.exit_code == 1
    assert "certificate verify failed" in asked.stderr


def test_nobody_at_all_is_told(certificates: Path) -> None:
    with replica(certificates, 200, b"ok") as url:
        pass
    asked = CliRunner().invoke(app, ["probe", url, "--ca-file", str(certificates / "ca.crt")])
    assert asked.exit_code == 1
    assert "refused" in asked.stderr


def test_other_kinds_of_addresses_are_refused() -> None:
    asked = CliRunner().invoke(app, ["probe", "file:///etc/passwd"])
    assert asked.exit_code == 2
    assert "file:///etc/passwd" in asked.stderr
