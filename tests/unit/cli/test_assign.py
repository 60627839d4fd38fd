"""`kubemacpool assign`: files, flags and exit statuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kubemacpool.cli.main import app

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: %s
  annotations:
    k8s.v1.cni.cncf.io/networks: '[{"name":"x"}]'  # the second network
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kubemacpool-mac-range-config}
data: {RANGE_START: "%s", RANGE_END: "02:00:00:00:02:ff", EXCLUDE: "02:00:00:00:02:00"}
"""


def _run(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["assign", *map(str, arguments)], input=given)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two pods in files of their own, one in a directory below."""
    (tmp_path / "below").mkdir()
    (tmp_path / "a.yaml").write_text(POD % "a")
    (tmp_path / "below" / "b.yml").write_text(POD % "b")
    (tmp_path / "notes.txt").write_text("no manifest: [")
    return tmp_path


def test_a_directory_is_one_ledger_and_is_filled_in_place(directory: Path) -> None:
    result = _run("-f", directory)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f'{directory}/a.yaml:1: Pod default/a: entry 0 ("x"): 02:00:00:00:00:01' in result.stderr
    added = ',"mac":"02:00:00:00:00:0%d"}'
    assert (directory / "a.yaml").read_text() == (POD % "a").replace("}", added % 1)
    assert (directory / "below" / "b.yml").read_text() == (POD % "b").replace("}", added % 2)
    assert _run("-f", directory, "--check").output == ""


def test_check_shows_a_difference_and_writes_nothing(directory: Path) -> None:
    result = _run("-f", directory, "--check")
    assert result.exit_code == 1
    assert f"--- {directory}/a.yaml" in result.stdout
    assert (
        """+    k8s.v1.cni.cncf.io/networks: '[{"name":"x","mac":"02:00:00:00:00:01"}]'  # the second"""
        in result.stdout
    )
    assert (directory / "a.yaml").read_text() == POD % "a"
    assert _run("-f", directory, "--dry-run").exit_code == 0
    assert (directory / "a.yaml").read_text() == POD % "a"


def test_the_standard_input_is_written_to_the_standard_output() -> None:
    result = _run("-f", "-", given=POD % "a")
    assert result.exit_code == 0
    assert result.stdout == (POD % "a").replace("}", ',"mac":"02:00:00:00:00:01"}')
    assert _run("-f", "-", given=result.stdout).stdout == result.stdout


def test_the_range_is_that_of_the_flag_or_of_a_config_map(directory: Path, tmp_path: Path) -> None:
    ranged = _run("-f", directory, "--dry-run", "--range=02-00-00-00-01-00-02:00:00:00:01:ff", "--exclude=020000000100")
    assert '"mac":"02:00:00:00:01:01"' in ranged.stdout
    elsewhere = tmp_path / ".range.yaml"
    elsewhere.write_text(CONFIG_MAP % "02:00:00:00:02:00")
    assert '"mac":"02:00:00:00:02:01"' in _run("-f", directory, "--dry-run", f"--config-map={elsewhere}").stdout
    (directory / "range.yaml").write_text(CONFIG_MAP % "02:00:00:00:02:10")
    assert '"mac":"02:00:00:00:02:10"' in _run("-f", directory, "--dry-run").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "{0}", "--range=02:00:00:00:00:00"], "--range '02:00:00:00:00:00' is no range; write it like"),
        (["-f", "{0}", "--range=02:00:00:00:00:05-02:00:00:00:00:01"], "is greater than"),
        (["-f", "{0}", "--exclude=nonsense"], '--exclude "nonsense" is neither an address nor a range'),
        (["-f", "{0}/notes.txt"], "notes.txt:2: not YAML"),
        (["-f", "{0}/nothing.yaml"], "nothing.yaml: No such file or directory"),
        (["-f", "{0}", "--config-map={0}/a.yaml"], "there is no ConfigMap kubemacpool-mac-range-config in it"),
        ([], "Missing option '--filename' / '-f'"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(directory: Path, arguments: list[str], message: str) -> None:
    result = _run(*(each.format(directory) for each in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_fault_is_named_with_its_place_and_nothing_is_written(directory: Path) -> None:
    (directory / "c.yaml").write_text((POD % "c").replace("}", ',"mac":"02:00:00:00:00:07"}'))
    (directory / "d.yaml").write_text((POD % "d").replace("}", ',"mac":"02:00:00:00:00:07"}'))
    result = _run("-f", directory)
    assert result.exit_code == 1
    assert (
        f"{directory}/c.yaml:6: error: Pod default/c: 02:00:00:00:00:07 is that of Pod default/d ({directory}/d.yaml:6)"
        in (result.stderr)
    )
    assert (directory / "a.yaml").read_text() == POD % "a"


def test_a_full_pool_is_a_fault(directory: Path) -> None:
    result = _run("-f", directory, "--range=02:00:00:00:00:01-02:00:00:00:00:01")
    assert result.exit_code == 1
    assert (
        "Pod default/b: the pool 02:00:00:00:00:01-02:00:00:00:00:01 is exhausted: 1 needed, 0 free of 1"
        in result.stderr
    )
    assert (directory / "a.yaml").read_text() == POD % "a"
