"""What the overlays add to what is installed as shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.manifests.conftest import Kustomize

CONFIG = Path(__file__).parents[2] / "config"


def test_an_overlay_keeps_replicas_from_calling_anybody_but_api_servers_and_each_other(kustomize: Kustomize) -> None:
    shipped, restricted = kustomize(CONFIG / "base"), kustomize(CONFIG / "overlays" / "egress")
    (added,) = [each for each in restricted if each not in shipped]
    assert [each for each in shipped if each not in restricted] == []
    assert added["spec"]["policyTypes"] == ["Egress"]
    ports = [[port["port"] for port in each["ports"]] for each in added["spec"]["egress"]]
    assert ports == [[443, 6443], [8000]]
    assert "to" not in added["spec"]["egress"][0]
