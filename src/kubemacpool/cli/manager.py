"""`kubemacpool manager`: its flags, and what each sets."""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import typer

from kubemacpool.certs.intervals import AS_SHIPPED, Interval, Intervals
from kubemacpool.cli.help import GroupedCommand, command_app
from kubemacpool.settings import DEFAULT_NAMESPACE, DEFAULT_WAIT_TIME, IN_FLIGHT_FLOOR, Settings, SettingsError
from kubemacpool.telemetry.levels import LogFormat, LogLevel
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.review import DurationError, parse_duration

ValueT = TypeVar("ValueT")

app = command_app()

_Verbosity = Literal["production", "debug"]
_LEVELS: Final[Mapping[_Verbosity | None, LogLevel]] = {"production": "info", "debug": "debug"}

_EVERY_ADDRESS: Final = ("", "0.0.0.0", "[::]")  # noqa: S104 (to be recognized)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)


_NEEDED: Final = frozenset({"prometheus_client", "pyinstrument", "uvloop"})
"""What the extra `manager` of the package has, and a replica alone needs."""

CLUSTER: Final = "Cluster"
LISTENING: Final = "Listening"
TIMING: Final = "Timing"
POLICY: Final = "Policy"
SECURITY: Final = "Security"
CERTIFICATES: Final = "Certificates"
LOGGING: Final = "Logging"


def _number(given: str | int) -> int:
    """Read a whole number, or take a default as it is; which ones may be is for `Settings` to say.

    Raises:
        typer.BadParameter: for anything else; typer adds flag and environment variable to the message.
    """
    if isinstance(given, str) and _WHOLE_NUMBER.fullmatch(given) is None:
        raise typer.BadParameter(f"{given!r} is not a whole number; write it with digits, such as 120")
    return int(given)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    """Names that were given one by one, or several with commas."""
    return tuple(name for each in given for part in each.split(",") if (name := part.strip()))


def _duration(given: str | timedelta) -> timedelta:
    """Read a duration as Go writes it, or take a default as it is.

    Raises:
        typer.BadParameter: for anything else.
    """
    if isinstance(given, timedelta):
        return given
    try:
        return timedelta(seconds=parse_duration(given))
    except (DurationError, OverflowError) as error:
        raise typer.BadParameter(f"{given!r} is {error}") from error


def _port_of_address(given: str | int) -> int:
    """Read the port of an address such as :8443, as the Go implementation takes it.

    Raises:
        typer.BadParameter: for anything else.
    """
    host, colon, port = str(given).rpartition(":")
    if not colon or host not in _EVERY_ADDRESS:
        raise typer.BadParameter(
            f"{given!r} is not a port of every address; write it like :{Settings.metrics_port}, and choose the address "
            "with --bind-address"
        )
    return _number(port)


def _one_of(flag: str, given: ValueT | None, other: str, given_there: ValueT | None, default: ValueT) -> ValueT:
    """What either of two flags for the same thing says.

    Raises:
        SettingsError: they contradict each other.
    """
    if given is None:
        return default if given_there is None else given_there
    if given_there is not None and given != given_there:
        raise SettingsError(f"{flag} is {given} and {other} means {given_there}; leave one of them out")
    return given


