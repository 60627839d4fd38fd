"""What is joined for users is what kustomize builds from the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from manifests.releases import RELEASES

if TYPE_CHECKING:
    from manifests.releases import Release
    from tests.manifests.conftest import Kustomize


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.target.name)
def test_kustomize_builds_the_objects_of_the_release_manifest_in_its_order(
    kustomize: Kustomize, release: Release
) -> None:
    assert kustomize(release.base) == list(yaml.safe_load_all(release.target.read_text()))
