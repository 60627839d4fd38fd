"""Which cluster a person means: files, contexts, plugins, impersonation and proxies."""

from __future__ import annotations

import io
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kubemacpool.kube.kubeconfig_fields import ClusterConfigError
from kubemacpool.kube.user_config import Wish, contexts, load_user_config

if TYPE_CHECKING:
    from pathlib import Path

    from kubemacpool.kube.kubeconfig import ClusterConfig

USER: dict[str, Any] = {"token": "t"}


class Standing:
    """A clock that stands."""

    def now(self) -> float:
        """The moment."""
        return 0.0


def _file(path: Path, name: str = "a", user: dict[str, Any] | None = None, **more: Any) -> Path:  # noqa: ANN401 (fields)
    cluster = {"server": f"https://{name}.example:6443"} | more.pop("cluster", {})
    content = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"of-{name}"}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": USER if user is None else user}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content | more))
    return path


def _load(home: Path, wish: Wish = Wish(), **environ: str) -> ClusterConfig:  # noqa: B008 (a tuple)
    return load_user_config(wish, Standing(), environ, home)


def test_the_usual_file_is_in_the_home_directory(tmp_path: Path) -> None:
    _file(tmp_path / ".kube" / "config")
    config = _load(tmp_path)
    assert (config.server, config.namespace, config.token.token()) == ("https://a.example:6443", "of-a", "t")


def test_of_several_files_the_first_says_what_is_current_and_all_are_searched(tmp_path: Path) -> None:
    files = [_file(tmp_path / name, name) for name in ("a", "b")]
    environ = {"KUBECONFIG": ":".join(map(str, [tmp_path / "none", *files]))}
    assert _load(tmp_path, Wish(), **environ).server == "https://a.example:6443"
    assert _load(tmp_path, Wish(context="b"), **environ).namespace == "of-b"
    assert contexts(environ, tmp_path) == ["a", "b"]
    with pytest.raises(ClusterConfigError, match="no context 'c', which --context names; choose one of: a, b"):
        _load(tmp_path, Wish(context="c"), **environ)


def test_without_any_file_and_outside_a_cluster_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterConfigError, match="no cluster is configured"):
        _load(tmp_path)


def test_somebody_else_is_acted_as_by_flags_or_by_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path / "a", user={"token": "t", "as": "jane", "as-groups": ["g1"]})
    assert _load(tmp_path, Wish(path)).headers == (("Impersonate-User", "jane"), ("Impersonate-Group", "g1"))
    wish = Wish(path, user="joe", groups=("g2", "g3"))
    expected = (("Impersonate-User", "joe"), ("Impersonate-Group", "g2"), ("Impersonate-Group", "g3"))
    assert _load(tmp_path, wish).headers == expected
    with pytest.raises(ClusterConfigError, match="--as-group is given without --as"):
        _load(tmp_path, Wish(_file(tmp_path / "b"), groups=("g",)))


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "p:1"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, ""),
        ({"HTTP_PROXY": "http://p:1"}, ""),
    ],
)
def test_the_environment_names_a_proxy(tmp_path: Path, environ: dict[str, str], proxy: str) -> None:
    assert _load(tmp_path, Wish(_file(tmp_path / "a")), **environ).proxy == proxy


def test_the_file_names_a_proxy_before_the_environment(tmp_path: Path) -> None:
    path = _file(tmp_path / "a", cluster={"proxy-url": "http://q:2"})
    assert _load(tmp_path, Wish(path), HTTPS_PROXY="http://p:1").proxy == "http://q:2"


def _plugin(folder: Path, script: str, **more: object) -> Path:
    program = folder / "login"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    version = "client.authentication.k8s.io/v1"
    fields = {"apiVersion": version, "command": "./login", "interactiveMode": "Never"} | more
    return _file(folder / "config", user={"exec": fields})


def _credential(**status: str) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def test_a_plugin_is_asked_once_and_again_when_its_token_is_not_accepted_or_has_expired(tmp_path: Path) -> None:
    count = tmp_path / "count"
    said = _credential(token="T$(wc -l < $0.count)".replace("$0.count", str(count)))
    path = _plugin(tmp_path, f"echo x >> {count}\ncat <<E\n{said}\nE")
    token = _load(tmp_path, Wish(path)).token
    assert (token.token(), token.token()) == ("T1", "T1")
    token.rejected()
    assert token.token() == "T2"
    ended = _credential(
        token="short",  # noqa: S106 (none)
        expirationTimestamp="2001-01-01T00:00:00Z",
    )
    path = _plugin(tmp_path, f"echo x >> {count}\ncat <<E\n{ended}\nE")
    token = _load(tmp_path, Wish(path)).token
    before = count.read_text()
    assert (token.token(), token.token()) == ("short", "short")
    assert count.read_text() == before + "x\nx\n"


def test_a_plugin_gets_its_arguments_its_environment_and_what_it_is_asked(tmp_path: Path) -> None:
    out = tmp_path / "told"
    script = f'echo "$1 $EXTRA" > {out}\necho "$KUBERNETES_EXEC_INFO" >> {out}\ncat <<E\n{_credential(**USER)}\nE'
    env = [{"name": "EXTRA", "value": "more"}]
    path = _plugin(tmp_path, script, args=["one"], env=env, provideClusterInfo=True)
    _load(tmp_path, Wish(path))
    first, info = out.read_text().splitlines()
    assert first == "one more"
    spec = json.loads(info)["spec"]
    assert (spec["interactive"], spec["cluster"]["server"]) == (False, "https://a.example:6443")


@pytest.mark.parametrize(
    ("script", "more", "message"),
    [
        ("exit 7", {}, "ended with status 7"),
        ("echo nonsense", {}, "wrote no ExecCredential"),
        ("echo '{}'", {}, "wrote no ExecCredential"),
        (f"echo '{_credential()}'", {}, "gave neither a token nor a client certificate"),
        ("true", {"command": "no-such-login", "installHint": "get it"}, "is not there; install it .get it."),
        ("true", {"apiVersion": "v9"}, "apiVersion is 'v9'; use one of"),
        ("true", {"interactiveMode": "Always"}, "is Always, and there is no terminal"),
        ("true", {"args": "one"}, "args is not a list of texts"),
    ],
)
def test_a_plugin_that_gives_nothing_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, more: dict[str, object], message: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ClusterConfigError, match=message):
        _load(tmp_path, Wish(_plugin(tmp_path, script, **more)))
