"""The first things a replica needs: a certificate, and to know which cluster this is."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.identity import read_cluster_uid
from kubemacpool.kube.secrets import ClusterSecrets
from kubemacpool.ports.errors import OutsideError
from kubemacpool.service.backoff import Backoff
from kubemacpool.tls.bootstrap import Bootstrap, Credentials
from kubemacpool.tls.issuing import ServerNames, service_names

SERVICES = ("kubemacpool-service", "kubemacpool-metrics-service")

ResultT = TypeVar("ResultT")

_log = structlog.get_logger(__name__)


def bootstrap_for(client: ApiClient, namespace: str) -> Bootstrap:
    """What keeps the certificates of this installation."""
    return Bootstrap(ClusterSecrets(client, namespace), ServerNames(service_names(SERVICES, namespace)))


async def establish_credentials(bootstrap: Bootstrap) -> Credentials:
    """Get the certificate from its Secrets, or issue it; try until it is done."""
    return await _persevere(bootstrap.ensure_certificates, "no certificate yet, trying again")


async def learn_cluster_uid(client: ApiClient) -> str:
    """Ask which cluster this is; try until it is known."""
    return await _persevere(lambda: read_cluster_uid(client), "the cluster's uid is not known yet, trying again")


async def _persevere(attempt: Callable[[], Awaitable[ResultT]], complaint: str) -> ResultT:
    backoff = Backoff()
    while True:
        try:
            return await attempt()
        except OutsideError as error:
            _log.warning(complaint, error=str(error))
        await asyncio.sleep(backoff.next_delay(random.random()))  # noqa: S311 (keeps replicas apart, hides nothing)
