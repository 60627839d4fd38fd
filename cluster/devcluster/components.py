"""How each program of the control plane is called: pure functions from the record to an argument list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devcluster.assets import KWOK_STAGES
from devcluster.loopback import HOST
from devcluster.realnodes.addresses import PODS_PER_NODE_BITS

if TYPE_CHECKING:
    from devcluster.layout import Layout, Record

# The defaults protect a production API server from its controllers; here one machine creates thousands of pods at once.
CLIENT_QPS = 1_000
CLIENT_BURST = 2_000
ISSUER = "https://kubernetes.default.svc.cluster.local"


def etcd(layout: Layout, record: Record) -> list[str]:
    """Etcd without fsync: the data of a development cluster need not survive a power cut."""
    client = f"http://{HOST}:{record.ports.etcd_client}"
    peer = f"http://{HOST}:{record.ports.etcd_peer}"
    return [
        record.binaries["etcd"],
        "--name=devcluster",
        f"--data-dir={layout.etcd_data}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=devcluster={peer}",
        "--logger=zap",
        "--log-outputs=stderr",
    ]


def kube_apiserver(layout: Layout, record: Record) -> list[str]:
    """Kube-apiserver with RBAC; Services and itself on the loopback, or on the network of real nodes."""
    pki = layout.pki
    arguments = [
        record.binaries["kube-apiserver"],
        f"--etcd-servers=http://{HOST}:{record.ports.etcd_client}",
        f"--bind-address={record.host}",
        f"--advertise-address={record.host}",
        f"--secure-port={record.ports.kube_apiserver}",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-cluster-ip-range={record.service_range}",
        "--allow-privileged=true",
    ]
    if record.real_nodes:
        arguments += [
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-client-certificate={pki / 'kube-apiserver-kubelet.crt'}",
            f"--kubelet-client-key={pki / 'kube-apiserver-kubelet.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
    else:
        # The Service `kubernetes` has no endpoints: a loopback address is not allowed in one.
        arguments += ["--authorization-mode=RBAC", "--endpoint-reconciler-type=none"]
    if not record.controllers:
        # Without kube-controller-manager nobody makes the `default` ServiceAccounts, and no pod would be admitted.
        arguments.append("--disable-admission-plugins=ServiceAccount")
    if record.egress:
        arguments.append(f"--egress-selector-config-file={layout.egress}")
    return [*arguments, *record.apiserver_args]


def kube_controller_manager(layout: Layout, record: Record) -> list[str]:
    """Kube-controller-manager, alone and therefore without leader election."""
    pki = layout.pki
    ranges = [
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={record.network.pods}",
        f"--service-cluster-ip-range={record.service_range}",
        f"--node-cidr-mask-size={PODS_PER_NODE_BITS}",
    ]
    return [
        record.binaries["kube-controller-manager"],
        f"--kubeconfig={layout.component_kubeconfig('kube-controller-manager')}",
        f"--bind-address={HOST}",
        f"--secure-port={record.ports.kube_controller_manager}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--kube-api-qps={CLIENT_QPS}",
        f"--kube-api-burst={CLIENT_BURST}",
        *(ranges if record.real_nodes else ()),
    ]


def kube_scheduler(layout: Layout, record: Record) -> list[str]:
    """Kube-scheduler, alone and therefore without leader election."""
    return [
        record.binaries["kube-scheduler"],
        f"--kubeconfig={layout.component_kubeconfig('kube-scheduler')}",
        f"--bind-address={HOST}",
        f"--secure-port={record.ports.kube_scheduler}",
        "--leader-elect=false",
        f"--kube-api-qps={CLIENT_QPS}",
        f"--kube-api-burst={CLIENT_BURST}",
    ]


def kwok(layout: Layout, record: Record) -> list[str]:
    """KWOK for all nodes, with its stages, which it does not know by itself."""
    home = record.binaries["kwok"].removesuffix("/kwok")
    return [
        record.binaries["kwok"],
        f"--kubeconfig={layout.component_kubeconfig('kwok')}",
        *(f"--config={home}/{path.rpartition('/')[2]}" for path in KWOK_STAGES),
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        f"--server-address={HOST}:{record.ports.kwok}",
        # Wide enough that thousands of pods have an address of their own.
        "--cidr=10.96.0.1/12",
    ]
