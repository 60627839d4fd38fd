"""What becomes of the network-selection annotation of a pod that is admitted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import NETWORKS, pod

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


async def test_every_entry_without_mac_gets_one_and_the_pods_own_namespace(
    cluster: ClusterClient, namespace: str
) -> None:
    reply = await cluster.made(namespace, pod("a", '[{"name":"one"},{"name":"two"},{"name":"three"}]'))
    first, second, third = reply.macs
    assert len({first, second, third}) == 3
    assert reply.networks == (
        f'[{{"name":"one","namespace":"{namespace}","mac":"{first}"}},'
        f'{{"name":"two","namespace":"{namespace}","mac":"{second}"}},'
        f'{{"name":"three","namespace":"{namespace}","mac":"{third}"}}]'
    )
    assert reply.warnings == ()


async def test_what_is_stored_is_what_was_answered(cluster: ClusterClient, namespace: str) -> None:
    reply = await cluster.made(namespace, pod("a"))
    stored = await cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/a")
    assert stored.networks == reply.networks


async def test_unknown_keys_their_order_and_the_spelling_of_numbers_are_kept(
    cluster: ClusterClient, namespace: str
) -> None:
    given = (
        '[{"ipam-claim-reference":"claim","name":"one","cni-args":{"z":1.0,"a":1e3,"n":10000000000000000000001},'
        '"ips":["10.0.0.1/24"],"interface":"net1"}]'
    )
    reply = await cluster.made(namespace, pod("a", given))
    assert reply.networks == given.removesuffix("}]") + f',"namespace":"{namespace}","mac":"{reply.mac}"}}]'


async def test_nothing_of_the_pod_is_changed_but_the_annotation(cluster: ClusterClient, namespace: str) -> None:
    labels = {"app": "x"}
    manifest = pod("a", metadata={"labels": labels, "annotations": {"note": "kept", NETWORKS: '[{"name":"one"}]'}})
    without = pod("b", networks=None, metadata={"labels": labels, "annotations": {"note": "kept"}})
    with_networks, plain = await cluster.made(namespace, manifest), await cluster.made(namespace, without)
    assert with_networks.metadata.annotations == {
        "note": "kept",
        NETWORKS: f'[{{"name":"one","namespace":"{namespace}","mac":"{with_networks.mac}"}}]',
    }
    assert plain.metadata.annotations == {"note": "kept"}


async def test_a_namespace_given_by_the_user_is_kept(cluster: ClusterClient, namespace: str) -> None:
    reply = await cluster.made(namespace, pod("a", '[{"name":"one","namespace":"elsewhere"}]'))
    assert reply.networks == f'[{{"name":"one","namespace":"elsewhere","mac":"{reply.mac}"}}]'


async def test_an_annotation_that_needs_nothing_is_left_byte_for_byte(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    given = f'[ {{ "mac" : "{block[0]}",\n "namespace":"elsewhere", "name":"one" }} ]'
    reply = await cluster.made(namespace, pod("a", given))
    assert reply.networks == given


@pytest.mark.parametrize("networks", ["", "[]", "  "])
async def test_an_annotation_without_networks_is_left_alone(
    cluster: ClusterClient, namespace: str, networks: str
) -> None:
    reply = await cluster.made(namespace, pod("a", networks))
    assert (reply.networks, reply.warnings) == (networks, ())


async def test_the_short_form_is_left_alone_and_the_warning_shows_the_json_form(
    cluster: ClusterClient, namespace: str
) -> None:
    reply = await cluster.made(namespace, pod("a", "net1,ns/net2@if0"))
    assert reply.networks == "net1,ns/net2@if0"
    (warning,) = reply.warnings
    assert "no place for a MAC address" in warning
    assert '[{"name":"net1"},{"name":"net2","namespace":"ns","interface":"if0"}]' in warning


@pytest.mark.parametrize(
    "spelling",
    ["{0}:{1}:{2}:{3}:{4}:{5}", "{0}-{1}-{2}-{3}-{4}-{5}", "{0}{1}.{2}{3}.{4}{5}"],
    ids=["colons", "hyphens", "dots"],
)
@pytest.mark.parametrize("upper", [False, True], ids=["lower", "upper"])
async def test_an_address_is_accepted_in_any_common_spelling_and_left_as_written(
    cluster: ClusterClient, namespace: str, block: Block, spelling: str, *, upper: bool
) -> None:
    address = block[0xABCD]
    written = spelling.format(*address.split(":"))
    written = written.upper() if upper else written
    reply = await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{written}"}}]'))
    assert (reply.mac, reply.warnings) == (written, ())
    again = await cluster.judged(namespace, pod("b", f'[{{"name":"one","mac":"{address}"}}]'))
    assert f"mac {address} is in use by Pod {namespace}/a" in again.message


async def test_twelve_bare_digits_are_written_as_cni_plugins_read_them(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    bare = block[7].replace(":", "")
    reply = await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{bare}"}}]'))
    assert (reply.mac, reply.warnings) == (block[7], ())
    again = await cluster.judged(namespace, pod("b", f'[{{"name":"one","mac":"{block[7]}"}}]'))
    assert f"in use by Pod {namespace}/a" in again.message


async def test_an_address_outside_the_range_is_accepted(
    cluster: ClusterClient, namespace: str, block_outside: Block
) -> None:
    reply = await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{block_outside[0]}"}}]'))
    assert reply.mac == block_outside[0]


async def test_given_and_missing_addresses_may_be_mixed(cluster: ClusterClient, namespace: str, block: Block) -> None:
    reply = await cluster.made(namespace, pod("a", f'[{{"name":"one"}},{{"name":"two","mac":"{block[0]}"}}]'))
    automatic, given = reply.macs
    assert given == block[0] != automatic


async def test_a_pod_without_the_annotation_is_none_of_our_business(
    cluster: ClusterClient, namespace: str, installed: Installed
) -> None:
    def answered(figures: dict[str, float]) -> float:
        return sum(value for name, value in figures.items() if "admission_duration_seconds_count" in name)

    before = answered(await installed.figures())
    await cluster.made(namespace, pod("a", networks=None))
    assert answered(await installed.figures()) == before
    await cluster.made(namespace, pod("b"))
    assert answered(await installed.figures()) == before + 1


async def test_kubectl_shows_warnings_and_refusals_as_a_user_reads_them(
    installed: Installed, cluster: ClusterClient, namespace: str, block: Block
) -> None:
    holder = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(namespace, pod("holder", holder))
    await cluster.judged(namespace, pod("same", holder), dry_run=True)

    async def apply(name: str, networks: str) -> tuple[int, str]:
        manifest = (
            f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, annotations: "
            f"{{{NETWORKS}: '{networks}'}}}}, spec: {{containers: [{{name: app, image: pause}}]}}}}"
        )
        kubectl = installed.control_plane.kubectl
        done = await asyncio.to_thread(lambda: kubectl("apply", "-f", "-", stdin=manifest, check=False))
        return done.returncode, done.stderr

    code, stderr = await apply("short", "net1@second")
    assert code == 0
    assert stderr == (
        "Warning: kubemacpool: the short form of the networks annotation has no place for a MAC address, "
        'so none was given. JSON form: [{"name":"net1","interface":"second"}]\n'
    )
    code, stderr = await apply("same", holder)
    assert code == 1
    assert stderr == (
        'Error from server (Forbidden): error when creating "STDIN": admission webhook "mutatepods.kubemacpool.io" '
        f'denied the request: Pod {namespace}/same: annotation {NETWORKS}: entry 0 ("one"): mac {block[0]} is in use '
        f'by Pod {namespace}/holder; choose another address, or leave "mac" out to be given a free one\n'
    )
