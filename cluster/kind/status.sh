#!/usr/bin/env bash
# Say what runs on the kind cluster.
set -euo pipefail
# shellcheck source=cluster/kind/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker kind kubectl
need_cluster
kubectl get nodes -o wide
kubectl get pods --all-namespaces
