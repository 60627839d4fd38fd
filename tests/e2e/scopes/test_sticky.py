"""Pods with a stable name keep their addresses, though nothing remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.scopes.kinds import POD
from tests.e2e.scopes.stateful import STICKY, StatefulSet
from tests.support.cluster_client import NETWORKS, pod, together
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed


@pytest.fixture
def database(cluster: ClusterClient, namespace: str) -> StatefulSet:
    """A StatefulSet of the test's own, not yet made."""
    return StatefulSet(cluster, namespace)


async def sticky(
    cluster: ClusterClient, namespace: str, name: str, networks: str = '[{"name":"one"}]', *, dry_run: bool = False
) -> Reply:
    """Create a sticky pod."""
    manifest = pod(name, metadata={"annotations": {NETWORKS: networks} | STICKY})
    reply = await cluster.create(namespace, manifest, dry_run=dry_run)
    assert reply.created, reply.body
    return reply


async def until_cooled(cluster: ClusterClient, installed: Installed, namespace: str) -> None:
    """Wait until no address is kept back any more."""

    async def cooled() -> bool:
        await cluster.create(namespace, pod("looks"), dry_run=True)  # the leader notices when it is asked
        return (await installed.counts())["cooling"] == 0

    await eventually(cooled, "every cool-down has passed")


async def test_the_pods_of_a_stateful_set_keep_their_addresses_when_others_are_made_in_their_place(
    database: StatefulSet,
) -> None:
    given = await database.make(3)
    assert sorted(given) == ["db-0", "db-1", "db-2"]
    assert len({mac for macs in given.values() for mac in macs}) == 6
    assert await database.replace() == given
    assert await database.replace() == given


async def test_pods_that_were_scaled_away_get_their_addresses_back_also_long_after_the_cool_down(
    cluster: ClusterClient, installed: Installed, namespace: str, database: StatefulSet
) -> None:
    given = await database.make(3)
    assert await database.scale(1) == {"db-0": given["db-0"]}
    await until_cooled(cluster, installed, namespace)
    await together(cluster.made(namespace, pod(f"other-{number}")) for number in range(32))
    assert await database.scale(3) == given


async def test_a_stateful_set_that_is_made_anew_gets_its_addresses_from_replicas_that_never_saw_it(
    installed: Installed, database: StatefulSet
) -> None:
    given = await database.make(2)
    await database.delete()
    await installed.restart()
    assert await database.make(2) == given


async def test_somebody_else_who_holds_the_address_keeps_it_and_the_pod_gets_its_own_back_afterwards(
    cluster: ClusterClient, namespace: str, database: StatefulSet
) -> None:
    given = (await database.make(1))["db-0"]
    await database.scale(0)
    await POD.until_free(cluster, namespace, given[0])
    await POD.made(cluster, namespace, "taker", given[0])
    meanwhile = (await database.scale(1))["db-0"]
    assert meanwhile[0] not in given
    assert meanwhile[1] == given[1]
    await POD.delete(cluster, namespace, "taker")
    await POD.until_free(cluster, namespace, given[0])
    assert (await database.replace())["db-0"] == given


async def test_whoever_is_given_another_address_is_warned_with_the_holder_and_the_new_one(
    cluster: ClusterClient, namespace: str
) -> None:
    preferred = (await sticky(cluster, namespace, "db-0", dry_run=True)).mac
    other = f"{namespace}-other"
    await cluster.namespace(other)
    # Sticky or not, a policy of the namespace is about addresses of the user's choice, and this is none.
    policy = {"kubemacpool.io/conflict-policy": "warn"}
    await cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": policy}})
    await POD.made(cluster, other, "taker", preferred)
    await POD.until_refused(cluster, other, preferred, f"Pod {other}/taker;")
    reply = await sticky(cluster, namespace, "db-0")
    assert reply.mac != preferred
    conflict = f'entry 0 ("one"): mac {preferred} is in use by Pod {other}/taker'
    assert reply.warnings == (f"kubemacpool: {conflict}, so the sticky address is {reply.mac} this time",)


async def test_the_address_depends_on_the_namespace_the_name_and_the_interface(
    cluster: ClusterClient, namespace: str
) -> None:
    other = f"{namespace}-other"
    await cluster.namespace(other)
    networks = '[{"name":"one"},{"name":"two"}]'
    replies = [
        await sticky(cluster, where, name, networks) for where in (namespace, other) for name in ("db-0", "db-1")
    ]
    assert len({mac for reply in replies for mac in reply.macs}) == 8
    assert all(reply.warnings == () for reply in replies)


async def test_an_address_of_the_users_choice_stays_beside_sticky_ones(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    plain = (await sticky(cluster, namespace, "db-0", '[{"name":"one"},{"name":"two"}]', dry_run=True)).macs
    networks = f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two"}}]'
    assert (await sticky(cluster, namespace, "db-0", networks)).macs == [block[0], plain[1]]


async def test_a_pool_that_is_too_small_gives_every_interface_an_address_all_the_same(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[2])
    networks = '[{"name":"one"},{"name":"two"},{"name":"three"}]'
    macs = (await sticky(cluster, namespace, "db-0", networks)).macs
    assert sorted(macs) == [block[0], block[1], block[2]]
    reply = await cluster.create(namespace, pod("db-1", metadata={"annotations": {NETWORKS: networks} | STICKY}))
    assert (reply.status, "is exhausted: 3 needed, 0 free of 3" in reply.message) == (403, True)


async def test_a_pod_without_a_name_of_its_own_is_told_that_it_has_no_effect(
    cluster: ClusterClient, namespace: str
) -> None:
    annotations = {NETWORKS: '[{"name":"one"}]'} | STICKY
    reply = await cluster.made(namespace, pod(generate_name="gen-", metadata={"annotations": annotations}))
    assert reply.mac
    expected = "kubemacpool: kubemacpool.io/sticky has no effect without a name of the pod's own; use a StatefulSet"
    assert reply.warnings == (expected,)


async def test_what_is_neither_true_nor_false_is_refused_in_words(cluster: ClusterClient, namespace: str) -> None:
    def annotated(value: str) -> dict[str, str]:
        return {"kubemacpool.io/sticky": value}

    reply = await POD.create(cluster, namespace, "db-0", annotations=annotated("yes"))
    assert reply.status == 400
    expected = f'Pod {namespace}/db-0: annotation kubemacpool.io/sticky is "yes", expected "true" or "false"'
    assert expected in reply.message
    preferred = (await sticky(cluster, namespace, "db-0", dry_run=True)).mac
    plain = await POD.create(cluster, namespace, "db-0", annotations=annotated("false"))
    assert plain.created
    assert plain.mac != preferred


async def test_the_addresses_that_sticky_pods_prefer_are_not_those_of_a_vendor(
    cluster: ClusterClient, namespace: str
) -> None:
    """The range as shipped has as many of one sort as of the other."""
    asked = (sticky(cluster, namespace, f"db-{number}", dry_run=True) for number in range(64))
    macs = {reply.mac for reply in await together(asked)}
    assert len(macs) == 64
    assert all(int(mac[:2], 16) & 2 for mac in macs), macs
