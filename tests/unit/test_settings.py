import ssl
from pathlib import Path

import pytest

from kubemacpool.certs.contexts import SUITES, TlsPolicy
from kubemacpool.settings import LONGEST_TIME, Settings, SettingsError


def test_what_is_not_set_is_as_shipped() -> None:
    settings = Settings()
    assert (settings.namespace, settings.kubeconfig) == ("kubemacpool-system", None)
    assert settings.advertise_address is None
    assert (settings.bind_address, settings.webhook_port, settings.metrics_port) == ("0.0.0.0", 8000, 8443)  # noqa: S104
    assert settings.health_port == 8081
    assert (settings.wait_time, settings.cool_down, settings.drain_delay) == (120, 120, 3)
    assert (settings.log_level, settings.log_format) == ("info", "json")


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "fd00::1"])  # noqa: S104
def test_an_address_of_either_family_can_be_listened_on(address: str) -> None:
    assert Settings(bind_address=address).bind_address == address


ADVERTISED = {
    "what is listened on": ({"bind_address": "10.0.0.1"}, "10.0.0.1"),
    "what is listened on, of the other family": ({"bind_address": "fd00::1"}, "fd00::1"),
    "what it was told": ({"advertise_address": "10.0.0.2"}, "10.0.0.2"),
    "what it was told, whatever it listens on": (
        {"advertise_address": "fd00::2", "bind_address": "10.0.0.1"},
        "fd00::2",
    ),
    "this machine alone": ({}, "127.0.0.1"),
    "this machine alone, listening on all of both families": ({"bind_address": "::"}, "127.0.0.1"),
    "the same, however it is written": ({"bind_address": "0:0::0"}, "127.0.0.1"),
}


@pytest.mark.parametrize(("given", "advertised"), ADVERTISED.values(), ids=ADVERTISED)
def test_a_replica_tells_the_others_one_address_at_which_it_is_reached(given: dict[str, str], advertised: str) -> None:
    assert Settings(**given).advertised == advertised  # type: ignore[arg-type]  # addresses only


@pytest.mark.parametrize("address", ["", "localhost", "10.0.0.1:8000"])
def test_an_advertised_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(advertise_address=address)
    assert str(caught.value) == (
        f"--advertise-address (POD_IP) is {address!r}, which is not an IP address; "
        "give the address at which the other replicas reach this one, such as the pod's"
    )


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "0:0::0"])  # noqa: S104
def test_every_address_is_none_to_advertise(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(advertise_address=address)
    assert str(caught.value) == (
        f"--advertise-address (POD_IP) is {address}, which is no address of one; "
        "give the address at which the other replicas reach this one, such as the pod's"
    )


def test_a_wrong_address_to_listen_on_is_not_called_a_wrong_one_to_advertise() -> None:
    with pytest.raises(SettingsError, match=r"^--bind-address"):
        Settings(bind_address="localhost")


def test_free_ports_may_be_asked_for() -> None:
    assert Settings(webhook_port=0, metrics_port=0, health_port=0).webhook_port == 0


@pytest.mark.parametrize(("wait_time", "cool_down", "drain_delay"), [(1, 0, 0), (LONGEST_TIME,) * 3])
def test_the_shortest_and_the_longest_times_may_be(wait_time: int, cool_down: int, drain_delay: int) -> None:
    settings = Settings(wait_time=wait_time, cool_down=cool_down, drain_delay=drain_delay)
    assert (settings.wait_time, settings.cool_down, settings.drain_delay) == (wait_time, cool_down, drain_delay)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_does_not_exist_is_named(port: int) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(webhook_port=port)
    assert str(caught.value) == (
        f"--webhook-port (KUBEMACPOOL_WEBHOOK_PORT) is {port}; give a whole number from 0 to 65535"
    )
    with pytest.raises(SettingsError) as caught:
        Settings(metrics_port=port)
    assert str(caught.value) == (
        f"--metrics-port (KUBEMACPOOL_METRICS_PORT) is {port}; give a whole number from 0 to 65535"
    )
    with pytest.raises(SettingsError) as caught:
        Settings(health_port=port)
    assert str(caught.value) == (
        f"--health-port (KUBEMACPOOL_HEALTH_PORT) is {port}; give a whole number from 0 to 65535"
    )


@pytest.mark.parametrize(("name", "port"), [("webhook", 8000), ("metrics", 8443)])
def test_the_port_of_the_probes_is_no_other_one(name: str, port: int) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(health_port=port)
    assert str(caught.value) == (
        f"--{name}-port (KUBEMACPOOL_{name.upper()}_PORT) and --health-port (KUBEMACPOOL_HEALTH_PORT) are both {port}; "
        "give each a port of its own"
    )


def test_the_words_for_tls_are_those_of_kubernetes_and_go() -> None:
    assert Settings().tls == TlsPolicy(ssl.TLSVersion.TLSv1_3)
    settings = Settings(tls_min_version="VersionTLS12", tls_cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))
    assert settings.tls == TlsPolicy(ssl.TLSVersion.TLSv1_2, ("ECDHE-ECDSA-AES128-GCM-SHA256",))


