"""Clones and restored machines: what is done about addresses that others have by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.scopes.kinds import POD
from tests.support.cluster_client import together
from tests.support.machine_manifests import Document, machine, nic
from tests.support.machines import Machines, document, machine_macs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

MAC_POLICY: Final = "kubemacpool.io/mac-policy"


def clone(name: str, macs: Mapping[str, str], policy: str | None) -> Document:
    """A machine with the addresses of another, or some of them."""
    annotations = {} if policy is None else {MAC_POLICY: policy}
    nics = [nic(each, mac) for each, mac in macs.items()]
    return machine(name, *nics, metadata={"annotations": annotations})


@pytest.fixture
async def vms(cluster: ClusterClient, namespace: str) -> Machines:
    """The machines of the test's namespace."""
    return Machines(cluster, namespace)


@pytest.fixture
async def original(cluster: ClusterClient, vms: Machines) -> dict[str, str]:
    """The addresses of a machine `original` that is there and known: by name of its interface."""
    found = machine_macs(await vms.made(machine("original", nic("one"), nic("two"))))
    for mac in found.values():
        await POD.until_refused(cluster, vms.namespace, mac, f"VirtualMachine {vms.namespace}/original;")
    return found


async def test_with_reassign_the_addresses_that_others_have_are_replaced_and_the_warning_lists_old_and_new(
    vms: Machines, original: dict[str, str], block: Block
) -> None:
    asked = original | {"three": block[0], "four": ""}
    reply = await vms.create(clone("clone", asked, "reassign"))
    given = machine_macs(document(reply))
    assert set(given) == set(asked)
    assert given["three"] == block[0]  # nobody has it
    assert len(set(given.values()) | set(original.values())) == 6
    holder = f"VirtualMachine {vms.namespace}/original"
    assert set(reply.warnings) == {
        f'kubemacpool: interface "{name}": mac {old} is in use by {holder}; '
        f"replaced by {given[name]}, because {MAC_POLICY} is reassign"
        for name, old in original.items()
    }
    assert machine_macs(await vms.get("original")) == original


async def test_the_new_addresses_are_the_clones_own(
    cluster: ClusterClient, vms: Machines, original: dict[str, str]
) -> None:
    given = machine_macs(await vms.made(clone("clone", original, "reassign")))
    for mac in given.values():
        await POD.until_refused(cluster, vms.namespace, mac, f"VirtualMachine {vms.namespace}/clone;")
    await vms.delete("original")
    for mac in original.values():
        await POD.until_free(cluster, vms.namespace, mac)


async def test_a_restored_machine_whose_addresses_are_free_gets_them_back(
    cluster: ClusterClient, vms: Machines, original: dict[str, str]
) -> None:
    await vms.delete("original")
    for mac in original.values():
        await POD.until_free(cluster, vms.namespace, mac)
    reply = await vms.create(clone("restored", original, "reassign"))
    assert machine_macs(document(reply)) == original
    assert reply.warnings == ()


async def test_addresses_of_pods_are_replaced_alike(cluster: ClusterClient, vms: Machines, block: Block) -> None:
    await POD.made(cluster, vms.namespace, "holder", block[0])
    await POD.until_refused(cluster, vms.namespace, block[0], f"Pod {vms.namespace}/holder;")
    given = machine_macs(await vms.made(clone("clone", {"one": block[0]}, "reassign")))
    assert given["one"] not in {"", block[0]}


@pytest.mark.parametrize("policy", [None, "keep"])
async def test_without_it_and_with_keep_a_clone_is_refused_naming_the_holder_of_every_address(
    vms: Machines, original: dict[str, str], policy: str | None
) -> None:
    reply = await vms.create(clone("clone", original, policy))
    assert (reply.status, reply.warnings) == (403, ())
    for name, mac in original.items():
        refused = f'interface "{name}": mac {mac} is in use by VirtualMachine {vms.namespace}/original;'
        assert refused in reply.message


async def test_what_is_no_policy_is_refused_with_those_that_there_are(vms: Machines, original: dict[str, str]) -> None:
    for asked in (original, {"one": ""}):
        reply = await vms.create(clone("clone", asked, "Reassign"))
        assert (reply.status, reply.reason) == (400, "BadRequest")
        expected = (
            f'VirtualMachine {vms.namespace}/clone: annotation {MAC_POLICY} is "Reassign", expected keep or reassign'
        )
        assert expected in reply.message


async def test_reassign_replaces_at_creation_only_and_a_later_change_to_an_address_in_use_is_refused(
    vms: Machines, original: dict[str, str]
) -> None:
    given = machine_macs(await vms.made(clone("clone", {"one": original["one"]}, "reassign")))

    def take(found: Document) -> None:
        found["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][0]["macAddress"] = original["two"]

    reply = await vms.change("clone", take)
    assert reply.status == 403
    assert f"mac {original['two']} is in use by VirtualMachine {vms.namespace}/original" in reply.message
    assert machine_macs(await vms.get("clone")) == given


async def test_reassign_mends_no_mistakes(vms: Machines, original: dict[str, str]) -> None:
    reply = await vms.create(clone("clone", {"one": original["one"], "two": original["one"]}, "reassign"))
    assert reply.status == 400
    assert f'interface "two": mac {original["one"]} is that of interface "one" too' in reply.message


async def test_a_dry_run_shows_the_replacement_and_takes_nothing(
    cluster: ClusterClient, vms: Machines, original: dict[str, str]
) -> None:
    reply = await vms.create(clone("clone", original, "reassign"), dry_run=True)
    shown = machine_macs(document(reply))
    assert not set(shown.values()) & set(original.values())
    assert len(reply.warnings) == 2
    for mac in shown.values():
        assert (await POD.create(cluster, vms.namespace, "asks", mac, dry_run=True)).created


async def test_clones_that_are_made_together_all_get_addresses_of_their_own(
    vms: Machines, original: dict[str, str]
) -> None:
    clones = await together(vms.made(clone(f"clone-{number}", original, "reassign")) for number in range(16))
    given = [mac for each in clones for mac in machine_macs(each).values()]
    assert len({*given, *original.values()}) == 2 * 16 + 2
