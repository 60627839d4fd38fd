#!/usr/bin/env bash
# Build the image, load it into the kind cluster and apply the release manifest.
set -euo pipefail
# shellcheck source=cluster/kind/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker kind kubectl
need_cluster
manifest="$ROOT/config/release/kubemacpool.yaml"
deployment="deployment/kubemacpool-mac-controller-manager"
image="$(sed -n 's/^ *image: *\([^ ]*\).*/\1/p' "$manifest" | head -n 1)"
[[ -n "$image" ]] || die "$manifest names no image."

docker build --tag "$image" "$ROOT"
kind load docker-image "$image" --name "$CLUSTER"
kubectl apply -f "$manifest"
# The image has the same name as before, so that the Deployment alone shows no change.
kubectl -n kubemacpool-system rollout restart "$deployment"
if ! kubectl -n kubemacpool-system rollout status "$deployment" --timeout=2m; then
    kubectl -n kubemacpool-system logs "$deployment" --tail=5 >&2 || true
    die "KubeMacPool did not become ready; its last lines are above."
fi
echo "KubeMacPool is ready."
