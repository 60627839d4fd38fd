"""A program that stands in for the Go implementation's webhook: it gives pods addresses and always agrees."""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NETWORKS = "k8s.v1.cni.cncf.io/networks"
PREFIX = "02:60:00:00"
numbers = itertools.count(1)


def patched(pod: dict[str, dict[str, dict[str, str]]]) -> list[dict[str, str]]:
    """A JSON patch that gives each network of a pod an address."""
    networks = json.loads(pod["metadata"]["annotations"][NETWORKS])
    for network in networks:
        number = next(numbers)
        network.setdefault("mac", f"{PREFIX}:{number >> 8:02x}:{number & 0xFF:02x}")
    path = f"/metadata/annotations/{NETWORKS.replace('/', '~1')}"
    return [{"op": "replace", "path": path, "value": json.dumps(networks)}]


class Answer(BaseHTTPRequestHandler):
    """Answers probes and reviews."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a probe."""
        self._say(b"ok")

    def do_POST(self) -> None:
        """Allow what is asked."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review.pop("request")
        review["response"] = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/mutate-pods"):
            patch = json.dumps(patched(request["object"])).encode()
            review["response"] |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
        self._say(json.dumps(review).encode())

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""


def main() -> None:
    """Serve until SIGTERM."""
    address = (os.environ["KUBEMACPOOL_BIND_ADDRESS"], int(os.environ["KUBEMACPOOL_WEBHOOK_PORT"]))
    server = ThreadingHTTPServer(address, Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
