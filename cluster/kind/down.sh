#!/usr/bin/env bash
# Remove the kind cluster.
set -euo pipefail
# shellcheck source=cluster/kind/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker kind
if ! is_up; then
    echo "There is no cluster to take down."
    exit 0
fi
kind delete cluster --name "$CLUSTER"
rm -f "$KUBECONFIG"
