"""The first thing a replica needs: a certificate that the API server trusts."""

import asyncio
import random

import structlog

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.secrets import ClusterSecrets
from kubemacpool.kube.webhooks import WebhookConfiguration
from kubemacpool.ports.errors import OutsideError
from kubemacpool.service.backoff import Backoff
from kubemacpool.tls.bootstrap import Bootstrap, Credentials
from kubemacpool.tls.issuing import ServerNames, service_names

WEBHOOK_CONFIGURATION = "kubemacpool-mutator"
SERVICES = ("kubemacpool-service", "kubemacpool-metrics-service")

_log = structlog.get_logger(__name__)


async def establish_credentials(client: ApiClient, namespace: str) -> Credentials:
    """Get the certificate from its Secrets, or issue it, and have the API server trust it; try until it is done."""
    bootstrap = Bootstrap(
        ClusterSecrets(client, namespace),
        WebhookConfiguration(client, WEBHOOK_CONFIGURATION),
        ServerNames(service_names(SERVICES, namespace)),
    )
    backoff = Backoff()
    while True:
        try:
            return await bootstrap.establish()
        except OutsideError as error:
            _log.warning("no certificate yet, trying again", error=str(error))
        await asyncio.sleep(backoff.next_delay(random.random()))  # noqa: S311 (keeps replicas apart, hides nothing)
