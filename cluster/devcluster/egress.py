"""A way for the API server to the cluster IPs on machines where they cannot be listened on.

Webhooks are served on port 443 of a Service's cluster IP, and only root may listen there. Where that is so, the API
server is told (by an EgressSelectorConfiguration) to reach everything in the cluster through this proxy: it answers
CONNECT for a Service with one of its ready backends, and for every other address with the address itself.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from devcluster.connections import Backend, ClientSide, Side, cut_all
from devcluster.files import write_atomically
from devcluster.layout import Layout, Record

EGRESS = "egress"
END_OF_HEADER = b"\r\n\r\n"
# A CONNECT request of the API server has some hundred bytes.
MAX_HEADER_BYTES = 8192


def write_table(layout: Layout, table: dict[str, list[Backend]]) -> None:
    """Tell the proxy the ready backends of each Service port ("address:port")."""
    write_atomically(layout.installation / "backends.json", msgspec.json.encode(table))


def read_table(layout: Layout) -> dict[str, list[Backend]]:
    """Return what the proxy was last told."""
    try:
        return msgspec.json.decode((layout.installation / "backends.json").read_bytes(), type=dict[str, list[Backend]])
    except FileNotFoundError:
        return {}


def configuration(record: Record) -> dict[str, object]:
    """Make the API server's EgressSelectorConfiguration."""
    transport = {"uds": {"udsName": record.share.egress_socket}}
    connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


class Tunnel(ClientSide):
    """The end towards the API server, which first says where it wants to go."""

    def __init__(self, sides: set[Side], layout: Layout) -> None:
        """Wait for a request."""
        super().__init__(sides, self._backend)
        self._layout = layout
        self._header = b""
        self._asked = False

    def connect(self) -> None:
        """Wait for the request."""

    def data_received(self, data: bytes) -> None:
        """Read the request; whatever follows it is passed on."""
        if self._asked:
            super().data_received(data)
            return
        self._header += data
        if END_OF_HEADER in self._header:
            self._asked = True
            self._header, _, rest = self._header.partition(END_OF_HEADER)
            super().connect()
            if rest:
                super().data_received(rest)
        elif len(self._header) > MAX_HEADER_BYTES:
            self.cut()

    def connected(self) -> None:
        """Tell the API server that it may speak."""
        self._say("200 OK")

    def refused(self) -> None:
        """Tell the API server that nobody answers there."""
        self._say("502 Bad Gateway")
        if self.transport is not None:
            self.transport.close()

    def _say(self, status: str) -> None:
        if self.transport is not None:
            self.transport.write(f"HTTP/1.1 {status}\r\n\r\n".encode())

    def _backend(self) -> Backend | None:
        words = self._header.decode("latin-1").split()
        host, _, port = words[1].rpartition(":") if len(words) > 1 and words[0] == "CONNECT" else ("", "", "")
        if not port.isdigit():
            return None
        table = read_table(self._layout)
        ready = table.get(f"{host}:{port}", [(host.strip("[]"), int(port))])
        return secrets.choice(ready) if ready else None


async def serve(layout: Layout, path: str, ending: asyncio.Event) -> None:
    """Serve on an abstract Unix socket ("@name") until told to end."""
    sides: set[Side] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Tunnel(sides, layout), path.replace("@", "\0", 1))
    await ending.wait()
    server.close()
    await cut_all(sides)


async def _main(state_dir: Path, path: str) -> None:
    ending = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ending.set)
    await serve(Layout(state_dir), path, ending)


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1]), sys.argv[2]))
