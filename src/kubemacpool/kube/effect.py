"""The ClusterRoleBinding that puts our webhooks into effect, and what a predecessor has left running."""

from typing import Final

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.ports import ClusterUnavailableError
from kubemacpool.wire.effect import effect_patch, read_effect
from kubemacpool.wire.listing import UnexpectedAnswerError

CLUSTER_ROLE_BINDINGS: Final = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
BINDING: Final = "kubemacpool-serving"
PREDECESSOR: Final = "kubemacpool-cert-manager"


class ServingBinding:
    """Implements `kubemacpool.effect.Switch`.

    Needs the verbs get and patch on the ClusterRoleBinding, and bind on the ClusterRole that it refers to.

    Args:
        client: asks the API server.
        namespace: ours, in which our ServiceAccount is.
    """

    _path: Final = f"{CLUSTER_ROLE_BINDINGS}/{BINDING}"

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def read(self) -> bool:
        """Whether the webhooks are in effect."""
        body = await self._client.get(self._path)
        try:
            return read_effect(body, self._namespace)
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"GET {self._path}: {error}") from error

    async def write(self, *, in_effect: bool) -> None:
        """Puts them into effect, or out of it."""
        body = effect_patch(self._namespace, in_effect=in_effect)
        await self._client.patch(self._path, body, content_type=MERGE_PATCH)


async def end_predecessor(client: ApiClient, namespace: str) -> None:
    """Delete the Deployment of the Go implementation that would go on writing a caBundle of its own.

    Raises:
        NotFoundError: there is none.
        OutsideError: as the API server answered.
    """
    await client.delete(f"/apis/apps/v1/namespaces/{namespace}/deployments/{PREDECESSOR}")
