"""Which cluster this is."""

from typing import Final

from kubemacpool.kube.client import ApiClient
from kubemacpool.ports.errors import ClusterUnavailableError
from kubemacpool.wire.listing import read_head

_NAMESPACE: Final = "/api/v1/namespaces/kube-system"


async def read_cluster_uid(client: ApiClient) -> str:
    """The uid of the namespace kube-system, which every cluster has and which lives as long as it: the cluster's own.

    Raises:
        OutsideError: as the API server answered.
    """
    uid = read_head(await client.get(_NAMESPACE)).identity.uid
    if not uid:
        raise ClusterUnavailableError(f"GET {_NAMESPACE}: the answer has no metadata.uid")
    return uid
