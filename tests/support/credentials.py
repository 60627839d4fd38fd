"""Our certificates and the caBundle, and what somebody might do to them by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient

SECRETS: Final = "/api/v1/namespaces/kubemacpool-system/secrets"
GARBAGE: Final = {"data": {"tls.crt": "Z2FyYmFnZQ==", "tls.key": "Z2FyYmFnZQ=="}}


async def spoil(cluster: ClusterClient, how: str) -> None:
    """Do it, in one of these ways."""
    match how:
        case "both Secrets are deleted":
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-ca")
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-service")
        case "the serving certificate is deleted":
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-service")
        case "the authority is garbage":
            await cluster.patch(f"{SECRETS}/kubemacpool-ca", GARBAGE)
        case "the serving certificate is garbage":
            await cluster.patch(f"{SECRETS}/kubemacpool-service", GARBAGE)
        case "the serving certificate is emptied":
            await cluster.patch(f"{SECRETS}/kubemacpool-service", {"data": {"tls.crt": "", "tls.key": ""}})
        case _:
            raise AssertionError(how)
