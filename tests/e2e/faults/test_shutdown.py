"""SIGTERM: what is under way is finished, and then it is over soon."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.installed import eventually, process_of, read_log
from tests.support.load import GENERATED, Load
from tests.support.reviews import review

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

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
    replica = await installed.leader()  # what arrives after SIGTERM is handed to the next one
    url, process = replica.webhook_url, process_of(replica)
    since = installed.log_ends()
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
    asked_by_kubelet = await installed.ask(f"{replica.health_url}/readyz")
    assert asked_by_kubelet[0] == 200, "a probe that fails is an Event at each rollout"
    writer.write(body[20:])
    answer = await reader.read()  # until it closes the connection
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    assert b'"allowed":true' in answer

    async def ended() -> bool:
        return not process.alive()

    await eventually(ended, "the process has ended", within=3)
    await installed.replaced(replica)
    assert [each.last_exit for each in installed.replicas if each.name == replica.name] == ["ended with status 0"]
    assert installed.log_of(replica, since, event="stopped")
    assert installed.log(since, level="error") == []


async def test_creates_go_on_without_a_failure_while_all_replicas_are_replaced(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    before, old_logs = installed.processes, [Path(replica.log) for replica in installed.replicas]
    async with Load(cluster, namespace, block) as load:
        await load.until_more(50)
        await installed.restart()
        await load.until_more(50)
    assert not installed.processes & before
    assert load.failures == []
    assert load.shared() == []
    # Whoever was let in was told so: nothing was allocated of which the API server never heard.
    logs = [*old_logs, *(Path(replica.log) for replica in installed.replicas)]
    allocated = {str(line["object"]) for log in logs for line in read_log(log) if line["event"] == "allocated"}
    named = {name for name in allocated if f" {namespace}/" in name and not name.endswith("*")}
    assert named == {f"Pod {namespace}/{name}" for name in load.created if not name.startswith(GENERATED)}
