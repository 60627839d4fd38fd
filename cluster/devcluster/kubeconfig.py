"""Kubeconfig files: how a user, a component or a ServiceAccount reaches the API server."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import yaml

from devcluster.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def write_with_certificate(path: Path, server: str, ca: Path, certificate: Path, key: Path) -> None:
    """Write a kubeconfig that holds its client certificate, so that the one file can be handed on."""
    _write(path, server, ca, {"client-certificate-data": _embedded(certificate), "client-key-data": _embedded(key)})


def write_with_token_file(path: Path, server: str, ca: Path, token_file: Path, namespace: str) -> None:
    """Write a kubeconfig that reads its bearer token from a file, which may change while it is in use."""
    _write(path, server, ca, {"tokenFile": str(token_file)}, namespace)


def _write(path: Path, server: str, ca: Path, user: dict[str, str], namespace: str = "default") -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "devcluster", "cluster": {"server": server, "certificate-authority-data": _embedded(ca)}}
        ],
        "users": [{"name": "user", "user": user}],
        "contexts": [
            {"name": "devcluster", "context": {"cluster": "devcluster", "user": "user", "namespace": namespace}}
        ],
        "current-context": "devcluster",
    }
    write_atomically(path, yaml.safe_dump(document, sort_keys=False).encode())


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
