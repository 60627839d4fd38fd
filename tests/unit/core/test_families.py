"""Who belongs to whom: told by controller references, believed once the controller was seen with that uid."""

from itertools import permutations

import pytest

from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import ObjectKey, Party

VM = ObjectKey("VirtualMachine", "ns", "vm")
VMI = ObjectKey("VirtualMachineInstance", "ns", "vm")
LAUNCHER = ObjectKey("Pod", "ns", "virt-launcher-vm-abc")
MACHINE = Party(*VM)

TO_VM = OwnerReference("VirtualMachine", "vm", "uid-vm")
TO_VMI = OwnerReference("VirtualMachineInstance", "vm", "uid-vmi")


def _see(families: Families, key: ObjectKey) -> list[ObjectKey]:
    match key:
        case ObjectKey(kind="VirtualMachine"):
            return families.see(key, "uid-vm", None)
        case ObjectKey(kind="VirtualMachineInstance"):
            return families.see(key, "uid-vmi", TO_VM)
        case _:
            return families.see(key, "uid-launcher", TO_VMI)


def _family() -> Families:
    families = Families()
    for key in (VM, VMI, LAUNCHER):
        _see(families, key)
    return families


@pytest.mark.parametrize("order", list(permutations((VM, VMI, LAUNCHER))), ids=lambda order: "-".join(map(str, order)))
def test_machine_instance_and_launcher_pod_are_one_party_in_whatever_order_they_are_seen(
    order: tuple[ObjectKey, ...],
) -> None:
    families = Families()
    told: dict[ObjectKey, Party] = {}
    for key in order:
        for changed in (key, *_see(families, key)):
            told[changed] = families.party_of(changed)
    assert told == dict.fromkeys((VM, VMI, LAUNCHER), MACHINE)


def test_what_is_told_again_changes_nobody() -> None:
    families = _family()
    assert [_see(families, key) for key in (VM, VMI, LAUNCHER)] == [[], [], []]


def test_an_object_whose_owner_is_created_again_under_its_name_follows_the_new_one_and_then_nobody() -> None:
    families = Families()
    families.see(VM, "uid-vm", None)
    families.see(VMI, "uid-vmi", TO_VM)
    again = TO_VM._replace(uid="uid-vm-2")
    families.see(VM, "uid-vm-2", None)
    families.see(VMI, "uid-vmi", again)
    assert (families.party_of(VMI), families.waits(VMI)) == (MACHINE, False)
    assert families.party_of_owner("ns", TO_VM) is None, "nobody says any more that it belongs to the first one"
    families.see(LAUNCHER, "uid-launcher", TO_VMI)
    families.gone(VM)
    assert families.party_of(LAUNCHER) == MACHINE, "for as long as the instance says so"
    for key in (VMI, LAUNCHER):
        families.gone(key)
    assert (families.party_of_owner("ns", again), families.party_of_owner("ns", TO_VMI)) == (None, None)
    assert (families.party_of(VMI), families.party_of(LAUNCHER)) == (Party(*VMI), Party(*LAUNCHER))


def test_an_object_that_is_created_again_under_its_name_leaves_those_of_the_first_one_to_that() -> None:
    families = _family()
    assert families.see(VMI, "uid-vmi-2", TO_VM) == []
    assert families.party_of(LAUNCHER) == MACHINE
    families.gone(LAUNCHER)
    assert families.party_of_owner("ns", TO_VMI) is None
    assert families.party_of_owner("ns", TO_VMI._replace(uid="uid-vmi-2")) == MACHINE


@pytest.mark.parametrize(
    "forged",
    [
        OwnerReference("VirtualMachine", "vm", "uid-other"),
        OwnerReference("VirtualMachine", "other", "uid-vm"),
        OwnerReference("VirtualMachineInstance", "vm", "uid-vm"),
    ],
    ids=["another uid", "another name", "another kind"],
)
def test_a_forged_reference_makes_nobody_family(forged: OwnerReference) -> None:
    families = Families()
    _see(families, VM)
    families.see(VMI, "uid-vmi", forged)
    assert families.party_of(VMI) == Party(*VMI)
    assert families.party_of_owner("ns", forged) is None


