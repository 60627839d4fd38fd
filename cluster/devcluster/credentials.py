"""Who may do what on a new cluster: its certificates, its token key, and a kubeconfig for each of its users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devcluster import kubeconfig, pki

if TYPE_CHECKING:
    from devcluster.layout import Layout, Record

ADMIN = "admin"
# The names and groups that the API server's own roles are bound to.
USERS = {
    ADMIN: ("kubemacpool-admin", ("system:masters",)),
    "kwok": ("kwok", ("system:masters",)),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
}
# Who else there is where nodes are real.
REAL_NODES_USERS = {
    "kube-proxy": ("system:kube-proxy", ()),
    "npwg": ("npwg", ()),
    # The API server, as kubelets know it.
    "kube-apiserver-kubelet": ("kube-apiserver-kubelet", ("system:masters",)),
}


def write_credentials(layout: Layout, record: Record) -> None:
    """Make everything anew."""
    authority = pki.Authority(layout.pki)
    service = "kubernetes.default.svc"
    hosts = ["kubernetes", "kubernetes.default", service, f"{service}.cluster.local", "localhost", record.host]
    authority.server("kube-apiserver", [*hosts, record.api_service])
    pki.write_token_key(layout.pki)
    for name, (user, groups) in (USERS | (REAL_NODES_USERS if record.real_nodes else {})).items():
        authority.client(name, user, groups)
        kubeconfig.write_with_certificate(
            layout.kubeconfig if name == ADMIN else layout.component_kubeconfig(name),
            record.server_url,
            layout.pki / "ca.crt",
            layout.pki / f"{name}.crt",
            layout.pki / f"{name}.key",
        )