def test_an_unknown_version_of_tls_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(tls_min_version="VersionTLS10")
    assert str(caught.value) == (
        "--tls-min-version (KUBEMACPOOL_TLS_MIN_VERSION) is 'VersionTLS10'; "
        "use one of VersionTLS12, VersionTLS13, TLSv1.2, TLSv1.3"
    )


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("TLS_RSA_WITH_RC4_128_SHA",), "names 'TLS_RSA_WITH_RC4_128_SHA', which is not known; known are "),
        (("a", "TLS_AES_128_GCM_SHA256", "b", "c"), "names 'a', which is not known (and 2 more); known are "),
        (("x" * 1000,), f"names '{'x' * 80}...', which is not known; known are "),
    ],
)
def test_an_unknown_cipher_suite_is_named_with_those_that_are_known(names: tuple[str, ...], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(tls_cipher_suites=names)
    assert str(caught.value) == f"--tls-cipher-suites (KUBEMACPOOL_TLS_CIPHER_SUITES) {named}{', '.join(SUITES)}"


def test_one_port_for_both_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(webhook_port=8443)
    assert str(caught.value) == (
        "--webhook-port (KUBEMACPOOL_WEBHOOK_PORT) and --metrics-port (KUBEMACPOOL_METRICS_PORT) are both 8443; "
        "give each a port of its own"
    )


@pytest.mark.parametrize("seconds", [-1, 0, LONGEST_TIME + 1])
def test_a_wait_time_that_cannot_be_is_named(seconds: int) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(wait_time=seconds)
    assert str(caught.value) == (
        f"--wait-time (KUBEMACPOOL_WAIT_TIME) is {seconds}; give a whole number from 1 to 604800"
    )


@pytest.mark.parametrize("seconds", [-1, LONGEST_TIME + 1])
def test_other_times_that_cannot_be_are_named(seconds: int) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(cool_down=seconds)
    assert str(caught.value) == (
        f"--cool-down (KUBEMACPOOL_COOL_DOWN) is {seconds}; give a whole number from 0 to 604800"
    )
    with pytest.raises(SettingsError) as caught:
        Settings(drain_delay=seconds)
    assert str(caught.value) == (
        f"--drain-delay (KUBEMACPOOL_DRAIN_DELAY) is {seconds}; give a whole number from 0 to 604800"
    )


@pytest.mark.parametrize("address", ["", "localhost", "127.0.0.1:8000", "300.1.1.1"])
def test_what_is_not_an_ip_address_is_named(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(bind_address=address)
    assert str(caught.value) == (
        f"--bind-address (KUBEMACPOOL_BIND_ADDRESS) is {address!r}, which is not an IP address; "
        "use 0.0.0.0 for all interfaces"
    )


@pytest.mark.parametrize("namespace", ["", "A", "a_b", "a.b", "-a", "a-", "a" * 64, "a\n", "ä"])
def test_what_cannot_be_a_namespace_is_named(namespace: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(namespace=namespace)
    assert str(caught.value) == (
        f"--namespace (POD_NAMESPACE) is {namespace!r}, which cannot be the name of a namespace; "
        "as shipped it is kubemacpool-system"
    )


@pytest.mark.parametrize("namespace", ["a", "0", "a-b", "a" * 63])
def test_what_can_be_a_namespace_is_taken(namespace: str) -> None:
    assert Settings(namespace=namespace).namespace == namespace


@pytest.mark.parametrize("name", ["missing", ".", "nul\0"])
def test_a_kubeconfig_that_is_not_a_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(SettingsError) as caught:
        Settings(kubeconfig=path)
    assert str(caught.value) == (
        f"--kubeconfig (KUBECONFIG) is {path}, which is not a file; "
        "give the path of a kubeconfig, or leave it out inside a cluster"
    )


def test_a_kubeconfig_where_we_may_not_look_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(SettingsError, match="which is not a file"):
        Settings(kubeconfig=tmp_path / "kubeconfig")


def test_a_kubeconfig_that_is_a_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.touch()
    assert Settings(kubeconfig=path).kubeconfig == path


def test_names_of_clients_need_an_authority_and_an_authority_needs_no_names(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.touch()
    assert Settings(client_ca_file=path, client_names=("a",)).client_names == ("a",)
    assert Settings(client_ca_file=path).client_names == ()
    with pytest.raises(SettingsError, match=r"is a, b, and nobody is told who signs for that name; give --client-ca"):
        Settings(client_names=("a", "b"))


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().namespace = "other"  # type: ignore[misc]  # that it cannot be assigned is the point
