"""Addresses that a pod is refused, with the entry and the reason named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import NETWORKS, pod, together

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient


def denied(namespace: str, name: str, reason: str) -> str:
    """The whole message that a user gets."""
    return (
        f'admission webhook "mutatepods.kubemacpool.io" denied the request: '
        f"Pod {namespace}/{name}: annotation {NETWORKS}: {reason}"
    )


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_an_address_in_use_is_refused_inside_and_outside_the_range_and_the_holder_is_named(
    cluster: ClusterClient, namespace: str, block: Block, block_outside: Block, where: str
) -> None:
    mac = (block if where == "inside" else block_outside)[1]
    other = f"{namespace}-other"
    await cluster.namespace(other)
    await cluster.made(other, pod("holder", f'[{{"name":"one","mac":"{mac}"}}]'))
    reply = await cluster.judged(namespace, pod("a", f'[{{"name":"one"}},{{"name":"two","mac":"{mac.upper()}"}}]'))
    assert (reply.status, reply.reason) == (403, "Forbidden")
    assert reply.message == denied(
        namespace,
        "a",
        f'entry 1 ("two"): mac {mac} is in use by Pod {other}/holder; '
        'choose another address, or leave "mac" out to be given a free one',
    )
    assert (await cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/a")).status == 404


async def test_an_address_given_out_automatically_is_refused_to_others(cluster: ClusterClient, namespace: str) -> None:
    holder = await cluster.made(namespace, pod("holder"))
    reply = await cluster.judged(namespace, pod("a", f'[{{"name":"one","mac":"{holder.mac}"}}]'))
    assert f"mac {holder.mac} is in use by Pod {namespace}/holder" in reply.message


async def test_of_many_who_ask_for_an_address_at_once_one_gets_it(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    replies = await together(cluster.create(namespace, pod(f"pod-{number}", networks)) for number in range(32))
    assert sum(reply.created for reply in replies) == 1
    assert {reply.status for reply in replies} == {201, 403}


async def test_an_address_given_twice_in_one_pod_is_refused_whatever_its_spelling(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    other_spelling = block[5].upper().replace(":", "-")
    networks = f'[{{"name":"one","mac":"{block[5]}"}},{{"name":"two"}},{{"name":"three","mac":"{other_spelling}"}}]'
    reply = await cluster.create(namespace, pod("a", networks))
    assert reply.status == 400
    assert reply.message == denied(
        namespace,
        "a",
        f'entry 2 ("three"): mac {block[5]} is that of entry 0 ("one") too: a duplicate MAC address; '
        "give each interface an address of its own",
    )


@pytest.mark.parametrize(
    "mac",
    [
        "02:00:00:00:00",
        "02:00:00:00:00:00:01",
        "0200.0000.0000.0001",
        "02:00:00:00:00:0g",
        "2:0:0:0:0:1",
        "02:00-00:00:00:01",
        " 02:00:00:00:00:01",
        "random",
    ],
)
async def test_what_is_not_six_bytes_is_refused(cluster: ClusterClient, namespace: str, mac: str) -> None:
    reply = await cluster.create(namespace, pod("a", f'[{{"name":"one","mac":"{mac}"}}]'))
    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert reply.message == denied(
        namespace,
        "a",
        f'entry 0 ("one"): mac "{mac}" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01',
    )


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "03:00:00:00:00:01"])
async def test_a_multicast_address_is_refused(cluster: ClusterClient, namespace: str, mac: str) -> None:
    reply = await cluster.create(namespace, pod("a", f'[{{"name":"one","mac":"{mac}"}}]'))
    assert reply.status == 400
    assert f'entry 0 ("one"): mac {mac} is a multicast address' in reply.message


async def test_the_all_zero_address_is_refused(cluster: ClusterClient, namespace: str) -> None:
    reply = await cluster.create(namespace, pod("a", '[{"name":"one","mac":"00:00:00:00:00:00"}]'))
    assert reply.status == 400
    assert 'entry 0 ("one"): mac 00:00:00:00:00:00 is the all-zero address' in reply.message


async def test_one_answer_names_everything_that_is_wrong(cluster: ClusterClient, namespace: str, block: Block) -> None:
    await cluster.made(namespace, pod("holder", f'[{{"name":"one","mac":"{block[0]}"}}]'))
    entries = ["00:00:00:00:00:00", "01:00:00:00:00:00", block[0], block[1], block[1]]
    networks = ",".join(f'{{"name":"n{index}","mac":"{mac}"}}' for index, mac in enumerate(entries))
    reply = await cluster.judged(namespace, pod("a", f"[{networks}]"))
    assert reply.status == 400
    for expected in (
        'entry 0 ("n0"): mac 00:00:00:00:00:00 is the all-zero',
        'entry 1 ("n1"): mac 01:00:00:00:00:00 is a multicast',
        f'entry 2 ("n2"): mac {block[0]} is in use by Pod {namespace}/holder',
        f'entry 4 ("n4"): mac {block[1]} is that of entry 3 ("n3")',
    ):
        assert expected in reply.message


@pytest.mark.parametrize("networks", ['[{"name":"one"', '{"name":"one"}', '["one"]', "[" * 100_000, '[{"mac":7}]'])
async def test_an_annotation_that_is_no_list_of_objects_is_refused_with_an_example(
    cluster: ClusterClient, namespace: str, networks: str
) -> None:
    reply = await cluster.create(namespace, pod("a", networks))
    assert reply.status == 400
    assert f"Pod {namespace}/a: annotation {NETWORKS}: " in reply.message


async def test_a_refused_pod_takes_nothing_not_even_the_addresses_that_were_in_order(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two","mac":"01:00:00:00:00:00"}}]'
    assert (await cluster.create(namespace, pod("refused", networks))).status == 400
    await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{block[0]}"}}]'))


async def test_a_dry_run_leads_as_the_real_request_does_and_consumes_nothing(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    explicit = f'[{{"name":"one"}},{{"name":"two","mac":"{block[0]}"}}]'
    first = await cluster.create(namespace, pod("a", explicit), dry_run=True)
    second = await cluster.create(namespace, pod("b", explicit), dry_run=True)
    assert first.created
    assert second.macs == first.macs  # for another pod: nothing was recorded
    real = await cluster.made(namespace, pod("a", explicit))
    assert real.networks == first.networks
    refused = await cluster.judged(namespace, pod("b", explicit), dry_run=True)
    really_refused = await cluster.create(namespace, pod("b", explicit))
    assert refused.status == 403
    assert refused.body == really_refused.body
