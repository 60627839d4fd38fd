"""Who reads the metrics of the replicas: a ServiceAccount that may, as Prometheus has one."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Final

from devcluster.errors import ApiError

if TYPE_CHECKING:
    from devcluster.controlplane import ControlPlane

NAME: Final = "scraper"
NAMESPACE: Final = "default"
TOKEN_SECONDS: Final = 24 * 3600
PATHS: Final = ("/metrics", "/debug/*")


class Scraper:
    """A user of the cluster who may read metrics and look inside the replicas."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Make it when it is needed first."""
        self._control_plane = control_plane
        self._headers: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """By which a request says who sends it; the token counts for a day.

        Raises:
            ApiError: the API server refuses to make one.
            OSError: it could not be reached.
        """
        if not self._headers:
            self._make()
            token = self._control_plane.service_account_token(NAMESPACE, NAME, TOKEN_SECONDS)
            self._headers = {"Authorization": f"Bearer {token}"}
        return self._headers

    def _make(self) -> None:
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        role = {"metadata": {"name": NAME}, "rules": [{"nonResourceURLs": PATHS, "verbs": ["get", "put"]}]}
        binding = {
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "namespace": NAMESPACE, "name": NAME}],
        }
        for path, body in (
            (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": NAME}}),
            (f"{rbac}/clusterroles", role),
            (f"{rbac}/clusterrolebindings", binding),
        ):
            try:
                self._control_plane.api.request("POST", path, body)
            except ApiError as error:
                if error.status != http.HTTPStatus.CONFLICT:
                    raise
