"""The search is worth what freezing is: a leader that was frozen and thawed is the same leader."""

import dataclasses

import pytest
from tests.model import worlds
from tests.model.cluster import Bounds
from tests.model.explore import explore
from tests.model.frozen import (
    KNOWN,
    LEFT_OUT,
    LONG,
    FrozenAllocator,
    FrozenCooling,
    FrozenGrant,
    check,
    freeze,
    freeze_families,
    thaw,
    thaw_families,
)
from tests.model.mutants import UNCHANGED

from kubemacpool.core.allocations import Allocation, Cooling, Terms
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.retention import Tenure

FIRST = worlds.FIRST
POOL = Pool([AddressRange(FIRST, FIRST + 7)])
WEB = Party("Pod", "ns", "web")
EVERYTHING = FrozenAllocator(
    holders=(Holder(ObjectKey("Pod", "ns", "web"), "uid", WEB, (FIRST, FIRST + 9), attached=(FIRST + 7,)),),
    tenures=((ObjectKey("Pod", "ns", "web"), Tenure("uid", (FIRST,), (FIRST + 9,), (FIRST + 7,))),),
    leading=True,
    in_flight=(
        FrozenGrant(FIRST + 1, WEB, 3, 2, frozenset({"uid"}), Terms(shared=True, uid="uid"), assumed=True),
        FrozenGrant(FIRST, WEB, 4, 1, frozenset(), Terms(Party("Pod", "ns", "launcher"), implicit=True), assumed=False),
        FrozenGrant(FIRST, Party("Pod", "ns", "db"), 5, 1, frozenset(), Terms(), assumed=False),
    ),
    cooling=(FrozenCooling(FIRST + 3, 0, "Pod"), FrozenCooling(FIRST + 2, 1, "Pod"), FrozenCooling(FIRST + 8, 1, "X")),
    given_early=(FIRST + 2, FIRST + 3),
    in_doubt=(FIRST + 1, FIRST + 4),
    inherited_at=2,
    departures=((FIRST + 2, Party("VirtualMachine", "ns", "vm")),),
    latecomers=((FIRST, WEB),),
    reserved=frozenset({FIRST, FIRST + 1}),
    doubtful=frozenset({FIRST + 1}),
    set_aside=(FIRST + 6, FIRST + 5),
    last=FIRST + 5,
    end=FIRST + 6,
)


def test_every_attribute_of_the_core_is_frozen_or_left_out_for_a_reason() -> None:
    """A new one must not go unnoticed: what is not frozen, the search forgets."""
    allocator = UNCHANGED.empty(POOL, LONG)
    for part in (allocator, allocator.ledger, allocator.reservations, allocator._block, Families()):
        name = type(part).__name__
        assert set(vars(part)) == KNOWN[name] | set(LEFT_OUT.get(name, {})), name
    assert set(KNOWN) == {Allocator.__name__, "Ledger", "Families", "Reservations", "Block"}


def test_every_field_of_an_allocation_and_of_a_cool_down_is_frozen() -> None:
    """The same for what the ledger is made of."""
    fields = {field.name for field in dataclasses.fields(Allocation)}
    assert fields - {"allocated_at"} == set(FrozenGrant._fields) - {"address", "moment"}
    assert set(Cooling._fields) - {"since"} == set(FrozenCooling._fields) - {"address", "rank"}


def test_what_was_thawed_freezes_to_the_same() -> None:
    """With something in every field."""
    assert all(value != default for value, default in zip(EVERYTHING, FrozenAllocator(), strict=True))
    allocator = thaw(EVERYTHING, UNCHANGED.empty(POOL, LONG))
    check(allocator)
    assert freeze(allocator) == EVERYTHING


def test_every_state_that_a_search_comes_to_is_thawed_whole() -> None:
    """And what is found anew by thawing is what a recount says."""
    world = worlds.replicated(Bounds(2, acquisitions=2, allocations=3), 2, worlds.ANY)(UNCHANGED)
    explore(world)
    assert len(world.cores) > 100
    for state in world.cores.states:
        allocator = thaw(state, UNCHANGED.empty(world.cores.pool, 0))
        check(allocator)
        assert freeze(allocator) == state


def test_families_that_were_thawed_freeze_to_the_same() -> None:
    """Also what is remembered of an owner that has gone, and of one that was never seen."""
    families = Families()
    vm, vmi = ObjectKey("VirtualMachine", "ns", "vm"), ObjectKey("VirtualMachineInstance", "ns", "vm")
    launcher, stray = ObjectKey("Pod", "ns", "launcher"), ObjectKey("Pod", "ns", "stray")
    families.see(vm, "uid-vm", None)
    families.see(vmi, "uid-vmi", OwnerReference(vm.kind, vm.name, "uid-vm"))
    families.see(launcher, "uid-launcher", OwnerReference(vmi.kind, vmi.name, "uid-vmi"))
    families.see(stray, "uid-stray", OwnerReference(vmi.kind, vmi.name, "forged"))
    families.gone(vm)
    frozen = freeze_families(families)
    thawed = thaw_families(frozen, Families())
    assert vars(thawed) == vars(families)
    assert freeze_families(thawed) == frozen
    assert all(frozen)


@pytest.mark.parametrize("field", FrozenAllocator._fields)
def test_leaders_that_differ_in_one_thing_are_different_states(field: str) -> None:
    """Nothing that is frozen is lost on the way."""
    other = EVERYTHING._replace(**{field: getattr(FrozenAllocator(), field)})
    if field == "given_early":
        other = EVERYTHING._replace(given_early=EVERYTHING.given_early[::-1])
    if field == "cooling":
        other = other._replace(given_early=())
    assert freeze(thaw(other, UNCHANGED.empty(POOL, LONG))) == other != EVERYTHING
