"""Crowds against replicas that may have 1,024 files open: nobody who has something to ask is shut out.

An installation of its own, since the limit is that of its processes from their start.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.abuse.crowding import Crowd
from tests.support.cluster_client import pod
from tests.support.installed import Installed, eventually, installation

from devcluster.settings import RELEASE_MANIFEST
from kubemacpool.server.limits import TELL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

    from devcluster.installation import ReplicaStatus

pytestmark = pytest.mark.usefixtures("survivors")

DESCRIPTORS: Final = 1024
CONNECTIONS: Final = 352
"""What the webhook's port may take of them."""
CROWD: Final = 1500
SOURCES: Final = tuple(f"127.0.7.{number}" for number in range(1, 6))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose replicas may have few files open."""
    directory = tmp_path_factory.mktemp("few-descriptors")
    shipped, limited = 'command: ["kubemacpool"]', f'command: ["prlimit", "--nofile={DESCRIPTORS}", "kubemacpool"]'
    text = RELEASE_MANIFEST.read_text("utf-8")
    assert text.count(shipped) == 1
    manifest = directory / "kubemacpool.yaml"
    manifest.write_text(text.replace(shipped, limited), "utf-8")
    with installation(directory / "cluster", nodes=1, manifest=manifest) as installed:
        yield installed


def _open_files(replica: ReplicaStatus) -> int:
    return len(list(Path(f"/proc/{replica.pid}/fd").iterdir()))


async def _probed(installed: Installed, replica: ReplicaStatus) -> list[int]:
    """What both ports answer to both probes."""
    urls = [f"{url}/{path}" for url in (replica.health_url, replica.webhook_url) for path in ("healthz", "readyz")]
    return [status for status, *_ in [await installed.ask(url) for url in urls]]


async def _create_pods(cluster: ClusterClient, namespace: str, block: Block, number: int) -> None:
    """Create pods that ask for addresses of their own, each of which has to be written to the Lease first."""
    for each in range(number):
        networks = f'[{{"name":"one","mac":"{block[each]}"}},{{"name":"two"}}]'
        reply = await cluster.made(namespace, pod(f"pod-{block[each].replace(':', '')}", networks))
        assert len(set(reply.macs)) == 2
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("sources", [SOURCES[:1], SOURCES], ids=["one address", "several addresses"])
async def test_silence_shuts_nobody_out(
    installed: Installed, cluster: ClusterClient, namespace: str, block: Block, sources: tuple[str, ...]
) -> None:
    """Fifteen hundred say nothing to the leader: pods are created, probes and peers are answered."""
    leader = await installed.leader()
    ends, began = installed.log_ends(), time.monotonic()
    async with Crowd(leader.webhook_url, sources) as crowd:
        await asyncio.gather(crowd.say_nothing(CROWD), _create_pods(cluster, namespace, block, 30))
        assert await _probed(installed, leader) == [200] * 4
        assert (await installed.leader()).name == leader.name, "the Lease is renewed"
    turned_away = "connections turned away to make room for others"

    async def said() -> bool:
        return bool(installed.log(ends, event=turned_away))

    await eventually(said, "it is said")
    told = installed.log(ends, event=turned_away)
    for replica in installed.replicas:
        lines = installed.log_of(replica, ends, event=turned_away)
        assert len(lines) <= 1 + (time.monotonic() - began) / TELL_SECONDS, "not more often than that"
    assert [line["limit"] for line in told] == [CONNECTIONS] * len(told)


async def test_whoever_never_begins_with_tls_shuts_nobody_out(
    installed: Installed, cluster: ClusterClient, namespace: str, block: Block
) -> None:
    leader = await installed.leader()
    async with Crowd(leader.webhook_url, SOURCES) as crowd:
        await asyncio.gather(crowd.say_nothing(CROWD, tls=False), _create_pods(cluster, namespace, block, 10))
        assert await _probed(installed, leader) == [200] * 4


async def test_a_crowd_leaves_room_for_every_outgoing_call(
    installed: Installed, cluster: ClusterClient, namespace: str, block: Block
) -> None:
    """Watches, the Lease and a call to another replica for each client need descriptors as well."""
    one, other = installed.replicas
    ends = installed.log_ends()
    async with Crowd(one.webhook_url, SOURCES) as here, Crowd(other.webhook_url, SOURCES) as there:
        await asyncio.gather(here.say_nothing(CROWD, tls=False), there.say_nothing(CROWD, tls=False))
        left = [DESCRIPTORS - _open_files(replica) for replica in (one, other)]
        await _create_pods(cluster, namespace, block, 10)
    assert min(left) > CONNECTIONS
    assert installed.log(ends, level="error") == []
