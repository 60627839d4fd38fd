"""A program that stands in for KubeMacPool: it answers its probes and says its name, or fails as it is told to."""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    """Answers every request with the replica's name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a probe or a test."""
        body = os.environ["POD_NAME"].encode()
        unready = self.path == "/readyz" and os.environ["MODE"] == "unready"
        self.send_response(503 if unready else 200)
        self.send_header("Content-Length", str(len(body)))
        # As a server does that drains: whoever asks next asks on another connection.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Refuse what a webhook is asked, with the replica's name."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = {"message": f"refused by {os.environ['POD_NAME']}"}
        review["response"] = {"uid": review.pop("request")["uid"], "allowed": False, "status": status}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Log nothing: the test reads the log's last line."""


def main() -> None:
    """Serve until SIGTERM."""
    name, namespace, account = (os.environ[variable] for variable in ("POD_NAME", "POD_NAMESPACE", "KUBECONFIG"))
    sys.stdout.write(f"{name} in {namespace} with {sys.argv[1:]} and {account}\n")
    sys.stdout.flush()
    if os.environ["MODE"] == "crash":
        sys.exit("RANGE_END of ConfigMap kubemacpool-mac-range-config is 7, which is no address")
    address = (os.environ["KUBEMACPOOL_BIND_ADDRESS"], int(os.environ["KUBEMACPOOL_WEBHOOK_PORT"]))
    server = ThreadingHTTPServer(address, Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
    # A probe that is slow to shake hands must not hold up the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
