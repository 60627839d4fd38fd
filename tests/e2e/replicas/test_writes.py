"""What leading costs the API server, as its audit log tells: renewals, and a write for those that arrive together."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Final

import aiohttp
from tests.support.cluster_client import pod, together
from tests.support.reviews import review, verdict, webhook

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.e2e.replicas.audit import AuditLog
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

PODS: Final = 300
CROWD: Final = 32
TWO_NETWORKS: Final = '[{"name":"one"},{"name":"two"}]'


def renewals(since: float) -> int:
    """More writes than the renewals that fall into the time since then; they come every 1.3 s."""
    return int(time.monotonic() - since) + 2


async def test_addresses_of_the_pool_are_allocated_without_any_write_but_the_renewals(
    cluster: ClusterClient, installed: Installed, namespace: str, audit_log: AuditLog
) -> None:
    await installed.leader()
    since, began = audit_log.end(), time.monotonic()
    await together(cluster.made(namespace, pod(f"pod-{number}", TWO_NETWORKS)) for number in range(PODS))
    writes = audit_log.writes(since)
    assert all(write.of_lease and write.response_status.code == 200 for write in writes), writes
    assert len(writes) <= renewals(began) < PODS / 2


async def test_those_that_ask_for_addresses_of_their_choice_at_the_same_time_share_a_write(
    installed: Installed, namespace: str, block: Block, audit_log: AuditLog
) -> None:
    leader = await installed.leader()
    apiserver = installed.control_plane.layout.daemon("kube-apiserver").running()
    assert apiserver is not None
    sent = asyncio.Semaphore(0)
    tracing = aiohttp.TraceConfig()

    async def was_sent(*_: object) -> None:
        sent.release()

    tracing.on_request_chunk_sent.append(was_sent)
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[tracing]) as session:

        async def ask(number: int) -> bool:
            body = review(namespace, f"pod-{number}", f'[{{"name":"one","mac":"{block[number]}"}}]')
            headers = {"Content-Type": "application/json"}
            async with session.post(webhook(leader), data=body, headers=headers) as answer:
                return verdict(await answer.text()).allowed

        since, began = audit_log.end(), time.monotonic()
        apiserver.send(signal.SIGSTOP)  # so that no write ends before all have asked
        try:
            asking = [asyncio.create_task(ask(number)) for number in range(CROWD)]
            for _ in range(CROWD):
                await sent.acquire()
            await installed.ask(f"{leader.webhook_url}/healthz")  # what was sent before has been read by now
        finally:
            apiserver.send(signal.SIGCONT)
        assert all(await asyncio.gather(*asking))
    writes = audit_log.writes(since)
    # One that was under way, one for all that came meanwhile, and the renewals.
    assert 0 < len(writes) <= 2 + renewals(began) < CROWD
