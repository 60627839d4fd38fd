#!/usr/bin/env bash
# kubectl on the development cluster, of either provider.
set -euo pipefail

state="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/_out/cluster"
if [[ ! -f "$state/kubeconfig" ]]; then
    echo "There is no development cluster; start one with \`make cluster-up\`." >&2
    exit 1
fi
# The provider controlplane has a kubectl of its own version; kind uses the machine's.
kubectl="$state/bin/kubectl"
if [[ ! -x "$kubectl" ]]; then
    kubectl="$(command -v kubectl)" || { echo "kubectl is not installed on this machine." >&2; exit 1; }
fi
KUBECONFIG="$state/kubeconfig" exec "$kubectl" "$@"
