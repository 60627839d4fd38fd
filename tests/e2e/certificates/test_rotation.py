"""Authority and certificate change every few seconds, whatever becomes of the replicas, and nobody notices."""

from __future__ import annotations

import asyncio
import base64
import random
import signal
import ssl
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.installed import eventually, process_of
from tests.support.load import Load

from kubemacpool.certs.contexts import client_context
from kubemacpool.certs.intervals import SETTLED_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.certificates.conftest import Steps
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

SERVER: Final = "kubemacpool-service.kubemacpool-system.svc"
FAILED: Final = "kubemacpool_forwarded_reviews_total{outcome=failed}"
THINK_SECONDS: Final = 0.25
"""Of sixteen clients: fifty creates a second, and some more where there is nothing else to do."""


class Doorbell:
    """A client that trusts the caBundle as it was a moment ago, and connects to every replica again and again."""

    def __init__(self, installed: Installed, steps: Steps) -> None:
        self.shaken = 0
        self.refused: list[str] = []
        self._installed = installed
        self._steps = steps

    async def ring(self) -> None:
        """Go on until cancelled."""
        while True:
            tls = client_context(base64.b64decode(self._steps.bundles[-1]))
            for replica in self._installed.replicas:
                host, port = replica.webhook_url.removeprefix("https://").split(":")
                try:
                    _, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=SERVER)
                except ssl.SSLError as error:
                    self.refused.append(f"{replica.name}: {error}")
                except OSError:  # it is starting or ending
                    continue
                else:
                    self.shaken += 1
                    writer.transport.abort()
            await asyncio.sleep(0.1)


@pytest.fixture
async def doorbell(installed: Installed, steps: Steps) -> AsyncIterator[Doorbell]:
    """Rings for as long as the test lasts; no replica ever shows it what it does not trust."""
    doorbell = Doorbell(installed, steps)
    ringing = asyncio.create_task(doorbell.ring())
    yield doorbell
    ringing.cancel()
    await asyncio.wait({ringing})
    assert ringing.cancelled(), ringing.exception()
    assert doorbell.refused == []
    assert doorbell.shaken > len(steps.serving), "each certificate was shown"


@pytest.mark.usefixtures("doorbell")
@pytest.mark.parametrize("rotations", [5, pytest.param(20, marks=pytest.mark.nightly)])
async def test_no_create_fails_while_certificates_change_again_and_again(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, steps: Steps, rotations: int
) -> None:
    """Nor is a review that one replica hands to another lost, or a process replaced."""
    processes, ends = installed.processes, installed.log_ends()
    served = len(steps.serving)
    async with Load(cluster, namespace, block, think=THINK_SECONDS) as load:
        await steps.more(steps.authorities, rotations, within=rotations * 10)
    assert load.failures == []
    assert load.shared() == []
    assert len(steps.serving) - served >= rotations - 1
    assert installed.processes == processes
    for replica in installed.replicas:
        assert (await installed.figures(replica))[FAILED] == 0
    assert installed.log(ends, level="error") == []


@pytest.mark.usefixtures("doorbell")
async def test_replicas_that_are_replaced_in_the_middle_of_any_step_fail_no_create(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, steps: Steps
) -> None:
    draw = random.Random(7)  # noqa: S311 (a test's choice)
    async with Load(cluster, namespace, block, think=THINK_SECONDS) as load:
        for step in (steps.authorities, steps.bundles, steps.serving):
            await steps.more(step)
            await asyncio.sleep(draw.random())
            await installed.restart()
        await steps.more(steps.authorities, 2)
    assert load.failures == []
    assert load.shared() == []


@pytest.mark.usefixtures("doorbell")
async def test_a_leader_that_is_killed_in_the_middle_of_any_step_leaves_what_another_goes_on_from(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, steps: Steps
) -> None:
    """What it was answering just then fails, and nothing else: no certificate ends meanwhile, or is not trusted."""
    async with Load(cluster, namespace, block, think=THINK_SECONDS) as load:
        for step in (steps.authorities, steps.bundles, steps.serving):
            leader = await installed.leader()
            await steps.more(step)
            process_of(leader).send(signal.SIGKILL)
            await installed.replaced(leader)
        await steps.more(steps.authorities, 2)
        await steps.more(steps.serving, 2)
    assert load.shared() == []
    distrusted = [each for each in load.failures if "x509" in each.message or "tls:" in each.message]
    # An admission asks with the caBundle that it began with: one that has had to wait for a new leader may find that
    # the authority has been followed meanwhile, which takes longer where the intervals are not of seconds.
    assert [each for each in distrusted if each.ended - each.began < SETTLED_SECONDS] == []
    assert len(load.failures) < len(load.created) / 10

    async def ready() -> bool:
        return await installed.readiness() == {"200 ok"}

    await eventually(ready, "every replica is ready")
