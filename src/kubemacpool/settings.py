"""What can be set, and what a setting may be. Read once, at start."""

import ipaddress
import itertools
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from kubemacpool.certs.contexts import DEFAULT_MIN_VERSION, MIN_VERSIONS, SUITES, TlsPolicy, policy_of
from kubemacpool.certs.intervals import AS_SHIPPED, SHORTEST_OVERLAP, SHORTEST_ROTATION, Interval, Intervals
from kubemacpool.telemetry.levels import LogFormat, LogLevel
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.machines import NOT_OURS, NetworkKind

DEFAULT_NAMESPACE: Final = "kubemacpool-system"

IN_FLIGHT_FLOOR: Final = 70
"""Seconds: the webhook's time-out (10 s as shipped) and the API server's request time-out (60 s by default). A pod that
was admitted may still be persisted for so long; a shorter wait time could free its addresses too early."""

DEFAULT_WAIT_TIME: Final = 120

LARGEST_PORT: Final = 65_535
LONGEST_TIME: Final = 7 * 24 * 3600
"""Seconds: a week. Nobody means more; a time in milliseconds would be more."""

LONGEST_INTERVAL: Final = timedelta(days=3660)
"""Of a certificate. Nobody means more; what is exchanged that rarely had better not be exchanged for the first time."""

LOOPBACK: Final = "127.0.0.1"
"""Advertised by a replica that listens on all interfaces and was not given its address: on a developer's machine."""