def test_a_reference_into_another_namespace_makes_nobody_family() -> None:
    families = _family()
    assert families.party_of_owner("elsewhere", TO_VM) is None


def test_an_instance_without_a_machine_leads_its_own_launcher_pods() -> None:
    families = Families()
    families.see(VMI, "uid-vmi", None)
    _see(families, LAUNCHER)
    assert families.party_of(LAUNCHER) == families.party_of(VMI) == Party(*VMI)


def test_an_instance_waits_until_the_machine_that_it_names_was_seen() -> None:
    families = Families()
    assert not families.waits(VMI)
    _see(families, VMI)
    assert families.waits(VMI)
    _see(families, VM)
    assert not families.waits(VMI)
    assert not families.waits(VM)
    families.gone(VM)
    assert not families.waits(VMI)


def test_an_instance_that_is_orphaned_is_a_party_of_its_own_and_takes_its_pods_with_it() -> None:
    families = _family()
    families.gone(VM)
    assert families.see(VMI, "uid-vmi", None) == [LAUNCHER]
    assert families.party_of(LAUNCHER) == Party(*VMI)


def test_those_whose_machine_is_gone_are_its_party_for_as_long_as_they_exist() -> None:
    families = _family()
    families.gone(VM)
    assert families.party_of(VMI) == families.party_of(LAUNCHER) == MACHINE
    families.gone(VMI)
    assert families.party_of(LAUNCHER) == MACHINE
    families.gone(LAUNCHER)
    assert families.party_of_owner("ns", TO_VM) is None
    assert families.party_of_owner("ns", TO_VMI) is None


def test_a_machine_that_is_created_again_under_its_name_is_the_same_party_as_what_is_left_of_the_one_before() -> None:
    families = _family()
    families.see(VM, "uid-vm-2", None)
    assert families.party_of(VM) == families.party_of(VMI) == MACHINE


def test_nothing_is_remembered_of_objects_that_are_gone() -> None:
    families = _family()
    for key in (LAUNCHER, VM, VMI):
        families.gone(key)
    families.gone(VM)
    assert not families._members
    assert not families._led
    assert not families._children


def test_a_pod_that_belongs_to_nobody_is_not_remembered() -> None:
    families = Families()
    assert families.see(LAUNCHER, "uid-launcher", None) == []
    assert not families._members
    assert families.party_of(LAUNCHER) == Party(*LAUNCHER)


def test_an_object_that_gets_another_controller_changes_sides() -> None:
    families = _family()
    families.see(ObjectKey("VirtualMachineInstance", "ns", "other"), "uid-other", None)
    families.see(LAUNCHER, "uid-launcher", OwnerReference("VirtualMachineInstance", "other", "uid-other"))
    assert families.party_of(LAUNCHER) == Party("VirtualMachineInstance", "ns", "other")


def test_a_head_that_others_have_left_is_known_for_as_long_as_it_exists() -> None:
    families = _family()
    families.gone(LAUNCHER)
    assert families.party_of_owner("ns", TO_VMI) == MACHINE
    families.gone(VMI)
    assert families.party_of_owner("ns", TO_VM) == MACHINE
    assert families.party_of_owner("ns", TO_VMI) is None


def test_a_launcher_pod_that_goes_takes_no_other_one_with_it() -> None:
    families = _family()
    other = LAUNCHER._replace(name="virt-launcher-vm-def")
    families.see(other, "uid-other", TO_VMI)
    families.gone(LAUNCHER)
    families.gone(VMI)
    assert families.party_of(other) == MACHINE
    assert families.party_of(LAUNCHER) == Party(*LAUNCHER)
