"""Which API server, and who we are to it: from a kubeconfig file or from the pod that we run in.

Every mistake in them is one sentence that names the file, the field, the value and the remedy. Secrets are never part
of it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from kubemacpool.kube.kubeconfig_fields import ClusterConfigError, Section, fault_of_certificates, fault_of_key, named
from kubemacpool.kube.tokens import FixedToken, TokenFile, TokenSource
from kubemacpool.ports import Clock

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Identity(NamedTuple):
    """A client certificate with its key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "Identity(...)"


@dataclass(frozen=True)
class ClusterConfig:
    """Which API server, and who we are to it.

    Attributes:
        server: URL, such as https://10.0.0.1:6443.
        ca_pem: whom to trust; None for the machine's own list.
        verify: whether the server's certificate is checked at all.
        server_name: the name to expect in the certificate where it is not the URL's host.
        identity: client certificate, if that is how we are known.
        token: bearer token, if that is how we are known.
        files: those that authority and client certificate were read from; whoever reads them again may find others.
        headers: sent with every request, such as those of impersonation.
        proxy: URL by which the server is reached; empty for a direct connection.
        namespace: of those who name none; empty where none is set.
    """

    server: str
    ca_pem: bytes | None
    verify: bool
    server_name: str | None
    identity: Identity | None = field(repr=False)
    token: TokenSource = field(repr=False)
    files: tuple[Path, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str = ""
    namespace: str = ""


def load_in_cluster(
    clock: Clock, environ: Mapping[str, str] = os.environ, directory: Path = SERVICE_ACCOUNT_DIRECTORY
) -> ClusterConfig:
    """What Kubernetes gives to every pod: two environment variables and the service account's directory.

    Raises:
        ClusterConfigError: we are not in a pod, or its service account token is not mounted.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ClusterConfigError(
            "no cluster is configured: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set, so this is"
            " not a pod; name a kubeconfig file instead"
        )
    for name in ("token", "ca.crt"):
        if not (directory / name).is_file():
            raise ClusterConfigError(
                f"{directory / name} is not there; let the pod mount its service account token"
                " (automountServiceAccountToken: true)"
            )
    ca_pem = (directory / "ca.crt").read_bytes()
    if fault := fault_of_certificates(ca_pem):
        raise ClusterConfigError(f"{directory / 'ca.crt'} {fault}; mend this namespace's ConfigMap kube-root-ca.crt")
    return ClusterConfig(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca_pem=ca_pem,
        verify=True,
        server_name=None,
        identity=None,
        token=TokenFile(directory / "token", clock),
        files=(directory / "ca.crt",),
    )


def load_kubeconfig(path: Path, clock: Clock, context: str | None = None) -> ClusterConfig:
    """One context of a kubeconfig file; by default the current one.

    Raises:
        ClusterConfigError: the file cannot be read, something in it is missing or wrong, or it asks for something that
            we do not do (exec and auth-provider plugins, user name and password, impersonation, proxies).
    """
    root = read_root(path)
    if context is None:
        context = root.text("current-context")
        if not context:
            raise ClusterConfigError(
                f"{path}: current-context is not set; set it (kubectl config use-context) or name a context"
            )
    chosen = named(root, "contexts", context, "context", wanted_by="current-context")
    cluster = named(root, "clusters", chosen.required("cluster"), "cluster", wanted_by=f"{chosen.place}.cluster")
    user_name = chosen.text("user")
    user = (
        named(root, "users", user_name, "user", wanted_by=f"{chosen.place}.user") if user_name else root.empty("users")
    )
    server = server_of(cluster)
    if cluster.text("proxy-url"):
        raise cluster.mistake(
            "proxy-url",
            f"is {cluster.text('proxy-url')!r}, but proxies are not supported; give a server that is reached directly",
        )
    verify = not cluster.flag("insecure-skip-tls-verify")
    ca_pem = cluster.certificates("certificate-authority")
    if ca_pem is not None and not verify:
        raise cluster.mistake(
            "insecure-skip-tls-verify",
            "is true beside a certificate-authority; keep one of the two, better the authority",
        )
    _refuse_plugins(user)
    return ClusterConfig(
        server=server,
        ca_pem=ca_pem,
        verify=verify,
        server_name=cluster.text("tls-server-name") or None,
        identity=identity_of(user),
        token=token_of(user, clock),
        files=(path, *cluster.files("certificate-authority"), *user.files("client-certificate", "client-key")),
    )


def read_root(path: Path) -> Section:
    """The outermost mapping of a kubeconfig file."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ClusterConfigError(
            f"{path}: there is no such kubeconfig file; name one that exists, or start the cluster that writes it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterConfigError(
            f"{path}: the kubeconfig file cannot be read ({error}); make it a readable file"
        ) from error
    try:
        content: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = f" at line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) is not None else ""
        raise ClusterConfigError(
            f"{path}: not YAML{where}; mend it or write it anew (kubectl config view --raw)"
        ) from error
    if not isinstance(content, dict):
        raise ClusterConfigError(
            f"{path}: not a kubeconfig (no mapping of clusters, users and contexts); name another file"
        )
    return Section(path, "", content)


def server_of(cluster: Section) -> str:
    """The URL of a cluster."""
    server = cluster.required("server")
    if not server.startswith(("https://", "http://")):
        raise cluster.mistake("server", f"is {server!r}, not a URL; write https://host:port")
    return server.rstrip("/")


def _refuse_plugins(user: Section) -> None:
    for name in ("exec", "auth-provider"):
        if user.has(name):
            raise user.mistake(
                name,
                "asks for a login plugin, which is not supported; use a client certificate, a token or a tokenFile",
            )
    refuse_passwords(user)
    for name in ("as", "as-uid", "as-groups", "as-user-extra"):
        if user.has(name):
            raise user.mistake(name, "asks for impersonation, which is not supported; use the credentials of that user")


def refuse_passwords(user: Section) -> None:
    """Make sure that a user is not known by a password."""
    for name in ("username", "password"):
        if user.has(name):
            raise user.mistake(
                name,
                "asks for basic authentication, which Kubernetes no longer knows; use a client certificate or a token",
            )


def identity_of(user: Section) -> Identity | None:
    """The client certificate of a user, where there is one."""
    certificate = user.certificates("client-certificate")
    key = user.pem("client-key")
    if certificate is None and key is None:
        return None
    if certificate is None:
        raise user.mistake("client-certificate", "is missing beside client-key; give both or neither")
    if key is None:
        raise user.mistake("client-key", "is missing beside client-certificate; give both or neither")
    if fault := fault_of_key(key, certificate):
        raise user.mistake(user.pem_field("client-key"), f"{fault}; write both anew")
    return Identity(certificate, key)


def token_of(user: Section, clock: Clock) -> TokenSource:
    """The bearer token of a user, or none."""
    # As kubectl does: a file wins over a token that stands beside it.
    if user.text("tokenFile"):
        path = user.path("tokenFile")
        if not path.is_file():
            raise user.mistake(
                "tokenFile", f"is {str(path)!r}, which is not there; name a file that holds a bearer token"
            )
        return TokenFile(path, clock)
    return FixedToken(user.text("token"))
