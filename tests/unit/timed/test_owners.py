"""Whose pod it is: an owner that was seen, one that is seen later, and one that never is."""

import asyncio

from tests.unit.election.candidates import LoopClock

from kubemacpool.admission.owners import PATIENCE, PAUSE, Owners
from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import ObjectKey, Party

VM, VMI = ObjectKey("VirtualMachine", "ns", "vm"), ObjectKey("VirtualMachineInstance", "ns", "vm")
TO_VM, TO_VMI = (
    OwnerReference("VirtualMachine", "vm", "uid-vm"),
    OwnerReference("VirtualMachineInstance", "vm", "uid-i"),
)


def now() -> float:
    """Seconds."""
    return asyncio.get_running_loop().time()


async def test_an_owner_that_was_seen_is_told_at_once_by_the_party_that_it_belongs_to() -> None:
    families = Families()
    families.see(VM, "uid-vm", None)
    families.see(VMI, "uid-i", TO_VM)
    began = now()
    assert await Owners(families, LoopClock()).party_of_owner("ns", TO_VMI) == Party(*VM)
    assert now() == began


async def test_an_owner_that_is_seen_later_is_told_a_moment_after() -> None:
    families = Families()
    asked = asyncio.create_task(Owners(families, LoopClock()).party_of_owner("ns", TO_VMI))
    await asyncio.sleep(PATIENCE / 2)
    assert not asked.done()
    families.see(VMI, "uid-i", None)
    seen = now()
    assert await asked == Party(*VMI)
    assert now() - seen <= PAUSE


async def test_an_owner_that_is_never_seen_is_waited_for_so_long_and_no_longer() -> None:
    families = Families()
    families.see(VMI, "uid-of-another", None)
    began = now()
    assert await Owners(families, LoopClock()).party_of_owner("ns", TO_VMI) is None
    assert PATIENCE <= now() - began < PATIENCE + 2 * PAUSE


async def test_an_owner_of_another_namespace_is_none() -> None:
    families = Families()
    families.see(VMI, "uid-i", None)
    assert await Owners(families, LoopClock()).party_of_owner("other", TO_VMI) is None


async def test_many_that_wait_do_not_wait_for_each_other() -> None:
    owners, began = Owners(Families(), LoopClock()), now()
    assert set(await asyncio.gather(*(owners.party_of_owner("ns", TO_VMI) for _ in range(100)))) == {None}
    assert now() - began < PATIENCE + 2 * PAUSE
