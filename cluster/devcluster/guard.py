"""A guard for clusters that must not outlive the process that started them, such as those of a test run.

It does nothing but wait for that process to end, however it ends, and then ends what is left of the cluster.
"""

from __future__ import annotations

import sys
from pathlib import Path

from devcluster.controlplane import GUARD, ControlPlane, ControlPlaneSpec
from devcluster.layout import Layout
from devcluster.processes import ProcessId


def main(arguments: list[str]) -> None:
    """Wait for the process that the arguments name, then end the cluster in the state directory."""
    pid, started, boot, state_dir = arguments
    caller = ProcessId(pid=int(pid), started=int(started), boot=boot)
    while not caller.wait(3600):
        pass
    # Not to be ended by its own cleaning.
    layout = Layout(Path(state_dir))
    layout.daemon(GUARD).pid_file.unlink(missing_ok=True)
    ControlPlane(ControlPlaneSpec(layout.state_dir)).stop()


if __name__ == "__main__":
    main(sys.argv[1:])
