#!/usr/bin/env bash
# Log into a node of the kind cluster, or run a command on it: ssh.sh node01 [command]
set -euo pipefail
# shellcheck source=cluster/kind/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker kind
need_cluster
name="${1:?name a node, such as node01}"
shift
mapfile -t all < <(nodes)
number="${name#node}"
if [[ ! "$number" =~ ^[0-9]+$ ]] || ((10#$number < 1 || 10#$number > ${#all[@]})); then
    die "$name is not a node; there are node01 to $(printf 'node%02d' "${#all[@]}")."
fi
terminal=()
[[ ! -t 0 ]] || terminal=(--tty)
if (($# == 0)); then set -- bash; fi
exec docker exec --interactive "${terminal[@]}" "${all[10#$number - 1]}" "$@"
