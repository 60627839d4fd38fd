"""What is in the image, as a CycloneDX document."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from image.contents import DISTRIBUTION, LICENSES, LICENSES_BY_HAND, NAME, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution
    from pathlib import Path

    from cyclonedx.model.license import License

    from image.packages import Package

_SHORT_NAME = re.compile(r"^License: *(\S.*)$", re.MULTILINE)  # of a machine-readable copyright file
_NAMED_TEXT = re.compile(r"/usr/share/common-licenses/([A-Za-z]+(?:-[0-9.]*[0-9])?)")
_LONGEST_NAME = 80  # a longer `License` of a wheel is its text


def document(platform: Platform, version: str, epoch: int, components: Iterable[Component]) -> str:
    """Write the document; its serial number follows from its content."""
    image = Component(
        name=NAME,
        version=version,
        type=ComponentType.CONTAINER,
        bom_ref=f"{NAME}:{version}@{platform.name}",
        licenses=[LicenseExpression(LICENSES)],
        properties=[Property(name="kubemacpool.io/platform", value=platform.name)],
    )
    listed = list(components)
    identity = "\n".join((str(image.bom_ref), str(epoch), *(f"{each.bom_ref} {list(each.hashes)}" for each in listed)))
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, identity),
        metadata=BomMetaData(component=image, timestamp=datetime.fromtimestamp(epoch, UTC)),
        components=listed,
    )
    bom.register_dependency(image, listed)
    for component in listed:
        bom.register_dependency(component)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def debian(package: Package, platform: Platform, root: Path) -> Component:
    """Describe a Debian package, with the licences that its copyright file names."""
    qualifiers = {"arch": platform.architecture, "distro": DISTRIBUTION}
    purl = PackageURL("deb", "debian", package.name, package.version, qualifiers)
    path = root / "usr/share/doc" / package.name / "copyright"
    text = path.read_text(encoding="utf-8", errors="replace")
    named = {name.strip() for name in _SHORT_NAME.findall(text)} if "Format:" in text.partition("\n")[0] else set()
    named = named or set(_NAMED_TEXT.findall(text)) or {LICENSES_BY_HAND[package.name]}
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[DisjunctiveLicense(name=name) for name in sorted(named)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
        properties=[Property(name="kubemacpool.io/licenses-in", value=f"/{path.relative_to(root)}")],
    )


def python(distribution: Distribution) -> Component:
    """Describe a wheel, with the licence that its metadata names."""
    purl = PackageURL("pypi", None, distribution.name, distribution.version)
    return Component(
        name=distribution.name,
        version=distribution.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=_licenses(distribution),
    )


def _licenses(distribution: Distribution) -> list[License]:
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return [LicenseExpression(metadata["License-Expression"])]
    for name in metadata.get_all("License") or ():
        if len(name) <= _LONGEST_NAME and "\n" not in name:
            return [DisjunctiveLicense(name=name)]
    classifiers = metadata.get_all("Classifier") or []
    named = (each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: "))
    return [DisjunctiveLicense(name=each) for each in sorted(set(named))]
