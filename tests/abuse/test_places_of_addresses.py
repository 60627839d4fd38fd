"""Where an address may stand beside `mac`: it counts wherever an interface gets it from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import NETWORKS, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import Document, controller_reference, instance, instance_spec, machine, pod_nic
from tests.support.machines import INSTANCES

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.e2e.kubevirt.conftest import Collisions
    from tests.support.cluster_client import ClusterClient
    from tests.support.machines import Machines

pytestmark = pytest.mark.usefixtures("survivors")

DEFAULT: Final = "v1.multus-cni.io/default-network"
STATUS: Final = "k8s.v1.cni.cncf.io/network-status"


def annotated(name: str, **annotations: object) -> Document:
    """A pod with these annotations, each as JSON unless it is a text already."""
    keys = {"networks": NETWORKS, "default": DEFAULT}
    texts = {keys[key]: value if isinstance(value, str) else json.dumps(value) for key, value in annotations.items()}
    return pod(name, None, metadata={"annotations": texts})


async def test_an_address_among_the_arguments_of_a_plugin_counts_and_no_other_is_given(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    made = await cluster.made(namespace, annotated("a", networks=[{"name": "net", "cni-args": {"mac": block[0]}}]))
    (entry,) = made.entries
    assert "mac" not in entry
    assert entry["cni-args"] == {"mac": block[0]}
    refused = await cluster.judged(namespace, annotated("b", networks=[{"name": "net", "mac": block[0]}]))
    assert f"is in use by Pod {namespace}/a" in refused.message
    for mac, told in {
        block[0]: f"is in use by Pod {namespace}/a",
        "zz": "is not a MAC address",
        "01:00:00:00:00:01": "is a multicast address",
    }.items():
        entries = [{"name": "x", "mac": block[1], "cni-args": {"mac": mac}}]
        refused = await cluster.create(namespace, annotated("c", networks=entries))
        assert refused.status in {400, 403}
        assert 'entry 0 ("x"), cni-args: mac ' in refused.message
        assert told in refused.message


async def test_two_addresses_of_one_interface_both_count(cluster: ClusterClient, namespace: str, block: Block) -> None:
    entries = [{"name": "net", "mac": block[0], "cni-args": {"mac": block[1]}}]
    await cluster.made(namespace, annotated("a", networks=entries))
    for index in range(2):
        refused = await cluster.judged(namespace, annotated("b", networks=[{"name": "net", "mac": block[index]}]))
        assert f"is in use by Pod {namespace}/a" in refused.message


async def test_an_address_in_the_default_network_counts_and_none_is_given_there(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    bare = await cluster.made(namespace, annotated("bare", default=[{"name": "x"}]))
    assert bare.metadata.annotations[DEFAULT] == '[{"name": "x"}]'
    made = await cluster.made(namespace, annotated("a", default=[{"name": "x", "mac": block[0]}]))
    assert made.metadata.annotations[DEFAULT] == json.dumps([{"name": "x", "mac": block[0]}])
    refused = await cluster.judged(namespace, annotated("b", networks=[{"name": "net", "mac": block[0]}]))
    assert f"is in use by Pod {namespace}/a" in refused.message
    refused = await cluster.judged(namespace, annotated("c", default=[{"name": "x", "mac": block[0]}]))
    assert refused.status == 403
    assert f'annotation {DEFAULT}: entry 0 ("x") of {DEFAULT}: mac {block[0]} is in use' in refused.message
    twice = annotated("d", networks=[{"name": "n", "mac": block[1]}], default=[{"name": "x", "mac": block[1]}])
    refused = await cluster.create(namespace, twice)
    assert (refused.status, "duplicate MAC address" in refused.message) == (400, True)


async def test_of_equal_keys_the_last_counts_as_it_does_for_those_who_make_the_interface(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    unserved = await elsewhere("unserved")
    await cluster.leave_pods_alone(unserved)
    odd = f'[{{"name":"n","mac":"{block[0]}","MAC":"{block[1]}","mac":"{block[2]}","Mac":null}}]'
    await cluster.made(unserved, annotated("foreign", networks=odd))

    async def last_counts() -> bool:
        reply = await cluster.create(namespace, pod("x", f'[{{"name":"n","mac":"{block[2]}"}}]'), dry_run=True)
        return f"is in use by Pod {unserved}/foreign" in reply.message

    await eventually(last_counts, "the last address counts")
    for index in range(2):
        await cluster.made(namespace, pod(f"p{index}", f'[{{"name":"n","mac":"{block[index]}"}}]'))
    made = await cluster.made(namespace, pod("own", odd.replace(block[2], block[3])))
    (entry,) = json.loads(made.networks, object_pairs_hook=list)
    assert [value for key, value in entry if key.lower() == "mac"] == [block[3]]


async def test_what_a_pods_secondary_interfaces_are_reported_to_have_is_nobody_elses(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, block: Block, collisions: Collisions
) -> None:
    unserved = await elsewhere("unserved")
    await cluster.leave_pods_alone(unserved)
    await cluster.made(unserved, pod("short", "one"))
    made_from_ip = "0a:58:0a:80:00:05"
    status = [
        {"name": "cbr0", "interface": "eth0", "mac": block[0], "default": True},
        {"name": "ovn-kubernetes", "interface": "ovn-udn1", "mac": block[1]},
        {"name": f"{unserved}/one", "interface": "net1", "mac": block[2], "dns": {}},
        {"name": f"{unserved}/two", "interface": "net2", "mac": made_from_ip, "ips": ["10.128.0.5"]},
        {"name": f"{unserved}/three", "interface": "net3"},
    ]
    body = {"metadata": {"annotations": {STATUS: json.dumps(status)}}}
    await cluster.patch(f"/api/v1/namespaces/{unserved}/pods/short/status", body)

    async def held() -> bool:
        reply = await cluster.create(namespace, pod("x", f'[{{"name":"n","mac":"{block[2]}"}}]'), dry_run=True)
        return f"is in use by Pod {unserved}/short" in reply.message

    await eventually(held, "the secondary interface's address is held")
    for number, mac in enumerate((block[0], block[1], made_from_ip)):
        await cluster.made(namespace, pod(f"p{number}", f'[{{"name":"n","mac":"{mac}"}}]'))
    await collisions(dict.fromkeys((block[0], block[1], made_from_ip), 0))


async def test_an_address_on_the_pod_network_is_not_our_business(
    cluster: ClusterClient, vms: Machines, block: Block, collisions: Collisions
) -> None:
    """The primary networks of two namespaces are apart from each other, and may have the same addresses."""
    shared = pod_nic(block[0], "bridge")
    for name in ("one", "two"):
        await vms.made(machine(name, shared))
        made = await vms.made(instance(f"{name}-running", instance_spec([shared])), INSTANCES)
        launcher = annotated(f"{name}-launcher", default=[{"name": "default", "mac": block[0]}])
        launcher["metadata"]["ownerReferences"] = [controller_reference(made)]
        await cluster.made(vms.namespace, launcher)
    await vms.made(machine("three", pod_nic("02:00:00:00:00:00", "bridge")))
    await cluster.made(vms.namespace, pod("mine", f'[{{"name":"n","mac":"{block[0]}"}}]'))
    await collisions({block[0]: 0})
    refused = await vms.create(machine("four", pod_nic(block[0], "masquerade")))
    assert f"is in use by Pod {vms.namespace}/mine" in refused.message or "a moment ago" in refused.message
