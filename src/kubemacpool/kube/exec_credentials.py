"""Credentials that another program gives: exec plugins of a kubeconfig.

Source: client.authentication.k8s.io/v1 and v1beta1, ExecCredential; client-go, plugin/pkg/client/auth/exec. The program
is started when its credentials are needed for the first time, when they have expired, and when they are not accepted.
"""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from kubemacpool.kube.kubeconfig import Identity
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError, Section

_VERSIONS: Final = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
_LONGEST_SECONDS: Final = 300.0
"""For a program that has somebody log in at a browser."""


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str = ""


class _Credential(msgspec.Struct, rename="camel"):
    api_version: str
    status: _Status | None = None


_credentials: Final = msgspec.json.Decoder(_Credential)


@dataclass(frozen=True)
class Plugin:
    """What is started, and how.

    Attributes:
        where: the field of the kubeconfig, for messages.
        version: of the exchange.
        command: with its arguments.
        environment: beside our own.
        hint: how to install it.
        cluster: what it is told of the cluster; None for nothing.
        needs_terminal: whether it cannot do without one.
        may_ask: whether it may have the terminal.
    """

    where: Section
    version: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    hint: str
    cluster: Mapping[str, object] | None
    needs_terminal: bool
    may_ask: bool


def plugin_of(user: Section, cluster: Mapping[str, object]) -> Plugin:
    """What the field `exec` of a user says.

    Args:
        user: an entry of the kubeconfig.
        cluster: what a program that wants it is told of the cluster.

    Raises:
        ClusterConfigError: something in it is missing or wrong.
    """
    section = user.section("exec")
    version = section.required("apiVersion")
    if version not in _VERSIONS:
        raise section.mistake("apiVersion", f"is {version!r}; use one of {', '.join(sorted(_VERSIONS))}")
    command = section.required("command")
    if "/" in command:
        command = str(section.file.parent / command)
    mode = section.text("interactiveMode") or "IfAvailable"
    if mode not in {"Never", "IfAvailable", "Always"}:
        raise section.mistake("interactiveMode", f"is {mode!r}; use Never, IfAvailable or Always")
    return Plugin(
        section,
        version,
        (command, *section.texts("args")),
        {each.required("name"): each.text("value") for each in section.sections("env")},
        section.text("installHint"),
        cluster if section.flag("provideClusterInfo") else None,
        mode == "Always",
        mode != "Never",
    )


class ExecCredentials:
    """What the program gave last; it is a `TokenSource`."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._status: _Status | None = None

    def token(self) -> str:
        """The token that is valid now.

        Raises:
            ClusterConfigError: the program gives none.
        """
        return self._current().token

    def rejected(self) -> None:
        """The next request has the program started anew."""
        self._status = None

    def identity(self) -> Identity | None:
        """The client certificate, where the program gives one.

        Raises:
            ClusterConfigError: the program gives nothing.
        """
        status = self._current()
        if not status.client_certificate_data or not status.client_key_data:
            return None
        return Identity(status.client_certificate_data.encode(), status.client_key_data.encode())

    def _current(self) -> _Status:
        if self._status is None or _has_expired(self._status.expiration_timestamp):
            self._status = self._asked()
        return self._status

    def _asked(self) -> _Status:
        plugin = self._plugin
        interactive = plugin.may_ask and sys.stdin.isatty()
        if plugin.needs_terminal and not interactive:
            raise plugin.where.mistake("interactiveMode", "is Always, and there is no terminal; run it at one")
        spec: dict[str, object] = {"interactive": interactive}
        if plugin.cluster is not None:
            spec["cluster"] = plugin.cluster
        told = msgspec.json.encode({"kind": "ExecCredential", "apiVersion": plugin.version, "spec": spec}).decode()
        try:
            ended = subprocess.run(  # noqa: S603 (the user's own kubeconfig names it)
                plugin.command,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env={**os.environ, **plugin.environment, "KUBERNETES_EXEC_INFO": told},
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            hint = f" ({plugin.hint.strip()})" if plugin.hint else ""
            raise self._fault(f"is not there; install it{hint}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise self._fault(f"cannot be run ({error}); mend it") from error
        if ended.returncode:
            raise self._fault(f"ended with status {ended.returncode}; mend it, or log in anew")
        return self._read(ended.stdout)

    def _read(self, output: bytes) -> _Status:
        try:
            credential = _credentials.decode(output)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._fault("wrote no ExecCredential; mend it") from error
        if credential.api_version != self._plugin.version:
            raise self._fault(
                f"answers in {credential.api_version}, not {self._plugin.version}; have both say the same"
            )
        status = credential.status
        if status is None or not (status.token or status.client_certificate_data):
            raise self._fault("gave neither a token nor a client certificate; log in anew")
        return status

    def _fault(self, text: str) -> ClusterConfigError:
        return self._plugin.where.mistake("command", f"({self._plugin.command[0]}) {text}")


def _has_expired(timestamp: str) -> bool:
    """Whether a moment has passed; one that cannot be read has not."""
    try:
        until = dt.datetime.fromisoformat(timestamp)
    except ValueError:
        return False
    return until.tzinfo is not None and until <= dt.datetime.now(dt.UTC)
