"""What an API server says on a bad day, of which nothing is true, or what it does not say at all."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from tests.abuse.faulty_api import FaultyApi, Instead
from tests.support.cluster_client import pod
from tests.support.installed import Installed, eventually
from tests.support.machine_manifests import machine, nic
from tests.support.machines import machine_macs

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.kubevirt import serve_kinds
from devcluster.settings import KUBEVIRT_CRDS, RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.abuse.faulty_api import Request
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.machines import Machines

pytestmark = pytest.mark.usefixtures("survivors")

GROUP: Final = re.compile(r"/apis/kubevirt\.io(/v1)?")
LISTS: Final = re.compile(r"/apis/kubevirt\.io(/.*)?")
COLLECTIONS: Final = re.compile(r"/apis/kubevirt\.io/v1/virtual.*")
NOT_FOUND: Final = Instead(404, '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}')
EMPTY: Final = Instead(
    200, '{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"kubevirt.io/v1","resources":[]}'
)
POLLS: Final = 12.0
"""Seconds, in which every replica has looked twice at what is served."""


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster of these tests' own."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("bad-answers"), controllers=False, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        serve_kinds(control_plane)
        yield control_plane


@pytest.fixture(scope="module")
def faulty(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyApi]:
    """What the replicas take for the API server."""
    with FaultyApi(control_plane, tmp_path_factory.mktemp("ways")) as faulty:
        yield faulty


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, faulty: FaultyApi) -> Installed:
    """An installation that reaches the API server only through that."""
    installed = Installed(control_plane, RELEASE_MANIFEST, arguments=(faulty.argument,))
    installed.sync()
    return installed


@pytest.fixture
async def answers(faulty: FaultyApi) -> AsyncIterator[Callable[[re.Pattern[str], Instead], None]]:
    """Have GETs of some paths answered otherwise until the test is over; watches go on."""

    def instead(paths: re.Pattern[str], answer: Instead) -> None:
        def fault(request: Request) -> Instead | None:
            concerned = request.method == "GET" and "watch=1" not in request.query and paths.fullmatch(request.path)
            return answer if concerned else None

        faulty.fault = fault

    yield instead
    faulty.fault = lambda _: None


@pytest.mark.parametrize("answer", [NOT_FOUND, EMPTY], ids=["not-found", "empty"])
async def test_machines_are_not_forgotten_because_discovery_does_not_know_of_them(
    cluster: ClusterClient,
    installed: Installed,
    namespace: str,
    vms: Machines,
    block: Block,
    answers: Callable[[re.Pattern[str], Instead], None],
    answer: Instead,
) -> None:
    """Their addresses are not allocated to anybody, and new machines are served."""
    await vms.made(machine("holder", nic(mac=block[0])))
    await vms.until_held(block[0], f"VirtualMachine {namespace}/holder")
    paths = GROUP if answer is NOT_FOUND else re.compile(r"/apis/kubevirt\.io/v1")
    answers(paths, answer)
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    for _ in range(int(POLLS)):
        refused = await cluster.create(namespace, pod("thief", networks), dry_run=True)
        assert f"mac {block[0]} is in use by VirtualMachine {namespace}/holder" in refused.message
        await asyncio.sleep(1.0)
    assert machine_macs(await vms.made(machine("new")))
    assert (await cluster.made(namespace, pod("served"))).mac
    assert await installed.readiness() == {"200 ok"}


async def test_a_moment_in_which_even_their_own_lists_are_not_found_costs_machines_nothing_but_a_wait(
    cluster: ClusterClient,
    installed: Installed,
    namespace: str,
    vms: Machines,
    block: Block,
    answers: Callable[[re.Pattern[str], Instead], None],
    faulty: FaultyApi,
) -> None:
    await vms.made(machine("holder", nic(mac=block[0])))
    await vms.until_held(block[0], f"VirtualMachine {namespace}/holder")
    since = installed.log_ends()
    answers(LISTS, NOT_FOUND)
    await installed.logged(since, event="in doubt whether a kind is still there: what was seen of it stands")
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    refused = await cluster.create(namespace, pod("thief", networks), dry_run=True)
    assert f"mac {block[0]} is in use by VirtualMachine {namespace}/holder" in refused.message
    assert (await cluster.made(namespace, pod("served"))).mac
    waits = asyncio.create_task(vms.made(machine("waits")))
    await asyncio.sleep(2.0)
    assert not waits.done(), "of machines nothing is decided"
    faulty.fault = lambda _: None
    assert machine_macs(await waits)
    assert installed.log(since, event="following no longer") == []


async def test_a_leader_whose_lists_of_a_kind_hang_lets_the_other_one_decide(
    cluster: ClusterClient, installed: Installed, namespace: str, vms: Machines, faulty: FaultyApi
) -> None:
    since = installed.log_ends()
    crds = KUBEVIRT_CRDS.read_text(encoding="utf-8")
    await asyncio.to_thread(lambda: installed.control_plane.kubectl("delete", "-f", "-", stdin=crds))
    await installed.logged(since, event="following no longer", kind="VirtualMachine")
    leader = await installed.leader()
    number = int(leader.name.rpartition("-")[2])

    def hangs(request: Request) -> Instead | None:
        concerned = request.replica == number and COLLECTIONS.fullmatch(request.path) is not None
        return Instead(None) if concerned else None

    faulty.fault = hangs
    try:
        await asyncio.to_thread(serve_kinds, installed.control_plane)

        async def other_decides() -> bool:
            figures = [
                await installed.figures(replica) for replica in installed.replicas if replica.name != leader.name
            ]
            return figures[0].get("kubemacpool_leader") == 1

        await eventually(other_decides, "the other replica leads")
        assert installed.log_of(leader, since, event="let another replica decide")
        assert (await cluster.made(namespace, pod("served"))).mac
        assert machine_macs(await vms.made(machine("served")))
    finally:
        faulty.fault = lambda _: None
    await asyncio.to_thread(installed.wait_ready)
