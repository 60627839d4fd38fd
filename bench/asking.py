"""Asking a local server over HTTPS, past every proxy that the environment may name."""

from __future__ import annotations

import http.client
import ssl

from tests.support.metrics import figures_of

SECONDS = 10.0


def ask(address: str, path: str, context: ssl.SSLContext) -> str:
    """Make a GET request and return the body of its answer.

    Raises:
        OSError: nobody answers.
    """
    return _get(address, path, context)[1]


def is_ready(address: str) -> bool:
    """Whether a replica says that it is ready, whoever it says it is; not if it does not answer."""
    try:
        return _get(address, "/readyz", _anybody())[0] == http.HTTPStatus.OK
    except OSError:
        return False


def _get(address: str, path: str, context: ssl.SSLContext) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=SECONDS, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        message = f"{address} broke off: {error}"
        raise ConnectionError(message) from error
    finally:
        connection.close()


def figures(address: str) -> dict[str, float]:
    """Read a replica's metrics, whoever it says it is: by name and labels, as tests and chaos name them.

    Args:
        address: host and port of its metrics.

    Raises:
        OSError: it does not answer.
    """
    return figures_of(ask(address, "/metrics", _anybody()))


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
