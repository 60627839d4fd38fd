"""The command `kubemacpool`."""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import typer

from kubemacpool.admission.policies import ConflictPolicy
from kubemacpool.process import ReplicaFailedError, StartError, run_manager
from kubemacpool.settings import DEFAULT_NAMESPACE, DEFAULT_WAIT_TIME, IN_FLIGHT_FLOOR, Settings, SettingsError
from kubemacpool.telemetry.logs import LogFormat, LogLevel

ValueT = TypeVar("ValueT")

_cli = typer.Typer(
    name="kubemacpool",
    help="MAC addresses from a pool for the secondary interfaces of pods: never a duplicate, never in the way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Verbosity = Literal["production", "debug"]
_LEVELS: Final[Mapping[_Verbosity | None, LogLevel]] = {"production": "info", "debug": "debug"}

_EVERY_ADDRESS: Final = ("", "0.0.0.0", "[::]")  # noqa: S104 (to be recognized)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)


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


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (the signature of an option's callback)
    if wanted:
        typer.echo(f"kubemacpool {version('kubemacpool')}")
        raise typer.Exit


@_cli.callback()
def _root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@_cli.command("manager")
def _manager(  # noqa: PLR0913, PLR0917 (a setting each)
    kubeconfig: Annotated[
        Path | None,
        typer.Option(envvar="KUBECONFIG", help="How to reach the API server; not needed inside a cluster."),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(
            envvar="POD_NAMESPACE", help="Namespace of the ConfigMap, the Lease, the Secrets and the Service."
        ),
    ] = DEFAULT_NAMESPACE,
    bind_address: Annotated[
        str, typer.Option(envvar="KUBEMACPOOL_BIND_ADDRESS", help="IP address to listen on.")
    ] = Settings.bind_address,
    advertise_address: Annotated[
        str | None,
        typer.Option(
            envvar="POD_IP",
            help="IP address at which the other replicas reach this one.",
            show_default="the address to listen on, or 127.0.0.1 where that is every one",
        ),
    ] = None,
    webhook_port: Annotated[
        int,
        typer.Option(
            envvar="KUBEMACPOOL_WEBHOOK_PORT", parser=_number, metavar="<port>", help="Port of webhook and probes."
        ),
    ] = Settings.webhook_port,
    metrics_port: Annotated[
        int | None,
        typer.Option(
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
            envvar="KUBEMACPOOL_HEALTH_PORT",
            parser=_number,
            metavar="<port>",
            help="Port of the probes alone, without TLS.",
        ),
    ] = Settings.health_port,
    wait_time: Annotated[
        int,
        typer.Option(
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
            envvar="KUBEMACPOOL_DRAIN_DELAY",
            parser=_number,
            metavar="<seconds>",
            help="Seconds between SIGTERM and closing the port, for the Service to send its connections elsewhere.",
        ),
    ] = Settings.drain_delay,
    conflict_policy: Annotated[
        ConflictPolicy,
        typer.Option(
            envvar="KUBEMACPOOL_CONFLICT_POLICY",
            help="What happens where a user asks for an address that somebody else holds: refuse it, or let it through "
            "with a warning. A namespace may have its own (annotation kubemacpool.io/conflict-policy).",
        ),
    ] = Settings.conflict_policy,
    pod_network: Annotated[
        bool,
        typer.Option(
            envvar="KUBEMACPOOL_POD_NETWORK",
            help="Give virtual machines an address also for the pod network with another binding than masquerade.",
        ),
    ] = Settings.pod_network,
    hide_foreign_holders: Annotated[
        bool,
        typer.Option(
            envvar="KUBEMACPOOL_HIDE_FOREIGN_HOLDERS",
            help="Do not name objects of other namespaces that have an address, in answers, warnings and Events.",
        ),
    ] = Settings.hide_foreign_holders,
    client_ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="KUBEMACPOOL_CLIENT_CA_FILE",
            help="Authority of the API server's client certificate, PEM. Read again when it changes.",
            show_default="the API server shows no certificate",
        ),
    ] = None,
    client_name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="KUBEMACPOOL_CLIENT_NAME",
            help="Name in the API server's client certificate (common name or DNS name); repeated, or several with "
            "commas. Nobody else but replicas is answered then.",
            show_default="anybody may ask",
        ),
    ] = None,
    tls_min_version: Annotated[
        str,
        typer.Option(
            envvar="KUBEMACPOOL_TLS_MIN_VERSION",
            metavar="<version>",
            help="The oldest version of TLS that is spoken with clients and other replicas, such as VersionTLS12.",
        ),
    ] = Settings.tls_min_version,
    tls_cipher_suites: Annotated[
        str,
        typer.Option(
            envvar="KUBEMACPOOL_TLS_CIPHER_SUITES",
            metavar="<suites>",
            help="The cipher suites that are spoken with TLS 1.2, by Go's names, with commas between them.",
            show_default="the usual ones",
        ),
    ] = "",
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            envvar="KUBEMACPOOL_LOG_LEVEL", help="The least severe lines that are written.", show_default="info"
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
        LogFormat, typer.Option(envvar="KUBEMACPOOL_LOG_FORMAT", help="One JSON object a line, or lines for people.")
    ] = "json",
) -> None:
    """Run one replica: answer admissions and follow the cluster until SIGTERM or SIGINT."""
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


def main() -> None:
    """Run the command line."""
    _cli()
