# What the scripts of the kind provider share. Sourced, not run.
# shellcheck shell=bash disable=SC2034

# The node image is the one that kind v0.33.0 was released with.
NODE_IMAGE="kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
NODE_VERSION="1.37"
MULTUS_VERSION="v4.2.4"
OVS_CNI_VERSION="v0.38.2"
CNI_PLUGINS_VERSION="v1.9.1"

CLUSTER="kubemacpool"
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
STATE="$ROOT/_out/cluster"
export KUBECONFIG="$STATE/kubeconfig"

die() {
    echo "$*" >&2
    exit 1
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || die "MACPOOL_PROVIDER=kind needs $program, which is not installed."
    done
    docker info >/dev/null 2>&1 || die "MACPOOL_PROVIDER=kind needs a Docker daemon, and none answers."
}

is_up() {
    kind get clusters 2>/dev/null | grep -qx "$CLUSTER"
}

need_cluster() {
    is_up || die "There is no kind cluster; start one with \`MACPOOL_PROVIDER=kind make cluster-up\`."
}

nodes() {
    kind get nodes --name "$CLUSTER" | sort
}
