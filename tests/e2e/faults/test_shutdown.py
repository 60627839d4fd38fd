"""SIGTERM: what is under way is finished, and then it is over soon."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.e2e.cluster_client import pod
from tests.e2e.faults.test_readiness import review
from tests.e2e.installed import eventually, read_log

if TYPE_CHECKING:
    from tests.e2e.cluster_client import ClusterClient
    from tests.e2e.installed import Installed

DRAIN_DELAY: Final = 1.0  # as set for these tests


async def open_connection(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the replica itself."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    host, port = url.removeprefix("https://").split(":")
    return await asyncio.open_connection(host, int(port), ssl=trusting)


async def test_an_admission_under_way_is_finished_after_the_port_was_closed_and_the_exit_code_is_0(
    installed: Installed, namespace: str
) -> None:
    url, process = installed.replica.webhook_url, installed.process
    reader, writer = await open_connection(url)
    body = review(namespace, "slow")
    head = ("POST /mutate-pods HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}")
    writer.write("\r\n".join((*head, "", "")).encode() + body[:20])
    await writer.drain()
    await asyncio.sleep(0.2)
    began = time.monotonic()
    process.send(signal.SIGTERM)

    async def port_closed() -> bool:
        try:
            _, unwanted = await open_connection(url)
        except OSError:
            return True
        unwanted.close()
        return False

    await eventually(port_closed, "the port is closed")
    assert time.monotonic() - began >= DRAIN_DELAY
    assert process.alive()
    writer.write(body[20:])
    answer = await reader.read()  # until it closes the connection
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    assert b'"allowed":true' in answer

    async def ended() -> bool:
        return not process.alive()

    await eventually(ended, "the process has ended", within=3)
    await installed.replaced(process)
    assert installed.replica.last_exit == "ended with status 0"
    assert installed.log(event="stopped")
    assert installed.log(level="error") == []


async def test_creates_that_are_in_flight_at_sigterm_finish(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    created: set[str] = set()
    failures: list[str] = []
    over = asyncio.Event()

    async def client(number: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            name = f"pod-{number}-{count}"
            reply = await cluster.create(namespace, pod(name))
            if reply.created:
                created.add(f"Pod {namespace}/{name}")
            else:
                failures.append(reply.message)
                await asyncio.sleep(0.05)

    process, log = installed.process, Path(installed.replica.log)
    clients = [asyncio.create_task(client(number)) for number in range(16)]
    await asyncio.sleep(0.5)
    before = len(created)
    assert before
    process.send(signal.SIGTERM)
    await asyncio.sleep(DRAIN_DELAY / 2)
    assert failures == []  # it goes on serving while others are told
    assert len(created) > before

    async def ended() -> bool:
        return not process.alive()

    await eventually(ended, "the process has ended", within=5)
    over.set()
    await asyncio.gather(*clients)
    await installed.replaced(process)
    # There is one replica, so for a moment nobody listens. But whoever was let in has got the answer.
    granted = {str(line["object"]) for line in read_log(log) if line["event"] == "granted"}
    assert {name for name in granted if f" {namespace}/" in name} == created
    assert all("failed calling webhook" in failure for failure in failures)
    await cluster.made(namespace, pod("after"))
