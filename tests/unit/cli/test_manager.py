"""The command line: each flag and its environment variable, and one message for each mistake."""

import re
import runpy
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from kubemacpool import process
from kubemacpool.certs.intervals import AS_SHIPPED, Interval
from kubemacpool.cli import main as cli
from kubemacpool.process import ReplicaFailedError, StartError
from kubemacpool.settings import Settings

SETTINGS = {
    "--kubeconfig": "KUBECONFIG",
    "--namespace": "POD_NAMESPACE",
    "--bind-address": "KUBEMACPOOL_BIND_ADDRESS",
    "--advertise-address": "POD_IP",
    "--webhook-port": "KUBEMACPOOL_WEBHOOK_PORT",
    "--metrics-port": "KUBEMACPOOL_METRICS_PORT",
    "--health-port": "KUBEMACPOOL_HEALTH_PORT",
    "--wait-time": "KUBEMACPOOL_WAIT_TIME",
    "--cool-down": "KUBEMACPOOL_COOL_DOWN",
    "--drain-delay": "KUBEMACPOOL_DRAIN_DELAY",
    "--client-ca-file": "KUBEMACPOOL_CLIENT_CA_FILE",
    "--client-name": "KUBEMACPOOL_CLIENT_NAME",
    "--tls-cert-file": "KUBEMACPOOL_TLS_CERT_FILE",
    "--tls-private-key-file": "KUBEMACPOOL_TLS_PRIVATE_KEY_FILE",
    "--ca-rotate-interval": "CA_ROTATE_INTERVAL",
    "--ca-overlap-interval": "CA_OVERLAP_INTERVAL",
    "--cert-rotate-interval": "CERT_ROTATE_INTERVAL",
    "--cert-overlap-interval": "CERT_OVERLAP_INTERVAL",
    "--metrics-client-ca-file": "KUBEMACPOOL_METRICS_CLIENT_CA_FILE",
    "--tls-min-version": "KUBEMACPOOL_TLS_MIN_VERSION",
    "--tls-cipher-suites": "KUBEMACPOOL_TLS_CIPHER_SUITES",
    "--log-level": "KUBEMACPOOL_LOG_LEVEL",
    "--log-format": "KUBEMACPOOL_LOG_FORMAT",
}
DAY = timedelta(days=1)
HALF_A_YEAR = 182.5 * DAY
GOOD = {
    "--namespace": ("ns1", {"namespace": "ns1"}),
    "--bind-address": ("127.0.0.1", {"bind_address": "127.0.0.1"}),
    "--advertise-address": ("10.0.0.1", {"advertise_address": "10.0.0.1"}),
    "--webhook-port": ("9000", {"webhook_port": 9000}),
    "--metrics-port": ("9001", {"metrics_port": 9001}),
    "--health-port": ("9002", {"health_port": 9002}),
    "--wait-time": ("300", {"wait_time": 300, "cool_down": 300}),
    "--cool-down": ("0", {"cool_down": 0}),
    "--drain-delay": ("0", {"drain_delay": 0}),
    "--ca-rotate-interval": ("4380h0m0s", {"intervals": AS_SHIPPED._replace(authority=Interval(HALF_A_YEAR, DAY))}),
    "--ca-overlap-interval": (
        "1.5h",
        {"intervals": AS_SHIPPED._replace(authority=Interval(2 * HALF_A_YEAR, DAY / 16))},
    ),
    "--cert-rotate-interval": ("24h", {"intervals": AS_SHIPPED._replace(serving=Interval(DAY, DAY))}),
    "--cert-overlap-interval": ("8s", {"intervals": AS_SHIPPED._replace(serving=Interval(HALF_A_YEAR, DAY / 10_800))}),
    "--tls-min-version": ("VersionTLS12", {"tls_min_version": "VersionTLS12"}),
    "--tls-cipher-suites": (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256,",
        {"tls_cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256")},
    ),
    "--log-level": ("debug", {"log_level": "debug"}),
    "--log-format": ("console", {"log_format": "console"}),
}
BAD = {
    "--kubeconfig": ("/does/not/exist", "/does/not/exist, which is not a file; give the path of a kubeconfig"),
    "--namespace": ("Not_One", "'Not_One', which cannot be the name of a namespace; as shipped it is"),
    "--bind-address": ("localhost", "'localhost', which is not an IP address; use 0.0.0.0 for all interfaces"),
    "--advertise-address": ("0.0.0.0", "0.0.0.0, which is no address of one; give the address at which"),  # noqa: S104
    "--webhook-port": ("99999", "99999; give a whole number from 0 to 65535"),
    "--metrics-port": ("http", "'http' is not a whole number; write it with digits"),
    "--health-port": ("70000", "70000; give a whole number from 0 to 65535"),
    "--wait-time": ("0", "0; give a whole number from 1 to"),
    "--cool-down": ("-1", "-1; give a whole number from 0 to"),
    "--drain-delay": ("1.5", "'1.5' is not a whole number; write it with digits"),
    "--metrics-client-ca-file": ("/does/not/exist", "/does/not/exist, which is not a file; give the path of the"),
    "--client-ca-file": ("/does/not/exist", "/does/not/exist, which is not a file; give the path of the certificates"),
    "--client-name": ("kube-apiserver", "kube-apiserver, and nobody is told who signs for that name"),
    "--tls-cert-file": (
        "/does/not/exist",
        "/does/not/exist, and there is no --tls-private-key-file (KUBEMACPOOL_TLS_PR",
    ),
    "--tls-private-key-file": ("/no/key", "/no/key, and there is no --tls-cert-file (KUBEMACPOOL_TLS_CERT_FILE); give"),
    "--ca-rotate-interval": ("1 year", "'1 year' is not a duration; write it like 10s, 1m30s or 8760h0m0s"),
    "--ca-overlap-interval": ("7.9s", "7.9s; give at least 8s, so that there is time to exchange everything"),
    "--cert-rotate-interval": ("11s", "11s; give at least 12s, so that there is time to exchange everything"),
    "--cert-overlap-interval": ("8760h", "15768000s and --cert-overlap-interval (CERT_OVERLAP_INTERVAL) is 31536000s"),
    "--tls-min-version": ("1.2", "'1.2'; use one of VersionTLS12, VersionTLS13"),
    "--tls-cipher-suites": ("RC4", "names 'RC4', which is not known; known are TLS_AES_128_GCM_SHA256, "),
    "--log-level": ("loud", "'loud' is not one of 'debug', 'info', 'warning', 'error'"),
    "--log-format": ("xml", "'xml' is not one of 'json', 'console'"),
}