@app.command(cls=GroupedCommand)
def _manager(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=CLUSTER,
            envvar="KUBECONFIG",
            help="How to reach the API server; not needed inside a cluster.",
        ),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(
            rich_help_panel=CLUSTER,
            envvar="POD_NAMESPACE",
            help="Namespace of the ConfigMap, the Lease, the Secrets and the Service.",
        ),
    ] = DEFAULT_NAMESPACE,
    bind_address: Annotated[
        str, typer.Option(rich_help_panel=LISTENING, envvar="KUBEMACPOOL_BIND_ADDRESS", help="IP address to listen on.")
    ] = Settings.bind_address,
    advertise_address: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=LISTENING,
            envvar="POD_IP",
            help="IP address at which the other replicas reach this one.",
            show_default="the address to listen on, or 127.0.0.1 where that is every one",
        ),
    ] = None,
    webhook_port: Annotated[
        int,
        typer.Option(
            rich_help_panel=LISTENING,
            envvar="KUBEMACPOOL_WEBHOOK_PORT",
            parser=_number,
            metavar="<port>",
            help="Port of webhook and probes.",
        ),
    ] = Settings.webhook_port,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=LISTENING,
            envvar="KUBEMACPOOL_METRICS_PORT",
            parser=_number,
            metavar="<port>",
            help="Port of the metrics.",
            show_default=str(Settings.metrics_port),
        ),
    ] = None,
    health_port: Annotated[
        int,
        typer.Option(
            rich_help_panel=LISTENING,
            envvar="KUBEMACPOOL_HEALTH_PORT",
            parser=_number,
            metavar="<port>",
            help="Port of the probes alone, without TLS.",
        ),
    ] = Settings.health_port,
    wait_time: Annotated[
        int,
        typer.Option(
            rich_help_panel=TIMING,
            envvar="KUBEMACPOOL_WAIT_TIME",
            parser=_number,
            metavar="<seconds>",
            help="Seconds for which an allocated address is kept whose object never appeared. It must outlast an "
            f"admission: with the time-outs of webhook and API server as shipped, {IN_FLIGHT_FLOOR}.",
        ),
    ] = DEFAULT_WAIT_TIME,
    cool_down: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=TIMING,
            envvar="KUBEMACPOOL_COOL_DOWN",
            parser=_number,
            metavar="<seconds>",
            help="Seconds for which a released address is kept back; 0 for not at all.",
            show_default="the wait time",
        ),
    ] = None,
    drain_delay: Annotated[
        int,
        typer.Option(
            rich_help_panel=TIMING,
            envvar="KUBEMACPOOL_DRAIN_DELAY",
            parser=_number,
            metavar="<seconds>",
            help="Seconds between SIGTERM and closing the port, for the Service to send its connections elsewhere.",
        ),
    ] = Settings.drain_delay,
    conflict_policy: Annotated[
        ConflictPolicy,
        typer.Option(
            rich_help_panel=POLICY,
            envvar="KUBEMACPOOL_CONFLICT_POLICY",
            help="What happens where a user asks for an address that somebody else holds: refuse it, or let it through "
            "with a warning. A namespace may have its own (annotation kubemacpool.io/conflict-policy).",
        ),
    ] = Settings.conflict_policy,
    pod_network: Annotated[
        bool,
        typer.Option(
            rich_help_panel=POLICY,
            envvar="KUBEMACPOOL_POD_NETWORK",
            help="Give virtual machines an address also for the pod network with another binding than masquerade.",
        ),
    ] = Settings.pod_network,
    hide_foreign_holders: Annotated[
        bool,
        typer.Option(
            rich_help_panel=POLICY,
            envvar="KUBEMACPOOL_HIDE_FOREIGN_HOLDERS",
            help="Do not name objects of other namespaces that have an address, in answers, warnings and Events.",
        ),
    ] = Settings.hide_foreign_holders,
    client_ca_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=SECURITY,
            envvar="KUBEMACPOOL_CLIENT_CA_FILE",
            help="Authority of the API server's client certificate, PEM. Read again when it changes.",
            show_default="the API server shows no certificate",
        ),
    ] = None,
    client_name: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=SECURITY,
            envvar="KUBEMACPOOL_CLIENT_NAME",
            help="Name in the API server's client certificate (common name or DNS name); repeated, or several with "
            "commas. Nobody else but replicas is answered then.",
            show_default="anybody may ask",
        ),
    ] = None,
    tls_cert_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=CERTIFICATES,
            envvar="KUBEMACPOOL_TLS_CERT_FILE",
            help="Certificate that is shown to the API server, PEM. Read again when it changes.",
            show_default="one of our own authority",
        ),
    ] = None,
    tls_private_key_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=CERTIFICATES, envvar="KUBEMACPOOL_TLS_PRIVATE_KEY_FILE", help="Key of --tls-cert-file, PEM."
        ),
    ] = None,
    ca_rotate_interval: Annotated[
        timedelta,
        typer.Option(
            rich_help_panel=CERTIFICATES,
            envvar="CA_ROTATE_INTERVAL",
            parser=_duration,
            metavar="<duration>",
            help="How long our own certificate authority is valid.",
            show_default="8760h0m0s",
        ),
    ] = AS_SHIPPED.authority.rotate,
    ca_overlap_interval: Annotated[
        timedelta,
        typer.Option(
            rich_help_panel=CERTIFICATES,
            envvar="CA_OVERLAP_INTERVAL",
            parser=_duration,
            metavar="<duration>",
            help="How long before its end another one follows; until then both are trusted.",
            show_default="24h0m0s",
        ),
    ] = AS_SHIPPED.authority.overlap,
    cert_rotate_interval: Annotated[
        timedelta,
        typer.Option(
            rich_help_panel=CERTIFICATES,
            envvar="CERT_ROTATE_INTERVAL",
            parser=_duration,
            metavar="<duration>",
            help="How long the serving certificate is valid.",
            show_default="4380h0m0s",
        ),
    ] = AS_SHIPPED.serving.rotate,
    cert_overlap_interval: Annotated[
        timedelta,
        typer.Option(
            rich_help_panel=CERTIFICATES,
            envvar="CERT_OVERLAP_INTERVAL",
            parser=_duration,
            metavar="<duration>",
            help="How long before its end another one is served.",
            show_default="24h0m0s",
        ),
    ] = AS_SHIPPED.serving.overlap,
    metrics_client_ca_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=SECURITY,
            envvar="KUBEMACPOOL_METRICS_CLIENT_CA_FILE",
            help="Authority of the certificates by which the metrics may be read without a token, PEM. Read again when "
            "it changes.",
            show_default="a token is needed",
        ),
    ] = None,
    tls_min_version: Annotated[
        str,
        typer.Option(
            rich_help_panel=SECURITY,
            envvar="KUBEMACPOOL_TLS_MIN_VERSION",
            metavar="<version>",
            help="The oldest version of TLS that is spoken with clients and other replicas, such as VersionTLS12.",
        ),
    ] = Settings.tls_min_version,
    tls_cipher_suites: Annotated[
        str,
        typer.Option(
            rich_help_panel=SECURITY,
            envvar="KUBEMACPOOL_TLS_CIPHER_SUITES",
            metavar="<suites>",
            help="The cipher suites that are spoken with TLS 1.2, by Go's names, with commas between them.",
            show_default="the usual ones",
        ),
    ] = "",
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            rich_help_panel=LOGGING,
            envvar="KUBEMACPOOL_LOG_LEVEL",
            help="The least severe lines that are written.",
            show_default="info",
        ),
    ] = None,
    verbosity: Annotated[
        _Verbosity | None,
        typer.Option("--v", help="How the Go implementation says --log-level: production is info.", hidden=True),
    ] = None,
    metrics_addr: Annotated[
        int | None,
        typer.Option(
            parser=_port_of_address, help="How the Go implementation says --metrics-port: such as :8443.", hidden=True
        ),
    ] = None,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            rich_help_panel=LOGGING,
            envvar="KUBEMACPOOL_LOG_FORMAT",
            help="One JSON object a line, or lines for people.",
        ),
    ] = "json",
) -> None:
    """Run one replica: answer admissions and follow the cluster until SIGTERM or SIGINT."""
    try:
        from kubemacpool.process import ReplicaFailedError, StartError, run_manager
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        typer.echo(
            f"kubemacpool: the manager needs {error.name}, which this installation is without; "
            "install kubemacpool[manager]",
            err=True,
        )
        sys.exit(2)
    try:
        settings = Settings(
            kubeconfig=kubeconfig,
            namespace=namespace,
            bind_address=bind_address,
            advertise_address=advertise_address,
            webhook_port=webhook_port,
            metrics_port=_one_of("--metrics-port", metrics_port, "--metrics-addr", metrics_addr, Settings.metrics_port),
            health_port=health_port,
            wait_time=wait_time,
            cool_down=wait_time if cool_down is None else cool_down,
            drain_delay=drain_delay,
            conflict_policy=conflict_policy,
            pod_network=pod_network,
            hide_foreign_holders=hide_foreign_holders,
            client_ca_file=client_ca_file,
            client_names=_names(client_name or ()),
            tls_cert_file=tls_cert_file,
            tls_private_key_file=tls_private_key_file,
            intervals=Intervals(
                Interval(ca_rotate_interval, ca_overlap_interval), Interval(cert_rotate_interval, cert_overlap_interval)
            ),
            metrics_client_ca_file=metrics_client_ca_file,
            tls_min_version=tls_min_version,
            tls_cipher_suites=_names([tls_cipher_suites]),
            log_level=_one_of("--log-level", log_level, "--v", _LEVELS.get(verbosity), Settings.log_level),
            log_format=log_format,
        )
        run_manager(settings)
    except (SettingsError, StartError) as error:
        typer.echo(f"kubemacpool: {error}", err=True)
        sys.exit(2)
    except ReplicaFailedError:  # the last line of the log says why
        sys.exit(1)
