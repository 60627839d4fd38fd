"""Bring the cluster up, install KubeMacPool, play the story, and say how to go on."""

import subprocess
import sys

from demo.stage import NotAsToldError, Stage
from demo.story import play
from devcluster.settings import REPOSITORY

GO_ON = """
The cluster is left running. To go on:
  cluster/kubectl.sh get pods                  kubectl on this cluster
  cluster/kubectl.sh apply -f demo/manifests/samplepod.yaml
  make cluster-sync                            install again after a change
  ls _out/cluster/logs                         what every process has logged
To end it:
  make cluster-down"""

FAILED = """
The demo stopped here: {error}
What every process has logged is in _out/cluster/logs; `make cluster-down` ends the cluster."""


def main() -> int:
    """Run the demo; gives the exit code."""
    stage = Stage()
    try:
        for verb in ("up", "sync"):
            done = subprocess.run(["cluster/cli.sh", verb], cwd=REPOSITORY, check=False)  # noqa: S603, S607 (ours)
            if done.returncode:
                return done.returncode
        play(stage)
    except (NotAsToldError, subprocess.TimeoutExpired) as error:
        sys.stdout.flush()
        print(FAILED.format(error=error), file=sys.stderr)  # noqa: T201 (it talks to a person)
        return 1
    except KeyboardInterrupt:
        return 130
    stage.say(GO_ON)
    return 0


if __name__ == "__main__":
    sys.exit(main())