class Started:
    """Stands in for the program: keeps the settings that it was started with."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.fault: Exception | None = None

    def run_manager(self, settings: Settings) -> None:
        """Keep the settings, or fail as told."""
        self.settings.append(settings)
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The command line with nothing behind it, in an environment without settings."""
    started = Started()
    monkeypatch.setattr(process, "run_manager", started.run_manager)
    for variable in SETTINGS.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return started


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kubemacpool", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _in_one_line(text: str) -> str:
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


def test_without_settings_everything_is_as_shipped(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, "manager") == 0
    assert started.settings == [Settings()]


@pytest.mark.parametrize("flag", GOOD)
def test_a_flag_and_its_variable_set_the_same(started: Started, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    value, expected = GOOD[flag]
    assert _run(monkeypatch, "manager", f"{flag}={value}") == 0
    assert _run(monkeypatch, "manager", flag, value) == 0
    monkeypatch.setenv(SETTINGS[flag], value)
    assert _run(monkeypatch, "manager") == 0
    assert started.settings == [Settings(**expected)] * 3  # type: ignore[arg-type]  # one setting at a time


def test_a_kubeconfig_is_taken_from_either(started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.touch()
    assert _run(monkeypatch, "manager", f"--kubeconfig={path}") == 0
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert _run(monkeypatch, "manager") == 0
    assert [settings.kubeconfig for settings in started.settings] == [path, path]


def test_the_names_of_clients_are_given_one_by_one_or_with_commas(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "ca.crt"
    path.touch()
    monkeypatch.setenv("KUBEMACPOOL_CLIENT_CA_FILE", str(path))
    assert _run(monkeypatch, "manager", "--client-name=a, b", "--client-name", "c,") == 0
    monkeypatch.setenv("KUBEMACPOOL_CLIENT_NAME", "a,b c")
    assert _run(monkeypatch, "manager") == 0
    assert started.settings == [Settings(client_ca_file=path, client_names=("a", "b", "c"))] * 2


def test_a_certificate_and_its_key_are_given_together(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.touch()
    key.touch()
    assert _run(monkeypatch, "manager", f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}") == 0
    assert started.settings == [Settings(tls_cert_file=certificate, tls_private_key_file=key)]
    assert _run(monkeypatch, "manager", f"--tls-cert-file={certificate}") == 2
    assert _run(monkeypatch, "manager", f"--tls-cert-file={certificate}", "--tls-private-key-file=/no") == 2
    assert "/no, which is not a file; give the path of a PEM file" in _in_one_line(capsys.readouterr().err)


def test_a_certificate_is_valid_for_ten_years_at_most(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    assert _run(monkeypatch, "manager", "--ca-rotate-interval=87840h") == 0
    assert _run(monkeypatch, "manager", "--ca-rotate-interval=2000000h") == 2
    assert _run(monkeypatch, "manager", "--ca-rotate-interval=-1h") == 2
    assert len(started.settings) == 1


def test_a_flag_wins_over_its_variable(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEMACPOOL_WAIT_TIME", "200")
    assert _run(monkeypatch, "manager", "--wait-time=300") == 0
    assert started.settings[0].wait_time == 300


def test_an_empty_variable_is_as_good_as_none(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in SETTINGS.values():
        monkeypatch.setenv(variable, "")
    assert _run(monkeypatch, "manager") == 0
    assert started.settings == [Settings()]


@pytest.mark.parametrize("flag", BAD)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_mistake_is_one_message_that_names_flag_variable_value_and_remedy(
    started: Started,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    *,
    by_variable: bool,
) -> None:
    value, message = BAD[flag]
    if by_variable:
        monkeypatch.setenv(SETTINGS[flag], value)
        code = _run(monkeypatch, "manager")
    else:
        code = _run(monkeypatch, "manager", f"{flag}={value}")
    output = capsys.readouterr()
    shown = _in_one_line(output.err)
    assert code == 2
    assert output.out == ""
    assert started.settings == []
    assert shown.count(flag) == 1
    assert shown.count(SETTINGS[flag]) == 1
    assert message in shown
    assert "Traceback" not in shown


OF_THE_GO_IMPLEMENTATION = {
    "--v=production": {"log_level": "info"},
    "--v=debug": {"log_level": "debug"},
    "--metrics-addr=:9001": {"metrics_port": 9001},
    "--metrics-addr=0.0.0.0:9001": {"metrics_port": 9001},
    "--metrics-addr=[::]:9001": {"metrics_port": 9001},
    "--v=debug --log-level=debug": {"log_level": "debug"},
    "--metrics-addr=:9001 --metrics-port=9001": {"metrics_port": 9001},
}


@pytest.mark.parametrize(("arguments", "expected"), OF_THE_GO_IMPLEMENTATION.items())
def test_flags_of_the_go_implementation_are_taken(
    started: Started, monkeypatch: pytest.MonkeyPatch, arguments: str, expected: dict[str, object]
) -> None:
    assert _run(monkeypatch, "manager", *arguments.split()) == 0
    assert started.settings == [Settings(**expected)]  # type: ignore[arg-type]  # one setting at a time


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--v=loud", "'loud' is not one of 'production', 'debug'"),
        ("--metrics-addr=9001", "'9001' is not a port of every address; write it like :8443, and choose the address"),
        ("--metrics-addr=10.0.0.1:9001", "'10.0.0.1:9001' is not a port of every address; write it like :8443"),
        ("--metrics-addr=:http", "'http' is not a whole number; write it with digits"),
        ("--metrics-addr=:70000", "--metrics-port (KUBEMACPOOL_METRICS_PORT) is 70000; give a whole number from 0 to"),
        ("--v=debug --log-level=error", "--log-level is error and --v means debug; leave one of them out"),
        ("--metrics-addr=:1 --metrics-port=2", "--metrics-port is 2 and --metrics-addr means 1; leave one of them out"),
    ],
)
def test_mistakes_in_flags_of_the_go_implementation_are_one_message(
    started: Started,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    assert _run(monkeypatch, "manager", *arguments.split()) == 2
    assert message in _in_one_line(capsys.readouterr().err)
    assert started.settings == []


@pytest.mark.parametrize("arguments", [("manager", "--no-such-flag"), ("manager", "extra"), ("menager",)])
def test_what_is_not_understood_is_named(
    started: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert _run(monkeypatch, *arguments) == 2
    assert arguments[-1] in capsys.readouterr().err
    assert started.settings == []


def test_a_program_that_cannot_start_says_why(
    started: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started.fault = StartError("cannot listen on 127.0.0.1:80: Permission denied")
    assert _run(monkeypatch, "manager") == 2
    assert capsys.readouterr().err == "kubemacpool: cannot listen on 127.0.0.1:80: Permission denied\n"


def test_a_program_that_ends_for_a_fault_of_its_own_has_said_so_in_its_log(
    started: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started.fault = ReplicaFailedError("the task election has failed")
    assert _run(monkeypatch, "manager") == 1
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_lists_every_flag_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    assert _run(monkeypatch, "manager", flag) == 0
    shown = _in_one_line(capsys.readouterr().out)
    for setting, variable in SETTINGS.items():
        assert f" {setting} " in shown
        assert f"[env var: {variable}" in shown


@pytest.mark.usefixtures("started")
def test_without_a_command_it_says_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch) == 2
    output = capsys.readouterr()
    assert "manager" in output.out + output.err


@pytest.mark.usefixtures("started")
def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "--version") == 0
    assert re.fullmatch(r"kubemacpool \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.usefixtures("started")
def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["kubemacpool", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("kubemacpool", run_name="__main__")
    assert capsys.readouterr().out.startswith("kubemacpool ")