LONGEST_QUOTE: Final = 80
"""Characters of a value that a message quotes."""

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SettingsError(ValueError):
    """A setting that cannot be; the message names the flag, its environment variable, the value and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set for one replica.

    Attributes:
        kubeconfig: file that says how to reach the API server; None for the ServiceAccount of the pod we run in.
        namespace: where our own objects are (ConfigMap, Secrets).
        bind_address: IP address to listen on.
        advertise_address: IP address at which the other replicas reach this one; None for the one to listen on.
        webhook_port: TCP port of the webhook and the probes.
        metrics_port: TCP port of the metrics.
        health_port: TCP port of the probes alone, without TLS.
        wait_time: seconds for which an allocation is kept whose object never appeared: the in-flight bound.
        cool_down: seconds for which a released address is kept back; 0 for not at all.
        drain_delay: seconds between SIGTERM and closing the port, for endpoints to be taken out of the Service.
        conflict_policy: what happens where a user asks for an address that somebody else holds.
        pod_network: whether virtual machines get an address also for the pod network with another binding than
            masquerade; with bridge binding the pod's own address matters to some CNI plugins.
        hide_foreign_holders: whether answers, warnings and Events do not name holders in other namespaces.
        client_ca_file: certificates of the authority that has signed the API server's client certificate; None where
            it shows none.
        client_names: the names of which a client's certificate has to have one; none where anybody may ask.
        tls_cert_file: the certificate that is shown to the API server, PEM; None for one of our own authority.
        tls_private_key_file: its key, PEM.
        intervals: by which certificates of our own are exchanged.
        metrics_client_ca_file: certificates of the authority that has signed those of whoever reads the metrics without
            a token; None where nobody does.
        tls_min_version: the oldest version of TLS that is spoken with clients and other replicas.
        tls_cipher_suites: those of TLS 1.2 that are spoken, by Go's names; empty for the usual ones.
        log_level: the least severe lines that are written.
        log_format: one JSON object a line, or lines for people.
    """

    kubeconfig: Path | None = None
    namespace: str = DEFAULT_NAMESPACE
    bind_address: str = "0.0.0.0"  # noqa: S104 (a webhook is there to be reached)
    advertise_address: str | None = None
    webhook_port: int = 8000
    metrics_port: int = 8443
    health_port: int = 8081
    wait_time: int = DEFAULT_WAIT_TIME
    cool_down: int = DEFAULT_WAIT_TIME
    drain_delay: int = 3
    conflict_policy: ConflictPolicy = ConflictPolicy.REJECT
    pod_network: bool = False
    hide_foreign_holders: bool = False
    client_ca_file: Path | None = None
    client_names: tuple[str, ...] = ()
    metrics_client_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    intervals: Intervals = AS_SHIPPED
    tls_min_version: str = DEFAULT_MIN_VERSION
    tls_cipher_suites: tuple[str, ...] = ()
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"

    @property
    def advertised(self) -> str:
        """The IP address at which the other replicas reach this one."""
        if self.advertise_address is not None:
            return self.advertise_address
        return LOOPBACK if ipaddress.ip_address(self.bind_address).is_unspecified else self.bind_address

    @property
    def served_networks(self) -> frozenset[NetworkKind]:
        """What an interface of a virtual machine has to be bound to in order to be given an address."""
        served = {NetworkKind.MULTUS, NetworkKind.POD_MASQUERADE}
        return frozenset(served | {NetworkKind.POD_OTHER, NetworkKind.UNKNOWN} if self.pod_network else served)

    @property
    def passed_over_networks(self) -> frozenset[NetworkKind]:
        """On what the address of a virtual machine's interface is nobody's business, so that it does not count."""
        return NOT_OURS - self.served_networks

    @property
    def tls(self) -> TlsPolicy:
        """What is spoken at least with clients and other replicas."""
        return policy_of(self.tls_min_version, self.tls_cipher_suites)

    def __post_init__(self) -> None:
        """Check what no type can say.

        Raises:
            SettingsError: for the first setting that cannot be.
        """
        _check_number("--webhook-port (KUBEMACPOOL_WEBHOOK_PORT)", self.webhook_port, 0, LARGEST_PORT)
        _check_number("--metrics-port (KUBEMACPOOL_METRICS_PORT)", self.metrics_port, 0, LARGEST_PORT)
        _check_number("--health-port (KUBEMACPOOL_HEALTH_PORT)", self.health_port, 0, LARGEST_PORT)
        _check_number("--wait-time (KUBEMACPOOL_WAIT_TIME)", self.wait_time, 1, LONGEST_TIME)
        _check_number("--cool-down (KUBEMACPOOL_COOL_DOWN)", self.cool_down, 0, LONGEST_TIME)
        _check_number("--drain-delay (KUBEMACPOOL_DRAIN_DELAY)", self.drain_delay, 0, LONGEST_TIME)
        _check_address("--bind-address (KUBEMACPOOL_BIND_ADDRESS)", self.bind_address, "use 0.0.0.0 for all interfaces")
        remedy = "give the address at which the other replicas reach this one, such as the pod's"
        _check_address("--advertise-address (POD_IP)", self.advertised, remedy)
        if ipaddress.ip_address(self.advertised).is_unspecified:
            raise SettingsError(
                f"--advertise-address (POD_IP) is {self.advertised}, which is no address of one; {remedy}"
            )
        self._check_ports_differ()
        self._check_tls()
        self._check_given()
        _check_interval("CA", self.intervals.authority)
        _check_interval("CERT", self.intervals.serving)
        if _DNS_LABEL.fullmatch(self.namespace) is None:
            raise SettingsError(
                f"--namespace (POD_NAMESPACE) is {self.namespace!r}, which cannot be the name of a namespace; "
                f"as shipped it is {DEFAULT_NAMESPACE}"
            )
        if self.client_ca_file is not None and not _is_file(self.client_ca_file):
            raise SettingsError(
                f"--client-ca-file (KUBEMACPOOL_CLIENT_CA_FILE) is {self.client_ca_file}, which is not a file; give "
                "the path of the certificates, PEM, that have signed the API server's client certificate"
            )
        if self.metrics_client_ca_file is not None and not _is_file(self.metrics_client_ca_file):
            raise SettingsError(
                "--metrics-client-ca-file (KUBEMACPOOL_METRICS_CLIENT_CA_FILE) is "
                f"{self.metrics_client_ca_file}, which is not a file; give the path of the certificates, PEM, that "
                "have signed those of whoever reads the metrics"
            )
        if self.client_names and self.client_ca_file is None:
            raise SettingsError(
                f"--client-name (KUBEMACPOOL_CLIENT_NAME) is {', '.join(self.client_names)}, and nobody is told who "
                "signs for that name; give --client-ca-file as well"
            )
        if self.kubeconfig is not None and not _is_file(self.kubeconfig):
            raise SettingsError(
                f"--kubeconfig (KUBECONFIG) is {self.kubeconfig}, which is not a file; "
                "give the path of a kubeconfig, or leave it out inside a cluster"
            )

    def _check_tls(self) -> None:
        if self.tls_min_version not in MIN_VERSIONS:
            raise SettingsError(
                f"--tls-min-version (KUBEMACPOOL_TLS_MIN_VERSION) is {_shown(self.tls_min_version)}; "
                f"use one of {', '.join(MIN_VERSIONS)}"
            )
        unknown = [name for name in self.tls_cipher_suites if name not in SUITES]
        if unknown:
            raise SettingsError(
                f"--tls-cipher-suites (KUBEMACPOOL_TLS_CIPHER_SUITES) names {_shown(unknown[0])}, which is not known"
                f"{f' (and {len(unknown) - 1} more)' if len(unknown) > 1 else ''}; known are {', '.join(SUITES)}"
            )

    def _check_given(self) -> None:
        given = {
            "--tls-cert-file (KUBEMACPOOL_TLS_CERT_FILE)": self.tls_cert_file,
            "--tls-private-key-file (KUBEMACPOOL_TLS_PRIVATE_KEY_FILE)": self.tls_private_key_file,
        }
        for (setting, path), other in zip(given.items(), reversed(given), strict=True):
            if path is not None and given[other] is None:
                raise SettingsError(f"{setting} is {path}, and there is no {other}; give certificate and key together")
            if path is not None and not _is_file(path):
                raise SettingsError(
                    f"{setting} is {path}, which is not a file; give the path of a PEM file, such as that of a mounted "
                    "Secret of type kubernetes.io/tls"
                )

    def _check_ports_differ(self) -> None:
        ports = {
            "--webhook-port (KUBEMACPOOL_WEBHOOK_PORT)": self.webhook_port,
            "--metrics-port (KUBEMACPOOL_METRICS_PORT)": self.metrics_port,
            "--health-port (KUBEMACPOOL_HEALTH_PORT)": self.health_port,
        }
        for (one, its), (other, others) in itertools.combinations(ports.items(), 2):
            if its == others != 0:
                raise SettingsError(f"{one} and {other} are both {its}; give each a port of its own")


