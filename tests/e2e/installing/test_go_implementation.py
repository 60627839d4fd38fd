"""Our manifest is applied over that of the Go implementation, and theirs over ours, while pods are created."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Final

from tests.e2e.installing import go_server
from tests.e2e.installing.creating import Creating
from tests.e2e.installing.go_implementation import CERT_MANAGER_PATH, MUTATOR, cert_manager, manifest
from tests.support.cluster_client import ClusterClient, pod, together
from tests.support.installed import Installed, eventually
from tests.support.machine_manifests import machine, nic

from devcluster.kubevirt import serve_kinds
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

PODS: Final = 500
MACHINES: Final = 200
LIVING: Final = "living"
MACHINES_PATH: Final = f"/apis/kubevirt.io/v1/namespaces/{LIVING}/virtualmachines"
PODS_PATH: Final = f"/api/v1/namespaces/{LIVING}/pods"
OPTED_IN: Final = {"mutatepods.kubemacpool.io": "allocate"}


async def test_nobody_fails_and_no_address_changes_on_the_way_to_us_and_on_the_way_back(
    bare: ControlPlane, tmp_path: Path
) -> None:
    serve_kinds(bare)
    theirs, ours = Installed(bare, manifest(tmp_path), {}), Installed(bare, RELEASE_MANIFEST)
    async with ClusterClient(bare) as client, cert_manager(bare, tmp_path) as written:
        await asyncio.to_thread(theirs.sync)
        await bundle_is(client, (tmp_path / "ca.crt").read_text())
        await live(client)
        before = await addresses(client)
        assert len(before) == PODS + MACHINES

        async with Creating(bare, "opted-in", OPTED_IN) as creating:
            await creating.more()
            assert all(create.mac.startswith(go_server.PREFIX) for create in creating.creates)
            written.clear()
            await asyncio.to_thread(ours.sync)
            switched = time.monotonic()
            assert set(written) <= {403}, "what it has left is allowed to write nothing"
            await creating.more(200)
        assert creating.failures == []
        assert creating.unserved(switched) == []
        given = [create.mac for create in creating.served(switched)]
        assert not {mac for mac in given if mac.startswith(go_server.PREFIX)}
        assert not set(given) & set(before.values())
        assert len(set(given)) == len(given)
        assert (await client.request("GET", CERT_MANAGER_PATH)).status == 404
        assert await addresses(client) == before
        await told_who_holds(client, before)

        async with Creating(bare, "opted-in-again", OPTED_IN) as creating:
            await creating.more()
            await asyncio.to_thread(theirs.sync)
            await bundle_is(client, (tmp_path / "ca.crt").read_text())
            returned = time.monotonic()
            await creating.more(100)
        assert [create for create in creating.failures if create.began > returned] == []
        assert all(create.mac.startswith(go_server.PREFIX) for create in creating.served(returned))
        assert creating.unserved() == []
        assert await addresses(client) == before


async def live(client: ClusterClient) -> None:
    """Have pods and machines with addresses, as others have made them."""
    await client.namespace(LIVING)
    networks = [json.dumps([{"name": "one", "mac": address(number)}]) for number in range(PODS)]
    made = [client.made(LIVING, pod(f"pod-{number}", each)) for number, each in enumerate(networks)]
    await together(made)
    machines = [machine(f"vm-{number}", nic(mac=address(PODS + number))) for number in range(MACHINES)]
    await together([client.done("POST", MACHINES_PATH, each) for each in machines])


def address(number: int) -> str:
    """The address of the pod or machine of that number."""
    return (0x02_51_00_00_00_00 + number).to_bytes(6, "big").hex(":")


async def addresses(client: ClusterClient) -> dict[str, str]:
    """Every living object's address, by its name."""
    pods = json.loads((await client.request("GET", PODS_PATH)).body)["items"]
    machines = json.loads((await client.request("GET", MACHINES_PATH)).body)["items"]
    return {
        each["metadata"]["name"]: json.loads(each["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"])[0]["mac"]
        for each in pods
    } | {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][0]["macAddress"]
        for each in machines
    }


async def told_who_holds(client: ClusterClient, held: dict[str, str]) -> None:
    """Ask for what a pod and what a machine have."""
    for name in ("pod-7", "vm-7"):
        asked = f'[{{"name":"one","mac":"{held[name]}"}}]'
        reply = await client.judged("opted-in", pod("thief", asked), dry_run=True)
        assert f"{LIVING}/{name}" in reply.message


async def bundle_is(client: ClusterClient, authority: str) -> None:
    """Wait until every webhook trusts this authority."""

    async def trusted() -> bool:
        configuration = (await client.request("GET", MUTATOR)).body.decode()
        bundles = [webhook["clientConfig"].get("caBundle") for webhook in json.loads(configuration)["webhooks"]]
        return set(bundles) == {base64.b64encode(authority.encode()).decode()}

    await eventually(trusted, "every webhook has its caBundle")
