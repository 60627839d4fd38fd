"""An allocated address is one that the real CNI plugins give to an interface, in a namespace of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml
from tests.e2e.cni.npwg import as_multus, attach, by_capability
from tests.support.cluster_client import pod

from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.cni.sandbox import Sandbox
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

BRIDGE: Mapping[str, object] = {"type": "bridge", "bridge": "br1"}
TUNING: Mapping[str, object] = {"type": "tuning", "capabilities": {"mac": True}}


def network(name: str, *plugins: Mapping[str, object]) -> dict[str, object]:
    """The configuration of a network, as it stands in a NetworkAttachmentDefinition."""
    return {"cniVersion": "1.0.0", "name": name, "plugins": list(plugins)}


def demo_network() -> tuple[str, dict[str, object]]:
    """The demo's network and its name; instead of Open vSwitch, which needs a daemon, a bridge."""
    manifest = yaml.safe_load((REPOSITORY / "demo" / "manifests" / "ovs-conf.yaml").read_text(encoding="utf-8"))
    configuration = msgspec.json.decode(manifest["spec"]["config"], type=dict[str, object])
    plugins = msgspec.convert(configuration["plugins"], list[dict[str, object]])
    assert plugins[0]["type"] == "ovs"
    name: str = manifest["metadata"]["name"]
    return name, configuration | {"plugins": [BRIDGE, *plugins[1:]]}


async def test_every_interface_has_the_address_that_its_pod_was_allocated(
    cluster: ClusterClient, namespace: str, sandbox: Sandbox
) -> None:
    for name in ("one", "two"):
        sandbox.install(name, network(name, BRIDGE, TUNING))
    allocated = [await cluster.made(namespace, pod(name, '[{"name":"one"},{"name":"two"}]')) for name in ("a", "b")]
    seen = [attach(sandbox, sandbox.pod(), reply.networks) for reply in allocated]
    assert seen == [reply.macs for reply in allocated]
    assert len({address for addresses in seen for address in addresses}) == 4


async def test_the_network_of_the_demo_takes_the_allocated_address(
    cluster: ClusterClient, namespace: str, sandbox: Sandbox
) -> None:
    name, configuration = demo_network()
    sandbox.install(name, configuration)
    allocated = await cluster.made(namespace, pod("a", msgspec.json.encode([{"name": name}]).decode()))
    assert attach(sandbox, sandbox.pod(), allocated.networks) == allocated.macs


@pytest.mark.parametrize("separator", [":", "-", "."])
async def test_a_spelling_of_the_users_own_that_is_left_as_written_is_understood(
    cluster: ClusterClient, namespace: str, sandbox: Sandbox, block: Block, separator: str
) -> None:
    sandbox.install("one", network("one", BRIDGE, TUNING))
    address = block[0xAB]
    spelling = bytes.fromhex(address.replace(":", "")).hex(separator, 2 if separator == "." else 1).upper()
    allocated = await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{spelling}"}}]'))
    assert allocated.macs == [spelling]
    assert attach(sandbox, sandbox.pod(), allocated.networks) == [address]


async def test_an_address_written_as_digits_only_reaches_the_interface_in_the_usual_form(
    cluster: ClusterClient, namespace: str, sandbox: Sandbox, block: Block
) -> None:
    sandbox.install("one", network("one", BRIDGE, TUNING))
    address = block[0xCD]
    allocated = await cluster.made(
        namespace, pod("a", f'[{{"name":"one","mac":"{address.replace(":", "").upper()}"}}]')
    )
    assert allocated.macs == [address]
    assert attach(sandbox, sandbox.pod(), allocated.networks) == [address]


def test_a_network_without_the_capability_takes_the_address_from_the_arguments_of_multus(sandbox: Sandbox) -> None:
    sandbox.install("bare", network("bare", BRIDGE, {"type": "tuning"}))
    given, by_standard_only = sandbox.pod(), sandbox.pod()
    sandbox.cnitool("add", "bare", given, "net1", as_multus("02:00:00:00:0a:01"))
    sandbox.cnitool("add", "bare", by_standard_only, "net1", by_capability("02:00:00:00:0a:02"))
    assert given.hardware_address("net1") == "02:00:00:00:0a:01"
    assert by_standard_only.hardware_address("net1") != "02:00:00:00:0a:02"
