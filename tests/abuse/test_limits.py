"""How many addresses a namespace may have, where an administrator says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import RANGE, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import machine, nic
from tests.support.machines import document, machine_macs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

    LimitAll = Callable[[str], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("survivors")

TWO = '[{"name":"one"},{"name":"two"}]'


@pytest.fixture
async def limit_all(cluster: ClusterClient, installed: Installed) -> AsyncIterator[LimitAll]:
    """Set the limit of the installation, and wait until it is in force; after the test there is none."""

    async def limit(number: str | None) -> None:
        since = installed.log_ends()
        await cluster.patch(RANGE, {"data": {"NAMESPACE_LIMIT": number}})
        taken_up = None if number is None else int(number)
        await installed.logged(since, event="limit of namespaces taken up", limit=taken_up)

    yield limit
    await limit(None)


async def _annotate(cluster: ClusterClient, namespace: str, limit: str | None) -> None:
    annotations = {"kubemacpool.io/address-limit": limit}
    await cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": annotations}})


async def _limited(cluster: ClusterClient, namespace: str, limit: str) -> None:
    """Give a namespace a limit of its own, and wait until it is in force."""
    await _annotate(cluster, namespace, limit)

    async def in_force() -> bool:
        many = ",".join('{"name":"net"}' for _ in range(20))
        return not (await cluster.create(namespace, pod("probe", f"[{many}]"), dry_run=True)).created

    await eventually(in_force, f"the limit of {namespace} is {limit}")


async def test_a_namespace_has_no_more_addresses_than_its_annotation_says_and_others_do_not_notice(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere
) -> None:
    await _limited(cluster, namespace, "5")
    others = await elsewhere("others")
    for name in ("a", "b"):
        await cluster.made(namespace, pod(name, TWO))
    for dry_run in (True, False):
        refused = await cluster.create(namespace, pod("c", TWO), dry_run=dry_run)
        assert refused.status == 403
        assert (
            f"Pod {namespace}/c: namespace {namespace} has 4 of at most 5 addresses (annotation "
            "kubemacpool.io/address-limit of the namespace), and this object needs 2 more; delete objects that are no"
        ) in refused.message
        await cluster.made(others, pod(f"pod-{dry_run}".lower(), TWO))
    await cluster.made(namespace, pod("d"))
    assert (await cluster.create(namespace, pod("e"))).status == 403
    await cluster.made(namespace, pod("f", networks=None))
    await cluster.delete(namespace, "a")

    async def free() -> bool:
        return (await cluster.create(namespace, pod("g", TWO))).created

    await eventually(free, "what has gone counts no more")


async def test_a_machine_counts_once_with_its_instance_and_launcher_pod_and_starts_however_low_the_limit_is(
    cluster: ClusterClient, vms: Machines, kubevirt: VirtController
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"))))
    await vms.until_held(macs["one"], f"VirtualMachine {vms.namespace}/a")
    await _limited(cluster, vms.namespace, "2")
    refused = await vms.create(machine("b"))
    assert refused.status == 403
    assert f"namespace {vms.namespace} has 2 of at most 2 addresses" in refused.message
    await _limited(cluster, vms.namespace, "1")
    await vms.start("a")
    document(await vms.patch("a", {"metadata": {"labels": {"edited": "yes"}}}))
    await vms.stop("a")
    assert not kubevirt.refusals


async def test_the_limit_of_the_installation_holds_where_a_namespace_has_none_of_its_own(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, limit_all: LimitAll
) -> None:
    generous = await elsewhere("generous")
    await limit_all("1")
    await _annotate(cluster, generous, "2")
    await cluster.made(namespace, pod("a"))
    refused = await cluster.create(namespace, pod("b"))
    assert refused.status == 403
    assert (
        f"namespace {namespace} has 1 of at most 1 addresses (NAMESPACE_LIMIT in ConfigMap "
        "kubemacpool-mac-range-config), and this object needs 1 more; "
    ) in refused.message

    async def served() -> bool:
        return (await cluster.create(generous, pod("a", TWO))).created

    await eventually(served, "the annotation is in force")
    await limit_all("2")
    await cluster.made(namespace, pod("b"))


async def test_a_limit_that_is_none_leaves_the_installations_in_force_and_users_read_so(
    cluster: ClusterClient, namespace: str, limit_all: LimitAll
) -> None:
    await limit_all("1")
    await _annotate(cluster, namespace, "many")
    wrong = 'the namespace\'s annotation kubemacpool.io/address-limit is "many", which is not a whole number'

    async def warned() -> bool:
        reply = await cluster.create(namespace, pod("probe"), dry_run=True)
        assert reply.created, reply.message
        return any(wrong in each for each in reply.warnings)

    await eventually(warned, "users are warned of the annotation")
    await cluster.made(namespace, pod("a"))
    refused = await cluster.create(namespace, pod("b"))
    assert refused.status == 403
    assert f"1 addresses (NAMESPACE_LIMIT in ConfigMap kubemacpool-mac-range-config; {wrong}" in refused.message


async def test_a_wrong_limit_in_the_config_map_leaves_all_as_it_was(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"NAMESPACE_LIMIT": "none"}})
    try:
        line = await installed.logged(since, event="range not taken up")
        assert 'NAMESPACE_LIMIT is "none"; write a whole number of at least 1' in str(line["reason"])
        await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{block[0]}"}}]'))
    finally:
        await cluster.patch(RANGE, {"data": {"NAMESPACE_LIMIT": None}})