def _shown(value: str) -> str:
    """A value as a message quotes it."""
    return repr(value if len(value) <= LONGEST_QUOTE else f"{value[:LONGEST_QUOTE]}...")


def _check_address(setting: str, value: str, remedy: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise SettingsError(f"{setting} is {value!r}, which is not an IP address; {remedy}") from None


def _check_number(setting: str, value: int, least: int, greatest: int) -> None:
    if not least <= value <= greatest:
        raise SettingsError(f"{setting} is {value}; give a whole number from {least} to {greatest}")


def _check_interval(kind: str, interval: Interval) -> None:
    rotate, overlap = (
        f"--{kind.lower()}-{what}-interval ({kind}_{what.upper()}_INTERVAL)" for what in ("rotate", "overlap")
    )
    for setting, given, least in (
        (rotate, interval.rotate, SHORTEST_ROTATION),
        (overlap, interval.overlap, SHORTEST_OVERLAP),
    ):
        if given < least:
            raise SettingsError(
                f"{setting} is {_seconds(given)}; give at least {_seconds(least)}, so that there is "
                "time to exchange everything"
            )
    if interval.rotate < interval.overlap:
        raise SettingsError(
            f"{rotate} is {_seconds(interval.rotate)} and {overlap} is {_seconds(interval.overlap)}; "
            "give an overlap that is no longer than what it is a part of"
        )
    if interval.rotate > LONGEST_INTERVAL:
        raise SettingsError(f"{rotate} is {interval.rotate.days} days; give at most {LONGEST_INTERVAL.days}, ten years")


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.10g}s"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # not ours to look at, or no path at all (a NUL in it)
        return False
