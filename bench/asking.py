"""Asking a local server over HTTPS, past every proxy that the environment may name."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

from tests.support.metrics import figures_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.scraping import Scraper

SECONDS = 10.0


def ask(address: str, path: str, context: ssl.SSLContext) -> str:
    """Make a GET request and return the body of its answer.

    Raises:
        OSError: nobody answers.
    """
    return _get(address, path, context, {})[1]


def is_ready(address: str) -> bool:
    """Whether a replica says that it is ready, asked as a kubelet does, from when its webhooks are put into effect.

    Args:
        address: host and port of its probes; not ready if nobody answers there.
    """
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _get(address: str, path: str, context: ssl.SSLContext, headers: Mapping[str, str]) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=SECONDS, context=context)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        message = f"{address} broke off: {error}"
        raise ConnectionError(message) from error
    finally:
        connection.close()


def figures(address: str, scraper: Scraper) -> dict[str, float]:
    """Read a replica's metrics, whoever it says it is: by name and labels, as tests and chaos name them.

    Args:
        address: host and port of its metrics.
        scraper: who may read them.

    Raises:
        OSError: it does not answer.
    """
    status, text = _get(address, "/metrics", _anybody(), scraper.headers)
    if status != http.HTTPStatus.OK:
        raise ConnectionError(f"{address} does not give its metrics: {status} {text}")
    return figures_of(text)


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
