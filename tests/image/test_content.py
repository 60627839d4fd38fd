"""What is in the image, and what is not."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.image.conftest import TREE

if TYPE_CHECKING:
    from tests.image.conftest import Build

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
MODULES: Final = "usr/local/lib/python3.11/dist-packages"
SBOM: Final = "usr/share/doc/kubemacpool/sbom.cdx.json"
UNCHECKED_HASH: Final = 1  # the flags of PEP 552: by hash, and not to be compared with the source


def bill(root: Path) -> dict[str, Any]:
    """The bill of materials in a root."""
    read: dict[str, Any] = json.loads((root / SBOM).read_text())
    return read


@pytest.fixture(params=PLATFORMS)
def root(request: pytest.FixtureRequest, roots: dict[str, Path]) -> Path:
    """The root file system of a platform."""
    return roots[request.param]


def test_there_is_no_shell_no_package_manager_and_no_other_program(root: Path) -> None:
    programs = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.parent.name in {"bin", "sbin"}}
    assert programs == {"usr/bin/python3.11", "usr/local/bin/kubemacpool", "usr/local/bin/kubectl-macpool"}
    installers = {"pip", "setuptools", "ensurepip", "apt", "dpkg", "wheel", "uv"}
    assert not [path for path in root.rglob("*.py") if path.parent.name in installers]
    assert not {path.name for path in (root / MODULES).iterdir()} & installers


def test_every_source_has_byte_code_that_is_never_checked(root: Path) -> None:
    sources = [path for path in root.rglob("*.py") if path.resolve().is_relative_to(root) and "etc" not in path.parts]
    assert len(sources) > 1000
    for source in sources:
        if source.name == "sitecustomize.py":
            continue
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        assert compiled.read_bytes()[4:8] == UNCHECKED_HASH.to_bytes(4, "little"), source


def test_byte_code_names_paths_in_the_image(root: Path) -> None:
    compiled = (root / MODULES / "kubemacpool/cli/__pycache__/main.cpython-311.pyc").read_bytes()
    assert f"/{MODULES}/kubemacpool/cli/main.py".encode() in compiled
    assert str(TREE).encode() not in compiled


def test_nothing_tells_of_the_machine_that_built_it(root: Path) -> None:
    home = os.fsencode(Path.home()) + b"/"
    for path in (root / MODULES).rglob("*.dist-info/*"):
        if path.is_file():
            assert home not in path.read_bytes(), path
            assert path.name not in {"direct_url.json", "uv_cache.json"}


def test_the_wheels_are_those_of_the_lock(root: Path) -> None:
    lock = (TREE / "requirements" / "runtime.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    assert locked.pop("colorama")  # for Windows
    there = distributions(path=[str(root / MODULES)])
    installed = {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in there}
    assert installed.pop("kubemacpool")
    assert installed == locked


def test_the_bill_of_materials_is_valid_and_stands_beside_the_archive_as_well(
    build: Build, roots: dict[str, Path]
) -> None:
    for platform, root in roots.items():
        text = (root / SBOM).read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        architecture = platform.rpartition("/")[2]
        (beside,) = build.out.glob(f"*-{architecture}.cdx.json")
        assert beside.read_text() == text


def test_the_bill_lists_every_package_that_is_there_with_its_licence(root: Path) -> None:
    listed = {component["purl"]: component for component in bill(root)["components"]}
    there = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {name for purl in listed for name in re.findall(r"pkg:deb/debian/([^@]+)", purl)} == {
        name.replace("+", "%2B") for name in there
    }
    wheels = {each.name for each in distributions(path=[str(root / MODULES)])}
    assert {each["name"] for purl, each in listed.items() if purl.startswith("pkg:pypi/")} == wheels
    assert [purl for purl, each in listed.items() if not each.get("licenses")] == []


def test_the_text_of_every_licence_is_there(root: Path) -> None:
    for component in bill(root)["components"]:
        for named in component.get("properties", []):
            assert (root / named["value"].lstrip("/")).is_file(), component["name"]
    without = [
        each.name
        for each in distributions(path=[str(root / MODULES)])
        if not [file for file in each.files or () if re.search("licen[sc]e|copying|notice", file.name, re.IGNORECASE)]
    ]
    assert without == []
    texts = (root / "usr/share/common-licenses").iterdir()
    assert {"Apache-2.0", "GPL-2", "GPL-3", "LGPL-2.1"} <= {path.name for path in texts}
