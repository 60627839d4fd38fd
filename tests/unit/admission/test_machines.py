"""A virtual machine over its whole life: which of its interfaces are given an address, and when."""

import json
from base64 import b64decode

import pytest
from structlog.testing import capture_logs
from tests.unit.admission.machines import (
    MAC1,
    MAC2,
    MAC3,
    SERVED,
    UNTOUCHED,
    Nic,
    Verdict,
    Webhook,
    machine,
    machine_review,
    multus,
    nic,
    read_verdict,
)
from tests.unit.doubles import FIRST, answer_of

from kubemacpool.core.parties import Party
from kubemacpool.wire.machines import NetworkKind
from kubemacpool.wire.review import Answer

VM = Party("VirtualMachine", "default", "vm")
POD_NETWORK: Nic = {"name": "default", "pod": {}}
ELSEWHERE, ELSEWHERE_TEXT = 0x0A_00_00_00_00_01, "0a:00:00:00:00:01"


async def test_a_new_machine_is_given_an_address_for_every_interface_without_one() -> None:
    webhook = Webhook()
    verdict = await webhook.judge(machine(nic("red"), nic("blue", ELSEWHERE_TEXT), nic("green", "")))
    assert verdict == Verdict(given={0: MAC1, 2: MAC2})
    assert webhook.latest_allocation() == {0, 1}
    for address in (FIRST, FIRST + 1, ELSEWHERE):
        allocation = webhook.ledger.latest_allocation(address)
        assert allocation is not None
        assert allocation.party == VM
    assert webhook.measures.admissions == [("allocated", 0.0)]


async def test_a_machine_that_lacks_nothing_is_allocated_without_a_patch_and_may_spell_addresses_as_it_likes() -> None:
    webhook = Webhook()
    assert await webhook.judge(machine(nic("red", "0A-00-00-00-00-01"), nic("blue", "0a0000000002"))) == UNTOUCHED
    assert webhook.ledger.latest_allocation(ELSEWHERE) is not None
    assert webhook.ledger.latest_allocation(ELSEWHERE + 1) is not None


@pytest.mark.parametrize(
    ("binding", "network", "served", "given"),
    [
        ("bridge", multus("default"), frozenset({NetworkKind.MULTUS}), True),
        ("masquerade", POD_NETWORK, frozenset({NetworkKind.MULTUS}), False),
        ("masquerade", POD_NETWORK, frozenset({NetworkKind.POD_MASQUERADE}), True),
        ("bridge", POD_NETWORK, frozenset({NetworkKind.POD_MASQUERADE}), False),
        ("bridge", POD_NETWORK, frozenset({NetworkKind.POD_OTHER}), True),
    ],
)
async def test_which_networks_are_served_is_a_setting(
    binding: str, network: Nic, served: frozenset[NetworkKind], *, given: bool
) -> None:
    verdict = await Webhook(served=served).judge(machine(nic("default", binding=binding), networks=[network]))
    assert verdict == (Verdict(given={0: MAC1}) if given else UNTOUCHED)


@pytest.mark.parametrize("mac", [MAC1, "no address", "01:00:00:00:00:00"])
async def test_an_address_on_the_pod_network_is_nobodys_business_unless_that_is_served(mac: str) -> None:
    """Primary user-defined networks of OVN-Kubernetes, which are apart from each other, use one address twice."""
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    document = machine(nic("default", mac), networks=[POD_NETWORK])
    assert await webhook.judge(document) == UNTOUCHED
    assert webhook.latest_allocation() == set()
    serving = Webhook(served=SERVED | {NetworkKind.POD_OTHER})
    serving.hold("Pod", "holder", FIRST)
    assert (await serving.judge(document)).code in {400, 403}


async def test_an_address_that_comes_from_the_pod_network_to_one_of_ours_is_judged() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    before = machine(nic("default", MAC1), networks=[POD_NETWORK])
    assert (await webhook.judge(machine(nic("default", MAC1)), before)).code == 403


async def test_an_address_on_a_network_of_an_unknown_kind_is_judged_and_none_is_given() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    unknown: Nic = {"name": "default", "resourceClaim": {}}
    assert (await webhook.judge(machine(nic("default", MAC1), networks=[unknown]))).code == 403
    assert await webhook.judge(machine(nic("default"), networks=[unknown])) == UNTOUCHED


@pytest.mark.parametrize("state", ["up", "down"])
async def test_an_interface_that_is_being_unplugged_is_given_nothing(state: str) -> None:
    webhook = Webhook()
    document = machine(nic("red", state="absent"), nic("blue", MAC3, state="absent"), nic("green", state=state))
    assert await webhook.judge(document) == Verdict(given={2: MAC1})
    assert webhook.latest_allocation() == {0, 2}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": {"name": "vm"}, "spec": None},
        machine(),
        machine(nic("default"), networks=[POD_NETWORK]),
    ],
    ids=["nothing at all", "no spec", "no interfaces", "none that is served"],
)
async def test_a_machine_with_nothing_to_give_an_address_to_is_let_through_even_when_nobody_leads(
    document: object,
) -> None:
    webhook = Webhook()
    webhook.known, webhook.reserving.obstacle = False, "not yet"
    assert await webhook.judge(document) == UNTOUCHED
    assert webhook.measures.admissions == [("untouched", 0.0)]
    assert webhook.looks == 0


