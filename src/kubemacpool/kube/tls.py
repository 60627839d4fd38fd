"""TLS towards the API server, made anew when a file that it is made from has changed.

The authority of a cluster is exchanged now and then, and so are client certificates: the kubelet writes `ca.crt` anew,
`kubeadm` the files that a kubeconfig names. A program that reads them at the start only is cut off at the next
connection.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError
from kubemacpool.ports import Clock

LOOK_SECONDS: Final = 1.0
"""Between two looks at the files, a few system calls each. Who exchanges an authority has both accepted for long."""

_Stamp = tuple[int, int, int] | None

_log = structlog.get_logger(__name__)


class RenewedTls:
    """The context for new connections; those that are there go on with the one that they have.

    Args:
        config: as it was read at the start.
        read: reads it again.
        make: makes a context from it.
        clock: tells when to look again.
    """

    def __init__(
        self,
        config: ClusterConfig,
        read: Callable[[], ClusterConfig],
        make: Callable[[ClusterConfig], ssl.SSLContext],
        clock: Clock,
    ) -> None:
        self._config = config
        self._read = read
        self._make = make
        self._clock = clock
        self._stamps = self._look()
        self._looked_at = clock.now()
        self._context = make(config)

    def context(self) -> ssl.SSLContext:
        """The context as of a second ago at most. While the files cannot be used, the one before stays."""
        now = self._clock.now()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            # Looked at before they are read: what is written in between is seen the next time.
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            config = self._read()
            context = self._make(config)
        except (ClusterConfigError, ssl.SSLError, OSError) as error:
            _log.warning("changed credentials cannot be used, those before stay", error=str(error))
            return
        changed = [
            what
            for what, before, now in (
                ("authority", (self._config.ca_pem, self._config.verify), (config.ca_pem, config.verify)),
                ("client certificate", self._config.identity, config.identity),
            )
            if before != now
        ]
        if changed:
            self._config, self._context = config, context
            _log.info("changed credentials are taken up", changed=changed)

    def _look(self) -> list[_Stamp]:
        return [_stamp_of(path) for path in self._config.files]


def _stamp_of(path: Path) -> _Stamp:
    """What differs once the file, or the one that a link leads to, is another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
