"""What happens to those who ask for somebody else's address: refused, or admitted with a warning and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.scopes.kinds import KINDS, MACHINE, POD
from tests.support.installed import ENVIRONMENT, eventually
from tests.support.machine_manifests import controller_reference, instance
from tests.support.machines import INSTANCES, Machines, document
from tests.support.telling import collision, until_shared, until_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Block
    from tests.e2e.scopes.kinds import Kind
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed

POLICY: Final = "kubemacpool.io/conflict-policy"
WARN: Final = "admitted, because the conflict policy is warn"


async def use_policy(cluster: ClusterClient, namespace: str, policy: str | None) -> None:
    """Give a namespace a policy of its own, or none."""
    await cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": {POLICY: policy}}})


async def until_judged(
    cluster: ClusterClient, kind: Kind, namespace: str, mac: str, *, admitted: bool, saying: str = ""
) -> Reply:
    """Wait until the address that somebody else has is admitted with a warning, or refused; saying this beside it."""
    replies: list[Reply] = []

    async def so() -> bool:
        reply = await kind.create(cluster, namespace, "asks", mac, dry_run=True)
        replies[:] = [reply]
        said = "\n".join(reply.warnings) if reply.created else reply.message
        return reply.created == admitted and "is in use by" in said and saying in said

    await eventually(so, f"{kind} is {'admitted' if admitted else 'refused'} in {namespace}, saying {saying!r}")
    return replies[0]


async def run(cluster: ClusterClient, namespace: str, name: str) -> None:
    """Make the instance of a machine, as virt-controller would."""
    machines = Machines(cluster, namespace)
    owner = await machines.get(name)
    about = {"finalizers": [], "ownerReferences": [controller_reference(owner)]}
    await machines.made(instance(name, owner["spec"]["template"]["spec"], about), INSTANCES)


@pytest.fixture
async def holder(cluster: ClusterClient, namespace: str, block: Block) -> str:
    """A pod in a namespace of its own that has the first address of the block, as messages name it."""
    name = f"{namespace}-holder"
    await cluster.namespace(name)
    await POD.made(cluster, name, "holder", block[0])

    async def known() -> bool:
        reply = await POD.create(cluster, namespace, "asks", block[0], dry_run=True)
        said = "".join(reply.warnings) if reply.created else reply.message
        return f"is in use by Pod {name}/holder;" in said

    await eventually(known, "the holder is known")
    return f"Pod {name}/holder"


async def test_as_shipped_it_is_refused_naming_the_holder(
    cluster: ClusterClient, namespace: str, block: Block, holder: str, kind: Kind
) -> None:
    reply = await kind.create(cluster, namespace, "asks", block[0])
    assert (reply.status, reply.reason) == (403, "Forbidden")
    assert f"{kind} {namespace}/asks: " in reply.message
    refused = f"{kind.label}: mac {block[0]} is in use by {holder}; choose another address, "
    assert f'{refused}or leave "{kind.key}" out' in reply.message
    assert reply.warnings == ()


async def test_a_namespace_with_warn_admits_it_naming_the_holder_as_long_as_it_says_so(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, holder: str, kind: Kind
) -> None:
    before = installed.processes
    await use_policy(cluster, namespace, "warn")
    reply = await until_judged(cluster, kind, namespace, block[0], admitted=True)
    assert reply.warnings == (f"kubemacpool: {kind.label}: mac {block[0]} is in use by {holder}; {WARN}",)
    assert kind.mac(reply) == block[0]
    other = f"{namespace}-other"
    await cluster.namespace(other)
    assert not (await kind.create(cluster, other, "asks", block[0], dry_run=True)).created
    await use_policy(cluster, namespace, "reject")
    await until_judged(cluster, kind, namespace, block[0], admitted=False)
    await use_policy(cluster, namespace, "warn")
    await until_judged(cluster, kind, namespace, block[0], admitted=True)
    await use_policy(cluster, namespace, None)
    await until_judged(cluster, kind, namespace, block[0], admitted=False)
    assert installed.processes == before


async def test_a_pod_that_was_admitted_with_a_warning_is_a_collision_until_one_of_the_two_is_gone(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, holder: str
) -> None:
    await use_policy(cluster, namespace, "warn")
    await until_judged(cluster, POD, namespace, block[0], admitted=True)
    reply = await POD.made(cluster, namespace, "second", block[0])
    assert len(reply.warnings) == 1
    where = holder.removeprefix("Pod ").removesuffix("/holder")
    await until_shared(installed, block[0], 2)
    message = collision(block[0], f"pod/{where}/holder", f"pod/{namespace}/second")
    await until_told(cluster, message, ("Pod", where, "holder"), ("Pod", namespace, "second"))
    await POD.delete(cluster, where, "holder")
    await until_shared(installed, block[0], None)
    # The address has one holder still.
    await POD.until_refused(cluster, where, block[0], f"Pod {namespace}/second;")


async def test_machines_that_were_admitted_with_a_warning_collide_once_both_run(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    await use_policy(cluster, namespace, "warn")
    await MACHINE.made(cluster, namespace, "first", block[0])
    await until_judged(cluster, MACHINE, namespace, block[0], admitted=True)
    reply = await MACHINE.made(cluster, namespace, "second", block[0])
    machine = f"VirtualMachine {namespace}/first"
    assert reply.warnings == (f'kubemacpool: interface "one": mac {block[0]} is in use by {machine}; {WARN}',)
    await run(cluster, namespace, "first")
    await run(cluster, namespace, "second")
    await until_shared(installed, block[0], 2)
    objects = [("VirtualMachineInstance", namespace, name) for name in ("first", "second")]
    await until_told(cluster, collision(block[0], *(f"vmi/{namespace}/{name}" for _, _, name in objects)), *objects)


async def test_warn_admits_a_change_of_a_machines_address_too(
    cluster: ClusterClient, namespace: str, block: Block, holder: str
) -> None:
    await use_policy(cluster, namespace, "warn")
    await until_judged(cluster, POD, namespace, block[0], admitted=True)
    stored = document(await MACHINE.made(cluster, namespace, "changing", block[1]))
    stored["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][0]["macAddress"] = block[0]
    reply = await cluster.request("PUT", MACHINE.path(namespace, "changing"), stored)
    assert (reply.status, len(reply.warnings)) == (200, 1), reply.body
    assert f"is in use by {holder}; {WARN}" in reply.warnings[0]


async def test_warn_admits_no_mistakes(cluster: ClusterClient, namespace: str, block: Block, holder: str) -> None:
    await use_policy(cluster, namespace, "warn")
    await until_judged(cluster, POD, namespace, block[0], admitted=True)
    assert holder
    for kind in KINDS:
        for wrong, why in (("01:00:00:00:00:01", "multicast"), ("00:00:00:00:00:00", "all-zero"), ("02:00", "6 bytes")):
            reply = await kind.create(cluster, namespace, "asks", wrong)
            assert reply.status == 400
            assert why in reply.message


async def test_a_policy_that_is_none_is_told_with_the_refusal_and_what_would_be_one(
    cluster: ClusterClient, namespace: str, block: Block, holder: str, kind: Kind
) -> None:
    await use_policy(cluster, namespace, "Warn!")
    fault = (
        f'the namespace\'s annotation {POLICY} is "Warn!", which is neither reject nor warn; '
        "reject is in force until it is corrected"
    )
    reply = await until_judged(cluster, kind, namespace, block[0], admitted=False, saying=fault)
    assert f"is in use by {holder}" in reply.message
    # Nobody else is bothered with it.
    assert (await kind.create(cluster, namespace, "asks", block[1], dry_run=True)).warnings == ()
    await use_policy(cluster, namespace, "warn")
    await until_judged(cluster, kind, namespace, block[0], admitted=True)


@pytest.fixture
def lenient(installed: Installed) -> Iterator[None]:
    """The installation with `warn` as its policy; afterwards it is as it was before."""
    installed.installation.sync(environment=ENVIRONMENT, arguments=["--conflict-policy=warn"])
    yield
    installed.sync()


@pytest.mark.usefixtures("lenient")
async def test_an_installation_with_warn_admits_it_everywhere_but_where_a_namespace_says_reject(
    cluster: ClusterClient, namespace: str, block: Block, holder: str
) -> None:
    for kind in KINDS:
        reply = await until_judged(cluster, kind, namespace, block[0], admitted=True)
        assert reply.warnings == (f"kubemacpool: {kind.label}: mac {block[0]} is in use by {holder}; {WARN}",)
        assert (await kind.create(cluster, namespace, "asks", dry_run=True)).warnings == ()
    await use_policy(cluster, namespace, "reject")
    for kind in KINDS:
        await until_judged(cluster, kind, namespace, block[0], admitted=False)
    await use_policy(cluster, namespace, "no")
    fault = 'is "no", which is neither reject nor warn; warn is in force until it is corrected'
    for kind in KINDS:
        reply = await until_judged(cluster, kind, namespace, block[0], admitted=True, saying=fault)
        assert len(reply.warnings) == 2
