"""Asking a local server over HTTPS, past every proxy that the environment may name."""

from __future__ import annotations

import http.client
import re
import ssl

SECONDS = 10.0


def ask(address: str, path: str, context: ssl.SSLContext) -> str:
    """Make a GET request and return the body of its answer.

    Raises:
        OSError: nobody answers.
    """
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=SECONDS, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except http.client.HTTPException as error:
        message = f"{address} broke off: {error}"
        raise ConnectionError(message) from error
    finally:
        connection.close()


def figures(address: str) -> dict[str, float]:
    """Read a replica's metrics, whoever it says it is: by name, with labels as they stand.

    Args:
        address: host and port of its metrics.

    Raises:
        OSError: it does not answer.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    exposition = ask(address, "/metrics", context)
    return {name: float(value) for name, value in re.findall(r"^(?!#)(.+) (\S+)$", exposition, re.MULTILINE)}
