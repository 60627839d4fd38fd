"""What each program on a node is told: pure functions to the text of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import yaml

if TYPE_CHECKING:
    from devcluster.realnodes.addresses import NodeNetwork

# Inside a node.
CONFIGURATION = "/etc/kubernetes"
PROGRAMS = "/opt/kubernetes"
CNI_PROGRAMS = "/opt/cni/bin"
CNI_CONFIGURATION = "/etc/cni/net.d"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/kubemacpool-pause:1"
MULTUS = "multus"
STAND_IN = "npwg-standin"
CNI_VERSION = "1.0.0"
CNI_CONFLIST = "10-cluster.conflist"


def containerd(*, restricted_oom_score: bool) -> str:
    """Containerd with the CRI, in whose version 2 of the format the releases from 1.5 on understand each other."""
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.zfs"]
oom_score = 0
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Who may not lower a process's oom_score_adj has to leave it.
  restrict_oom_score_adj = {str(restricted_oom_score).lower()}
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PROGRAMS}"
  conf_dir = "{CNI_CONFIGURATION}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
"""


def kubelet(network: NodeNetwork, address: str, cgroup_root: str) -> str:
    """Kubelet that trusts the cluster's CA, on cgroups of its own, and never evicts for want of the machine's disk."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": f"{CONFIGURATION}/ca.crt"},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup_root,
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDNS": [network.dns_service],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "tlsCertFile": f"{CONFIGURATION}/kubelet.crt",
            "tlsPrivateKeyFile": f"{CONFIGURATION}/kubelet.key",
            "volumePluginDir": "/var/lib/kubelet/plugins",
            # Images are imported and cannot be pulled again: what is collected is gone.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
            "maxPods": 200,
        }
    )


def kube_proxy(network: NodeNetwork, name: str, address: str) -> str:
    """Kube-proxy by iptables, which leaves the machine's own limits of connection tracking alone."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "bindAddress": address,
            "healthzBindAddress": f"{address}:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "clientConnection": {"kubeconfig": f"{CONFIGURATION}/kube-proxy.kubeconfig"},
            "clusterCIDR": network.pods,
            "hostnameOverride": name,
            "mode": "iptables",
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
    )


def cluster_network(pod_range: str, meta_plugin: str) -> bytes:
    """The CNI configuration of a node: the cluster's network, within what attaches pods to further networks."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": pod_range}]], "routes": [{"dst": "0.0.0.0/0"}]}
    cluster = {
        "cniVersion": CNI_VERSION,
        "name": "cluster",
        "plugins": [{"type": "ptp", "mtu": 1500, "ipam": ipam}],
    }
    meta = {
        "type": meta_plugin,
        "kubeconfig": f"{CONFIGURATION}/npwg.kubeconfig",
        "delegates": [cluster],
    }
    return msgspec.json.format(
        msgspec.json.encode({"cniVersion": CNI_VERSION, "name": "pods", "plugins": [meta]}), indent=2
    )
