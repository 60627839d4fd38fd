#!/usr/bin/env bash
# The development cluster's command line: cluster/cli.sh up|sync|status|down, cluster/cli.sh ssh node01 [command].
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [[ ! -x "$root/.venv/bin/python" ]]; then
    echo "The development environment is not installed; run \`make install\` first." >&2
    exit 1
fi
PYTHONPATH="$root/cluster" exec "$root/.venv/bin/python" -m devcluster "$@"
