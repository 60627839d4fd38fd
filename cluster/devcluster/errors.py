"""What can go wrong with a development cluster, told apart by what the caller does next.

ClusterError                  shown as it is: one sentence that names the thing, its value and the remedy
├── SettingError              change a setting (an environment variable, an argument, a path) and call again
├── AssetError                a binary could not be found or built
├── ProcessError              a process of the cluster ended or did not become ready; names its log
├── CommandError              kubectl or a script answered with an error; carries what it wrote
└── ApiError                  the API server refused a request; carries the HTTP status
"""

from __future__ import annotations


class ClusterError(Exception):
    """Something that the user of the cluster is told in one sentence."""


class SettingError(ClusterError):
    """A setting that cannot be used."""


class AssetError(ClusterError):
    """A binary that is not there and could not be built."""


class ProcessError(ClusterError):
    """A process of the cluster that ended, or did not become ready in time."""


class CommandError(ClusterError):
    """A command that ended with an error."""

    def __init__(self, command: str, returncode: int, output: str) -> None:
        """Keep what the command wrote, so that a test can look at it."""
        super().__init__(f"{command} ended with status {returncode}: {output.strip()}")
        self.returncode = returncode
        self.output = output


class ApiError(ClusterError):
    """A request that the API server did not accept."""

    def __init__(self, request: str, status: int, message: str) -> None:
        """Keep the HTTP status, which tells what to do next."""
        super().__init__(f"{request} was answered with {status}: {message}")
        self.status = status