async def test_machines_that_the_api_server_has_yet_to_name_are_parties_of_their_own() -> None:
    webhook = Webhook()
    document = machine(nic("red", MAC1), name="", generateName="vm-")
    first = await webhook.judge(document)
    second = await webhook.answer(document, uid="r2")
    again = await webhook.judge(document)
    assert [first.allowed, b'"allowed":true' in second.body, again.allowed] == [True, False, True]
    allocation = webhook.ledger.latest_allocation(FIRST)
    assert allocation is not None
    assert allocation.party == Party("VirtualMachine", "default", "", "vm-", "r1")


async def test_the_namespace_is_that_of_the_request() -> None:
    webhook = Webhook()
    await webhook.judge(machine(nic("red"), namespace="liar"))
    allocation = webhook.ledger.latest_allocation(FIRST)
    assert allocation is not None
    assert allocation.party == VM


async def test_an_interface_that_is_plugged_in_is_given_an_address_and_the_others_cost_nothing() -> None:
    webhook = Webhook()
    webhook.hold("VirtualMachine", "vm", FIRST, namespace="default")
    before = machine(nic("red", MAC1))
    verdict = await webhook.judge(machine(nic("red", MAC1), nic("blue")), before)
    assert verdict == Verdict(given={1: MAC2})
    assert webhook.latest_allocation() == {1}
    assert webhook.reserving.reserved == [((FIRST + 1,), 1)]


async def test_an_update_that_changes_no_address_writes_nothing_and_allocations_nothing() -> None:
    """Not even where the address is somebody else's: it was carried before, so there is nothing to decide."""
    webhook = Webhook()
    webhook.hold("VirtualMachine", "vm", FIRST, namespace="default")
    webhook.hold("VirtualMachine", "other", FIRST)
    before = machine(nic("red", MAC1), nic("blue", MAC2))
    assert await webhook.judge(machine(nic("red", MAC1), nic("new", MAC2)), before) == UNTOUCHED
    assert webhook.latest_allocation() == set()
    assert webhook.reserving.reserved == []


async def test_an_interface_that_is_unplugged_releases_nothing_before_it_is_gone() -> None:
    webhook = Webhook()
    webhook.hold("VirtualMachine", "vm", FIRST, FIRST + 1, namespace="default")
    before = machine(nic("red", MAC1), nic("blue", MAC2))
    assert await webhook.judge(machine(nic("red", MAC1)), before) == UNTOUCHED
    assert webhook.ledger.held_count == 2


async def test_an_address_that_the_user_changes_is_allocated_and_one_that_the_user_removes_comes_back() -> None:
    webhook = Webhook()
    webhook.hold("VirtualMachine", "vm", FIRST, FIRST + 1, namespace="default")
    before = machine(nic("red", MAC1), nic("blue", MAC2))
    verdict = await webhook.judge(machine(nic("red", ELSEWHERE_TEXT), nic("blue")), before)
    assert verdict == Verdict(given={1: MAC2})
    assert webhook.ledger.latest_allocation(ELSEWHERE) is not None
    assert webhook.latest_allocation() == set(), "what it carried is not allocated anew"


async def test_an_address_that_comes_back_belongs_to_the_interface_of_that_name_wherever_it_stands() -> None:
    before = machine(nic("red", MAC1), nic("blue", MAC2))
    verdict = await Webhook().judge(machine(nic("blue"), nic("green"), nic("red")), before)
    assert verdict.given == {0: MAC2, 1: MAC3, 2: MAC1}


async def test_an_address_that_was_moved_to_another_interface_does_not_come_back_to_the_first() -> None:
    before = machine(nic("red", MAC1))
    verdict = await Webhook().judge(machine(nic("red"), nic("blue", MAC1)), before)
    assert verdict == Verdict(given={0: MAC2})


async def test_two_interfaces_may_swap_their_addresses() -> None:
    before = machine(nic("red", MAC1), nic("blue", MAC2))
    webhook = Webhook()
    assert await webhook.judge(machine(nic("red", MAC2), nic("blue", MAC1)), before) == UNTOUCHED
    assert webhook.latest_allocation() == set()


async def test_what_could_not_be_read_before_an_update_is_nobodys() -> None:
    before = machine(nic("red", "nonsense"), nic("blue", MAC1))
    assert (await Webhook().judge(machine(nic("red"), nic("blue", MAC1)), before)).given == {0: MAC2}


