"""What is named to be measured beside ours is looked at before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.errors import BenchError
from bench.rivals import Beside, rivals

from devcluster.pki import Authority


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of an authority."""
    pki = tmp_path_factory.mktemp("pki")
    Authority(pki).server("server", ["127.0.0.1"])
    return pki / "ca.crt"


def test_another_webhook_is_named_by_its_url(ca: Path) -> None:
    (found,) = rivals(["go=https://localhost:9443/mutate?x=1"], [ca], None).beside
    assert found == Beside("go", "https://localhost:9443/mutate?x=1", ca)
    target = found.target("text")
    assert (target.address, target.server_name, target.path) == ("127.0.0.1:9443", "localhost", "/mutate?x=1")


def test_a_url_without_port_and_path_has_the_usual_ones(ca: Path) -> None:
    (found,) = rivals(["go=https://[::1]"], [ca], None).beside
    assert found.target("").address == "[::1]:443"
    assert found.target("").path == "/mutate-pods"


def test_one_ca_may_be_that_of_all(ca: Path) -> None:
    found = rivals(["a=https://127.0.0.1:1", "b=https://127.0.0.1:2"], [ca], None)
    assert [(each.name, each.ca) for each in found.beside] == [("a", ca), ("b", ca)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("https://127.0.0.1", "NAME=URL is wanted"),
        ("Go=https://127.0.0.1", "NAME=URL is wanted"),
        ("floor=https://127.0.0.1", "the name of something else"),
        ("go=http://127.0.0.1", "begins with https://"),
        ("go=https:", "begins with https://"),
        ("go=https://10.0.0.1", "only a loopback address"),
        ("go=https://example.org", "only a loopback address"),
        ("go=https://127.0.0.1:99999", "Port out of range"),
    ],
)
def test_a_webhook_that_cannot_be_measured_is_refused(ca: Path, text: str, fault: str) -> None:
    with pytest.raises(BenchError, match=fault):
        rivals([text], [ca], None)


def test_as_many_authorities_are_wanted_as_there_are_webhooks(ca: Path) -> None:
    with pytest.raises(BenchError, match="one for each, or one for all"):
        rivals(["a=https://127.0.0.1:1"], [], None)
    with pytest.raises(BenchError, match="name it with --beside"):
        rivals([], [ca], None)
    with pytest.raises(BenchError, match="is there twice"):
        rivals(["a=https://127.0.0.1:1", "a=https://127.0.0.1:2"], [ca], None)


def test_a_file_that_is_no_certificate_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nothing", encoding="utf-8")
    with pytest.raises(BenchError, match="holds no certificate"):
        rivals(["a=https://127.0.0.1:1"], [tmp_path / "ca"], None)
    with pytest.raises(BenchError, match="No such file"):
        rivals(["a=https://127.0.0.1:1"], [tmp_path / "none"], None)


def test_a_directory_that_is_no_checkout_or_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no checkout of this repository"):
        rivals([], [], tmp_path)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "served.py").touch()
    with pytest.raises(BenchError, match="not installed; run `make install` there"):
        rivals([], [], tmp_path)


def test_this_checkout_can_be_measured_against_itself() -> None:
    here = Path(__file__).resolve().parents[3]
    found = rivals([], [], here)
    assert found.against is not None
    assert found.against.python.exists()
    assert set(found.told) == {"against"}
