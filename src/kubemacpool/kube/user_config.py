"""Which API server a person means, and who that person is to it: as kubectl finds it out.

Source: kubernetes.io, Organizing Cluster Access Using kubeconfig Files. Of several files the first that says something
wins; paths in them are relative to where they stand. Without any, a pod's own service account is used.
"""

import os
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from kubemacpool.kube.exec_credentials import ExecCredentials, plugin_of
from kubemacpool.kube.kubeconfig import (
    ClusterConfig,
    identity_of,
    load_in_cluster,
    read_root,
    refuse_passwords,
    server_of,
    token_of,
)
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError, Section
from kubemacpool.ports import Clock

VARIABLE: Final = "KUBECONFIG"
USUAL: Final = Path(".kube") / "config"


class Wish(NamedTuple):
    """What flags say.

    Attributes:
        kubeconfig: the only file to read; None for those of the environment, or the usual one.
        context: of the kubeconfig; empty for the current one.
        user: to act as; empty for oneself.
        groups: to act as a member of.
    """

    kubeconfig: Path | None = None
    context: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()


def load_user_config(
    wish: Wish, clock: Clock, environ: Mapping[str, str] = os.environ, home: Path | None = None
) -> ClusterConfig:
    """Find out which API server is meant.

    Args:
        wish: what flags say.
        clock: tells when token files are read again.
        environ: the environment.
        home: the user's directory.

    Raises:
        ClusterConfigError: nothing is configured, or something in it cannot be used.
    """
    roots = _roots(wish, environ, home or Path.home())
    if not roots and not wish.context:
        config = load_in_cluster(clock, environ)
        return _impersonating(config, wish.user, wish.groups, {})
    context = wish.context or _first(roots, "current-context")
    if not context:
        raise ClusterConfigError(
            f"{_told(roots)}: current-context is not set; set it (kubectl config use-context) or give --context"
        )
    chosen = _named(roots, "contexts", context, "context", "--context" if wish.context else "current-context")
    cluster = _named(roots, "clusters", chosen.required("cluster"), "cluster", f"{chosen.place}.cluster")
    name = chosen.text("user")
    user = _named(roots, "users", name, "user", f"{chosen.place}.user") if name else roots[0].empty("users")
    refuse_passwords(user)
    if user.has("auth-provider"):
        raise user.mistake("auth-provider", "is no longer known to Kubernetes; use a plugin by exec")
    config = _config(cluster, user, clock, environ)
    return _impersonating(
        replace(config, namespace=chosen.text("namespace")),
        wish.user or user.text("as"),
        wish.groups or tuple(user.texts("as-groups")),
        {} if wish.user or not user.text("as-uid") else {"Impersonate-Uid": user.text("as-uid")},
    )


def contexts(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> list[str]:
    """The contexts that there are, for whoever completes a command line."""
    try:
        roots = _roots(Wish(), environ, home or Path.home())
        return [each.text("name") for root in roots for each in root.sections("contexts")]
    except ClusterConfigError:
        return []


def _config(cluster: Section, user: Section, clock: Clock, environ: Mapping[str, str]) -> ClusterConfig:
    server = server_of(cluster)
    ca_pem = cluster.certificates("certificate-authority")
    verify = not cluster.flag("insecure-skip-tls-verify")
    token, identity = token_of(user, clock), identity_of(user)
    if user.has("exec") and not token.token():
        told = {"server": server, "insecure-skip-tls-verify": not verify}
        credentials = ExecCredentials(plugin_of(user, told | _authority(cluster)))
        token, identity = credentials, credentials.identity() or identity
    return ClusterConfig(
        server,
        ca_pem if verify else None,
        verify,
        cluster.text("tls-server-name") or None,
        identity,
        token,
        proxy=cluster.text("proxy-url") or _proxy(server, environ),
    )


def _authority(cluster: Section) -> dict[str, object]:
    data = cluster.text("certificate-authority-data")
    return {"certificate-authority-data": data} if data else {}


def _proxy(server: str, environ: Mapping[str, str]) -> str:
    """What the environment says, as it does to curl and kubectl."""
    url = urlsplit(server)
    lower = {key.lower(): value for key, value in environ.items() if key.lower().endswith("_proxy") and value}
    proxy = lower.get(f"{url.scheme}_proxy", "")
    if not proxy or urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]  # it is in its source
        url.netloc.rpartition("@")[2], {"no": lower.get("no_proxy", "")}
    ):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _impersonating(
    config: ClusterConfig, user: str, groups: Iterable[str], headers: Mapping[str, str]
) -> ClusterConfig:
    groups = tuple(groups)
    if not user and not groups:
        return config
    if not user:
        raise ClusterConfigError("--as-group is given without --as; say also which user to act as")
    found = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups), *headers.items()]
    return replace(config, headers=tuple(found))


def _roots(wish: Wish, environ: Mapping[str, str], home: Path) -> list[Section]:
    if wish.kubeconfig is not None:
        return [read_root(wish.kubeconfig)]
    listed = [Path(each) for each in environ.get(VARIABLE, "").split(os.pathsep) if each]
    return [read_root(path) for path in listed or [home / USUAL] if path.exists()]


def _first(roots: Iterable[Section], name: str) -> str:
    return next((text for root in roots if (text := root.text(name))), "")


def _named(roots: list[Section], listing: str, name: str, kind: str, wanted_by: str) -> Section:
    known = []
    for root in roots:
        for entry in root.sections(listing):
            if entry.text("name") == name:
                return entry.section(kind)
            known.append(entry.text("name"))
    raise ClusterConfigError(
        f"{_told(roots)}: {listing} has no {kind} {name!r}, which {wanted_by} names; "
        f"choose one of: {', '.join(known) or 'none'}"
    )


def _told(roots: Iterable[Section]) -> str:
    return ", ".join(str(root.file) for root in roots) or "no kubeconfig"