async def test_an_address_is_given_back_to_a_machine_that_is_created_again_under_its_name() -> None:
    webhook = Webhook()
    webhook.hold("VirtualMachine", "vm", FIRST, namespace="default")
    assert await webhook.judge(machine(nic("red", MAC1))) == UNTOUCHED
    assert webhook.latest_allocation() == {0}


@pytest.mark.parametrize("kind", ["VirtualMachineInstance", "Pod"])
async def test_what_a_machines_own_instance_and_launcher_pod_carry_is_its_own(kind: str) -> None:
    webhook = Webhook()
    webhook.hold(kind, "virt-launcher-vm-abc", FIRST, namespace="default", of=VM)
    assert await webhook.judge(machine(nic("red", MAC1))) == UNTOUCHED


async def test_a_machine_that_is_being_deleted_is_let_through_as_it_is_whatever_it_says() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    webhook.known = False
    deleted = "2026-11-25T00:00:00Z"
    for nics in ([nic("red", MAC1)], [nic("red", "nonsense")], [nic("red"), nic("red")], [{"name": 5}]):
        before = machine(nic("red", MAC2))
        assert (
            await webhook.judge(machine(*nics, networks=[multus("red")], deletionTimestamp=deleted), before)
            == UNTOUCHED
        )
    assert (webhook.looks, webhook.latest_allocation()) == (0, set())


async def test_a_machine_with_the_old_finalizer_goes_when_it_is_told_to() -> None:
    """Early versions of the Go implementation added it, and nobody else is left to take it away."""
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    webhook.known, webhook.reserving.obstacle = False, "not yet"
    deleted, finalizers = "2026-11-25T00:00:00Z", ["other", "k8s.v1.cni.cncf.io/kubeMacPool"]
    document = machine(nic("red", MAC1), deletionTimestamp=deleted, finalizers=finalizers)
    with capture_logs() as logs:
        answer = await webhook.answer(document, document)
    response = json.loads(answer.body)["response"]
    assert response["allowed"] is True
    assert json.loads(b64decode(response["patch"])) == [
        {"op": "test", "path": "/metadata/finalizers/1", "value": "k8s.v1.cni.cncf.io/kubeMacPool"},
        {"op": "remove", "path": "/metadata/finalizers/1"},
    ]
    assert logs == [
        {
            "event": "old finalizer taken away",
            "log_level": "info",
            "object": "VirtualMachine default/vm",
            "finalizer": "k8s.v1.cni.cncf.io/kubeMacPool",
        }
    ]
    assert webhook.measures.admissions == [("untouched", 0.0)]


async def test_a_machine_with_the_old_finalizer_is_given_addresses_like_any_other() -> None:
    document = machine(nic("red"), finalizers=["k8s.v1.cni.cncf.io/kubeMacPool"])
    assert await Webhook().judge(document) == Verdict(given={0: MAC1})


async def test_a_dry_run_leads_the_same_and_changes_nothing() -> None:
    webhook = Webhook()
    document = machine(nic("red"), nic("blue", ELSEWHERE_TEXT))
    dry = await webhook.judge(document, dryRun=True)
    assert (webhook.latest_allocation(), webhook.reserving.reserved) == (set(), [])
    assert dry == await webhook.judge(document) == Verdict(given={0: MAC1})


async def test_while_not_all_machines_are_known_nobody_leads_about_one_and_somebody_is_to_look() -> None:
    """KubeVirt was installed a moment ago: this review is the first that is heard of it."""
    webhook = Webhook()
    webhook.known = False
    answer = await webhook.answer(machine(nic("red")))
    assert answer == Answer(
        503,
        b"kubemacpool cannot decide yet: the list of VirtualMachines is not complete yet\n",
        content_type="text/plain",
        retry_after=1,
    )
    assert (webhook.looks, webhook.latest_allocation()) == (1, set())
    assert webhook.measures.admissions == [("unavailable", 0.0)]


async def test_what_keeps_the_replica_from_leading_is_said() -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "the list of namespaces is not complete yet"
    answer = await webhook.answer(machine(nic("red")))
    assert (answer.status, answer.retry_after) == (503, 1)
    assert answer.body == b"kubemacpool cannot decide yet: the list of namespaces is not complete yet\n"
    assert webhook.looks == 0


async def test_a_review_of_something_else_is_400() -> None:
    webhook = Webhook()
    answer = await webhook.answer(machine(nic("red")), operation="DELETE")
    assert answer.status == 400
    assert answer.body.startswith(b'asked about "DELETE" of "VirtualMachine.kubevirt.io"')
    assert webhook.measures.admissions == [("malformed", 0.0)]


async def test_an_allocation_is_logged_at_debug() -> None:
    with capture_logs() as logs:
        read_verdict(await answer_of(Webhook().admission, machine_review(machine(nic("red")))))
    assert logs == [
        {
            "event": "allocated",
            "log_level": "debug",
            "object": "VirtualMachine default/vm",
            "addresses": [MAC1],
            "dry_run": False,
        }
    ]
