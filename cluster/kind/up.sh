#!/usr/bin/env bash
# Start a kind cluster with Multus, the CNI plugins, Open vSwitch and ovs-cni.
set -euo pipefail
# shellcheck source=cluster/kind/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker kind kubectl curl tar
count="${MACPOOL_NUM_NODES:-1}"
[[ "$count" =~ ^[1-9][0-9]?$ ]] || die "MACPOOL_NUM_NODES=$count is not a number of nodes; give one from 1 to 99."
version="${KUBERNETES_VERSION:-$NODE_VERSION}"
[[ "$version" == "$NODE_VERSION" ]] || die "KUBERNETES_VERSION=$version: the provider kind has $NODE_VERSION only."
if is_up; then
    echo "The kind cluster $CLUSTER is running already."
    echo "  export KUBECONFIG=$KUBECONFIG"
    exit 0
fi
[[ ! -f "$STATE/cluster.json" ]] || die "A cluster of the provider controlplane is there; run \`make cluster-down\` first."

mkdir -p "$STATE"
work="$(mktemp -d)"
finish() {
    local status=$?
    rm -rf "$work"
    if ((status)); then
        echo "The cluster could not be started; removing what there is of it." >&2
        kind delete cluster --name "$CLUSTER" >/dev/null 2>&1 || true
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

{
    echo "kind: Cluster"
    echo "apiVersion: kind.x-k8s.io/v1alpha4"
    echo "nodes:"
    echo "  - role: control-plane"
    for ((i = 1; i < count; i++)); do echo "  - role: worker"; done
} >"$work/kind.yaml"
kind create cluster --name "$CLUSTER" --image "$NODE_IMAGE" --config "$work/kind.yaml" --wait 3m

architecture="$(kubectl get nodes -o jsonpath='{.items[0].status.nodeInfo.architecture}')"
plugins="cni-plugins-linux-$architecture-$CNI_PLUGINS_VERSION.tgz"
releases="https://github.com/containernetworking/plugins/releases/download"
curl --fail --silent --show-error --location --remote-name --output-dir "$work" "$releases/$CNI_PLUGINS_VERSION/$plugins"
curl --fail --silent --show-error --location --remote-name --output-dir "$work" \
    "$releases/$CNI_PLUGINS_VERSION/$plugins.sha256"
(cd "$work" && sha256sum --check --quiet "$plugins.sha256")
for node in $(nodes); do
    docker exec -i "$node" tar -xz -C /opt/cni/bin <"$work/$plugins"
    docker exec "$node" sh -c "apt-get -qq update && apt-get -qq install -y openvswitch-switch >/dev/null"
    docker exec "$node" systemctl enable --now --quiet openvswitch-switch
    # The bridge of the README's example.
    docker exec "$node" ovs-vsctl --may-exist add-br br1
done

# The manifests of a tag name the newest images; the ones that were released with the tag are wanted.
upstream="https://raw.githubusercontent.com/k8snetworkplumbingwg"
curl --fail --silent --show-error --location "$upstream/multus-cni/$MULTUS_VERSION/deployments/multus-daemonset-thick.yml" |
    sed "s#multus-cni:snapshot-thick#multus-cni:$MULTUS_VERSION-thick#" | kubectl apply -f -
curl --fail --silent --show-error --location "$upstream/ovs-cni/$OVS_CNI_VERSION/examples/ovs-cni.yml" |
    sed "s#ovs-cni-plugin:latest#ovs-cni-plugin:$OVS_CNI_VERSION#" | kubectl apply -f -
kubectl -n kube-system rollout status daemonset/kube-multus-ds --timeout=5m
kubectl -n kube-system rollout status daemonset -l app=ovs-cni --timeout=5m

echo "The kind cluster $CLUSTER is up."
echo "  export KUBECONFIG=$KUBECONFIG"
