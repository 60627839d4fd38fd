"""Replicas that cannot reach each other: a wrong POD_IP, or a NetworkPolicy that lets only the API server in."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
from tests.support.cluster_client import pod, together
from tests.support.installed import ENVIRONMENT, Installed, installation
from tests.support.reviews import review, webhook

from kubemacpool.admission.webhook import HOLD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster_client import ClusterClient

pytestmark = pytest.mark.usefixtures("survivors")

NOBODY: Final = "127.255.31.7"
"""Where no replica listens."""
PODS: Final = 600
ASKED: Final = 5
AT_ONCE: Final = 200


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose replicas tell each other an address at which they are not."""
    with installation(
        tmp_path_factory.mktemp("unreachable-cluster"), controllers=False, environment={**ENVIRONMENT, "POD_IP": NOBODY}
    ) as installed:
        yield installed


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
async def test_creates_succeed_since_the_api_server_is_sent_to_the_one_who_leads(
    cluster: ClusterClient,
    installed: Installed,
    namespace: str,
    silent: bool,  # noqa: FBT001 (a case)
) -> None:
    """Nobody is kept waiting by a replica that cannot help."""
    with ExitStack() as listening:
        for replica in installed.replicas if silent else ():
            port = urlsplit(replica.webhook_url).port
            assert port is not None
            listening.enter_context(socket.create_server((NOBODY, port)))  # and never says a word
        (follower,) = await installed.followers()
        await installed.ask(webhook(follower), review(namespace, "first"))
        for number in range(ASKED):
            began = time.monotonic()
            status, _, headers = await installed.ask(webhook(follower), review(namespace, f"asked-{number}"))
            assert (status, headers["Retry-After"], headers["Connection"]) == (503, "1", "close")
            assert time.monotonic() - began < HOLD_SECONDS, "it was not held"
        # More at a time than the API server keeps connections: most are new, and every other one is to the wrong one.
        replies = await together(
            (cluster.create(namespace, pod(f"pod-{number}")) for number in range(PODS)), clients=AT_ONCE
        )
    failures = [reply.message for reply in replies if not reply.created]
    assert len(failures) <= PODS / 50, failures
