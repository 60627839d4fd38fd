"""What a replica has to have before it can answer: a certificate, and the name of its cluster."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from kubemacpool.certs.files import LOOK_SECONDS, ServingFiles
from kubemacpool.certs.intervals import GRACE_SECONDS, Intervals
from kubemacpool.certs.issue import ServerNames, service_names
from kubemacpool.certs.rotation import Bootstrap, Credentials
from kubemacpool.expiry import corrected
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import read_cluster_uid
from kubemacpool.kube.writes import ClusterSecrets
from kubemacpool.pacing import Backoff
from kubemacpool.ports import OutsideError
from kubemacpool.trust import OBSTACLE, UNKNOWN

SERVICES = ("kubemacpool-service", "kubemacpool-metrics-service")

ResultT = TypeVar("ResultT")

_log = structlog.get_logger(__name__)


def replica_name(namespace: str) -> str:
    """By which replicas ask for each other, and by which nobody else does: it leads nowhere."""
    return f"replica.{service_names(SERVICES, namespace)[0]}"


def bootstrap_for(client: ApiClient, namespace: str, intervals: Intervals) -> Bootstrap:
    """What keeps the certificates of this installation."""
    names = ServerNames((*service_names(SERVICES, namespace), replica_name(namespace)))
    return Bootstrap(
        ClusterSecrets(client, namespace),
        names,
        intervals=intervals,
        time_of_day=lambda: corrected(client.clock_skew),
    )


async def establish_credentials(bootstrap: Bootstrap, readiness: Readiness) -> Credentials:
    """Get the certificate from its Secrets, or issue it; try until it is done, and have readiness say what is wrong."""
    complaint = "no certificate yet, trying again"
    credentials = await _persevere(
        lambda: bootstrap.ensure_certificates(GRACE_SECONDS + 1.0),
        complaint,
        lambda error: readiness.hinder(OBSTACLE, f"{complaint}: {error}"),
    )
    readiness.hinder(OBSTACLE, UNKNOWN)
    return credentials


async def establish_given(files: ServingFiles, readiness: Readiness) -> None:
    """Get the certificate from its files; look until they hold one, and have readiness say what is wrong."""
    files.look()
    while files.fault:
        readiness.hinder(OBSTACLE, f"no certificate yet: {files.fault}")
        await asyncio.sleep(LOOK_SECONDS)
        files.look()
    readiness.hinder(OBSTACLE, UNKNOWN)


async def learn_cluster_uid(client: ApiClient) -> str:
    """Ask which cluster this is; try until it is known."""
    return await _persevere(lambda: read_cluster_uid(client), "the cluster's uid is not known yet, trying again")


async def _persevere(
    attempt: Callable[[], Awaitable[ResultT]], complaint: str, tell: Callable[[OutsideError], None] = lambda _: None
) -> ResultT:
    backoff = Backoff()
    while True:
        try:
            return await attempt()
        except OutsideError as error:
            _log.warning(complaint, error=str(error))
            tell(error)
        await asyncio.sleep(backoff.next_delay(random.random()))  # noqa: S311 (keeps replicas apart, hides nothing)
