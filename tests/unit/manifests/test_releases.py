"""The manifests that users apply are those that the bases give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from manifests.releases import RELEASES, Release, text

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nsortOptions: {order: fifo}\n"


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.target.name)
def test_a_release_manifest_is_what_make_manifests_writes(release: Release) -> None:
    assert release.target.read_text() == text(release), "edit the files in config, then run `make manifests`"


def test_files_are_joined_as_they_are_listed_with_their_comments(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "kustomization.yaml").write_text(f"{HEAD}resources: [b.yaml, inner, a.yaml]\n")
    (tmp_path / "inner" / "kustomization.yaml").write_text(f"{HEAD}resources: [c.yaml]\n")
    (tmp_path / "a.yaml").write_text("a: 1 # one\n")
    (tmp_path / "b.yaml").write_text("# first\nb: 2\n")
    (tmp_path / "inner" / "c.yaml").write_text("c: 3\n")

    joined = text(Release(tmp_path / "made.yaml", tmp_path, "# Header\n"))

    assert joined == "# Header\n# first\nb: 2\n---\nc: 3\n---\na: 1 # one\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"{HEAD}resources: []\npatches: []\n", "patches"),
        (f"{HEAD.replace('fifo', 'legacy')}resources: []\n", "legacy"),
    ],
)
def test_a_base_that_changes_what_it_lists_is_not_released(tmp_path: Path, more: str, said: str) -> None:
    (tmp_path / "kustomization.yaml").write_text(more)

    with pytest.raises(ValueError, match=said):
        text(Release(tmp_path / "made.yaml", tmp_path, ""))
