import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from kubemacpool.kube.kubeconfig import ClusterConfig, load_in_cluster, load_kubeconfig
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError
from kubemacpool.kube.tokens import TokenFile


def issued() -> tuple[bytes, bytes]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    return (
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


PEM, KEY = issued()
OTHER_KEY = issued()[1]
GARBAGE = b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"


LOCKED_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


class StandingClock:
    """Moves when told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """The time that was set."""
        return self.time


def kubeconfig(
    cluster: Mapping[str, object] | None = None, user: Mapping[str, object] | None = None, **root: object
) -> dict[str, object]:
    """A kubeconfig with one context."""
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": "t"}}],
        **root,
    }


def load(tmp_path: Path, content: object, context: str | None = None) -> ClusterConfig:
    """Writes a kubeconfig and reads it."""
    path = tmp_path / "kubeconfig"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_kubeconfig(path, StandingClock(), context)


def encoded(content: bytes) -> str:
    """As it stands in a kubeconfig."""
    return base64.b64encode(content).decode()


def test_a_context_gives_server_trust_and_identity(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(PEM)
    config = load(
        tmp_path,
        kubeconfig(
            {"server": "https://h:1/", "certificate-authority": "ca.pem", "tls-server-name": "name"},
            {"client-certificate-data": encoded(PEM), "client-key-data": encoded(KEY)},
        ),
    )
    assert (config.server, config.ca_pem, config.verify, config.server_name) == ("https://h:1", PEM, True, "name")
    assert config.identity == (PEM, KEY)
    assert config.token.token() == ""


def test_no_secret_is_part_of_the_text_form(tmp_path: Path) -> None:
    user = {"token": "t0ken", "client-certificate-data": encoded(PEM), "client-key-data": encoded(KEY)}
    config = load(tmp_path, kubeconfig(user=user))
    assert "t0ken" not in repr(config)
    assert "PRIVATE" not in repr(config) + repr(config.identity)


def test_another_context_than_the_current_one_can_be_named(tmp_path: Path) -> None:
    content = kubeconfig(contexts=[{"name": "there", "context": {"cluster": "c"}}])
    config = load(tmp_path, content, "there")
    assert (config.server, config.identity, config.token.token()) == ("https://10.0.0.1:6443", None, "")


def test_a_token_file_wins_over_a_token_and_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    config = load(tmp_path, kubeconfig(user={"token": "t", "tokenFile": "token"}))
    assert config.token.token() == "from-file"


MISTAKES: dict[str, tuple[object, str]] = {
    "not YAML": ("a: [", r"kubeconfig: not YAML at line \d+; mend it or write it anew"),
    "no mapping": ("- a", r"kubeconfig: not a kubeconfig .*; name another file"),
    "no context": ({**kubeconfig(), "current-context": ""}, "current-context is not set; set it"),
    "unknown context": (
        {**kubeconfig(), "current-context": "gone"},
        "contexts has no context 'gone', which current-context names; choose one of: here",
    ),
    "unknown cluster": (
        kubeconfig(clusters=[]),
        r"clusters has no cluster 'c', which contexts\[0\].context.cluster names; choose one of: none",
    ),
    "a list that is none": (kubeconfig(users="me"), "users is of type str, not a list; write it anew"),
    "an entry that is none": (kubeconfig(users=["me"]), r"users\[0\] is of type str, not a mapping; write it anew"),
    "no server": (kubeconfig({"server": None}), r"clusters\[0\].cluster.server is missing; set it"),
    "no URL": (kubeconfig({"server": "h:1"}), "server is 'h:1', not a URL; write https://host:port"),
    "a number": (kubeconfig(user={"token": 7}), r"users\[0\].user.token is of type int, not a text; put it in quotes"),
    "a flag": (
        kubeconfig({"insecure-skip-tls-verify": "no"}),
        "insecure-skip-tls-verify is 'no'; write true or false",
    ),
    "trust and none": (
        kubeconfig({"insecure-skip-tls-verify": True, "certificate-authority-data": encoded(PEM)}),
        "insecure-skip-tls-verify is true beside a certificate-authority; keep one of the two",
    ),
    "a proxy": (kubeconfig({"proxy-url": "http://p"}), "proxy-url is 'http://p', but proxies are not supported"),
    "no base64": (
        kubeconfig({"certificate-authority-data": "!"}),
        r"certificate-authority-data is not base64 \(1 characters\); write it anew",
    ),
    "no PEM": (
        kubeconfig({"certificate-authority-data": encoded(b"secret")}),
        r"certificate-authority-data holds no certificate that can be read \(6 bytes\); write it anew",
    ),
    "a garbled key": (
        kubeconfig(user={"client-certificate-data": encoded(PEM), "client-key-data": encoded(GARBAGE)}),
        r"client-key-data holds no private key that can be read \(\d+ bytes\); write both anew",
    ),
    "a locked key": (
        kubeconfig(user={"client-certificate-data": encoded(PEM), "client-key-data": encoded(LOCKED_KEY)}),
        "client-key-data holds a private key that is protected by a password; write both anew",
    ),
    "the key of another": (
        kubeconfig(user={"client-certificate-data": encoded(PEM), "client-key-data": encoded(OTHER_KEY)}),
        "client-key-data is not the key of the client-certificate beside it; write both anew",
    ),
    "no file": (
        kubeconfig({"certificate-authority": "none.pem"}),
        r"certificate-authority is '.*/none.pem', which cannot be read \(No such file or directory\)",
    ),
    "a certificate alone": (
        kubeconfig(user={"client-certificate-data": encoded(PEM)}),
        "client-key is missing beside client-certificate; give both or neither",
    ),
    "a key alone": (
        kubeconfig(user={"client-key-data": encoded(KEY)}),
        "client-certificate is missing beside client-key; give both or neither",
    ),
    "no token file": (
        kubeconfig(user={"tokenFile": "none"}),
        "tokenFile is '.*/none', which is not there; name a file",
    ),
    "exec": (kubeconfig(user={"exec": {"command": "x"}}), "exec asks for a login plugin, .* use a client certificate"),
    "auth-provider": (kubeconfig(user={"auth-provider": {"name": "x"}}), "auth-provider asks for a login plugin"),
    "a password": (kubeconfig(user={"username": "me", "password": "secret"}), "username asks for basic authentication"),
    "impersonation": (kubeconfig(user={"token": "t", "as": "other"}), "as asks for impersonation"),
}


@pytest.mark.parametrize(("content", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_sentence_with_file_field_value_and_remedy(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(ClusterConfigError, match=message) as mistake:
        load(tmp_path, content)
    text = str(mistake.value)
    assert text.startswith(f"{tmp_path / 'kubeconfig'}: ")
    assert "\n" not in text
    assert "secret" not in text


def test_a_kubeconfig_that_is_not_there_or_not_readable_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterConfigError, match="none: there is no such kubeconfig file; name one that exists"):
        load_kubeconfig(tmp_path / "none", StandingClock())
    with pytest.raises(ClusterConfigError, match=r"cannot be read .*; make it a readable file"):
        load_kubeconfig(tmp_path, StandingClock())


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_is_told_by_its_environment_and_its_service_account(tmp_path: Path, host: str, server: str) -> None:
    for name, content in (("token", "t\n"), ("ca.crt", PEM.decode())):
        (tmp_path / name).write_text(content)
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    config = load_in_cluster(StandingClock(), environ, tmp_path)
    assert (config.server, config.ca_pem, config.verify) == (server, PEM, True)
    assert config.token.token() == "t"


def test_a_pod_whose_authority_cannot_be_read_names_where_it_comes_from(tmp_path: Path) -> None:
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("garbage")
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ClusterConfigError, match=r"ca.crt holds no certificate .*; mend this namespace's Config"):
        load_in_cluster(StandingClock(), environ, tmp_path)


def test_outside_a_pod_the_message_asks_for_a_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterConfigError, match="this is not a pod; name a kubeconfig file instead"):
        load_in_cluster(StandingClock(), {}, tmp_path)


def test_a_pod_without_its_token_is_told_to_mount_it(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ClusterConfigError, match=r"/token is not there; .*automountServiceAccountToken: true"):
        load_in_cluster(StandingClock(), environ, tmp_path)


def test_a_token_file_is_read_anew_once_a_minute_and_not_more_often(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    clock = StandingClock()
    source = TokenFile(path, clock)
    assert source.token() == "first"
    path.write_text("second")
    clock.time = 59.0
    assert source.token() == "first"
    clock.time = 60.0
    assert source.token() == "second"


def test_while_a_token_file_cannot_be_read_the_last_token_is_kept(tmp_path: Path) -> None:
    """The kubelet replaces the file; between two moments it may not be there."""
    path = tmp_path / "token"
    path.write_text("first")
    clock = StandingClock()
    source = TokenFile(path, clock)
    source.token()
    os.unlink(path)  # noqa: PTH108 - as a stranger does
    clock.time = 60.0
    assert source.token() == "first"


def test_a_rejected_token_is_read_anew_at_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    source = TokenFile(path, StandingClock())
    source.token()
    path.write_text("second")
    source.rejected()
    assert source.token() == "second"
