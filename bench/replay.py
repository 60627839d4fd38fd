"""An API server that replays a recorded watch: the lives of plain pods, over TLS, in the pieces that it sends.

`life.jsonl` has the watch events of one pod of a Deployment as a control plane of Kubernetes 1.37 with KWOK sent them:
created, bound to a node, running, to be deleted, grace period over, gone. Each event is one write, and so one chunk of
the answer and one record of TLS, as Go's net/http makes it.

Called by the benchmark as `python -m bench.replay CERTIFICATE KEY PODS PER_SECOND [networks]`; prints the port.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOST = "127.0.0.1"
LIFE = Path(__file__).with_name("life.jsonl")
FIRST_VERSION = 1000
# So many pods live at the same time.
CROWD = 20
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_LIST = (
    b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"%d"},"items":[]}'
)
_BOOKMARK = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%d","creationTimestamp":null}}}\n'


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    resource_version: str


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Event(msgspec.Struct):
    object: _Object


def lives(pods: int, *, networks: bool = False) -> Iterator[bytes]:
    """Give the lines of a watch in which so many pods come and go, and at the end a bookmark.

    Args:
        pods: how many.
        networks: whether they have two networks, with addresses.
    """
    lines = LIFE.read_bytes().splitlines(keepends=True)
    events = [msgspec.json.decode(line, type=_Event).object.metadata for line in lines]
    version = FIRST_VERSION
    for begin in range(0, pods, CROWD):
        for line, event in zip(lines, events, strict=True):
            for pod in range(begin, min(begin + CROWD, pods)):
                version += 1
                tail = f"{pod:05x}"
                yield (
                    line.replace(b'"labels":{', (_annotations(pod) if networks else b"") + b'"labels":{', 1)
                    .replace(event.name.encode(), f"{event.name[: -len(tail)]}{tail}".encode())
                    .replace(event.uid.encode(), f"{event.uid[: -len(tail)]}{tail}".encode())
                    .replace(f'"{event.resource_version}"'.encode(), f'"{version}"'.encode())
                )
    yield _BOOKMARK % (version + 1)


def _annotations(pod: int) -> bytes:
    first, second = (
        f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}" for number in (2 * pod, 2 * pod + 1)
    )
    selections = [{"name": "ovs-conf", "mac": first}, {"name": "storage", "namespace": "default", "mac": second}]
    annotations = {"k8s.v1.cni.cncf.io/networks": msgspec.json.encode(selections).decode()}
    return b'"annotations":%b,' % msgspec.json.encode(annotations)


def events_of(pods: int) -> int:
    """Count the events of so many pods, without the bookmark."""
    return pods * len(LIFE.read_bytes().splitlines())


def serve(context: ssl.SSLContext, lines: Iterable[bytes], per_second: float) -> None:
    """Answer lists and watches until this process is ended."""
    chunks = [b"%x\r\n%b\r\n" % (len(line), line) for line in lines]
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (context, connection, chunks, per_second)
            threading.Thread(target=_answer, args=arguments, daemon=True).start()


def _answer(context: ssl.SSLContext, connection: socket.socket, chunks: list[bytes], per_second: float) -> None:
    try:
        with context.wrap_socket(connection, server_side=True) as stream:
            asked = b""
            while piece := stream.recv(65536):
                asked += piece
                if not asked.endswith(b"\r\n\r\n"):
                    continue
                if b"watch=1" in asked.split(b"\r\n", 1)[0]:
                    _watch(stream, chunks, per_second)
                else:
                    body = _LIST % FIRST_VERSION
                    stream.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (_OK, len(body), body))
                asked = b""
    except OSError:  # whoever has heard enough goes
        pass


def _watch(stream: ssl.SSLSocket, chunks: list[bytes], per_second: float) -> None:
    stream.sendall(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    began = time.monotonic()
    for number, chunk in enumerate(chunks):
        wait = began + number / per_second - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        stream.sendall(chunk)


def main() -> None:
    """Serve as the command line says."""
    certificate, key, pods, per_second, *more = sys.argv[1:]
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # whoever is measured may be kept on one core
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    serve(context, lives(int(pods), networks="networks" in more), float(per_second))


if __name__ == "__main__":
    main()
