"""What a user can get wrong has one sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import settings
from devcluster.errors import SettingError


@pytest.mark.parametrize("environment", [{}, {"MACPOOL_PROVIDER": ""}, {"MACPOOL_PROVIDER": "controlplane"}])
def test_the_default_provider_is_the_control_plane(environment: dict[str, str]) -> None:
    assert settings.provider(environment) == "controlplane"


def test_an_unknown_provider_is_told_which_there_are() -> None:
    with pytest.raises(SettingError) as refused:
        settings.provider({"MACPOOL_PROVIDER": "minikube"})
    assert str(refused.value) == "MACPOOL_PROVIDER=minikube is not a provider; there are controlplane, nodes, kind."


@pytest.mark.parametrize("text", ["-1", "two", "1.5", "101", "²"])
def test_a_number_of_nodes_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=f"MACPOOL_NUM_NODES={text} is not a number of nodes; give one from 0 to"):
        settings.num_nodes({"MACPOOL_NUM_NODES": text})


@pytest.mark.parametrize(("environment", "count"), [({}, None), ({"MACPOOL_NUM_NODES": "0"}, 0)])
def test_no_number_of_nodes_is_not_zero_nodes(environment: dict[str, str], count: int | None) -> None:
    assert settings.num_nodes(environment) == count


def test_an_unknown_version_is_told_which_are_pinned() -> None:
    with pytest.raises(SettingError, match=r"KUBERNETES_VERSION=1\.20 is not pinned here; there are 1\.34 and 1\.37\."):
        settings.kubernetes_version({"KUBERNETES_VERSION": "1.20"})


def test_the_default_version_is_pinned() -> None:
    assert settings.DEFAULT_KUBERNETES_VERSION in settings.known_kubernetes_versions()


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"MACPOOL_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/kubemacpool"),
        ({}, f"{Path.home()}/.cache/kubemacpool"),
    ],
)
def test_the_cache_is_where_the_user_says(environment: dict[str, str], directory: str) -> None:
    assert settings.cache_dir(environment) == Path(directory)
