"""Pods whose annotations are changed, before the webhook."""

import json

import pytest
from tests.unit.admission.pods import MAC1, MAC2, MAC3, UNTOUCHED, Verdict, Webhook, read_verdict
from tests.unit.doubles import FIRST, pod_review

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.wire.networks import DEFAULT_NETWORK_ANNOTATION, NETWORKS_ANNOTATION

HOLDER = "ns1/holder"
STICKY = {"kubemacpool.io/sticky": "true"}


class Pods(Webhook):
    """A pod that has the first address, before the webhook."""

    def __init__(self) -> None:
        super().__init__()
        key = ObjectKey("Pod", "default", "samplepod")
        self.ledger.observe(Holder(key, "u1", Party(*key), (FIRST,)), self.clock.now())

    async def change(
        self,
        networks: str | None,
        old: str | None = f'[{{"name":"a","mac":"{MAC1}"}}]',
        *,
        dry_run: bool = False,
        phase: str = "Running",
        default: str | None = None,
        sticky: str | None = None,
        **metadata: object,
    ) -> Verdict:
        """The verdict on another annotation."""
        added = {DEFAULT_NETWORK_ANNOTATION: default, "kubemacpool.io/sticky": sticky}
        annotations = {key: value for key, value in added.items() if value is not None}
        body = json.loads(pod_review(networks, dry_run=dry_run, annotations=annotations, uid="r1", **metadata))
        request = body["request"]
        request["operation"] = "UPDATE"
        request["object"]["metadata"]["uid"] = "u1"
        request["object"]["status"] = {"phase": phase}
        request["oldObject"] = {"metadata": {"annotations": None if old is None else {NETWORKS_ANNOTATION: old}}}
        return read_verdict(await self.answer(json.dumps(body).encode()))


def entry(name: str, mac: str) -> str:
    """An entry as we leave it."""
    return f'{{"name":"{name}","mac":"{mac}","namespace":"default"}}'


@pytest.mark.parametrize("text", ["020000000005", MAC1.replace(":", "")], ids=["new", "the pod's own"])
async def test_an_address_that_is_written_as_digits_only_by_a_change_is_written_in_the_usual_form(text: str) -> None:
    usual = bytes.fromhex(text).hex(":")
    verdict = await Pods().change(f'[{{"name":"a","mac":"{text}","namespace":"default"}}]')
    assert verdict.networks == f"[{entry('a', usual)}]"
    assert not verdict.warnings


async def test_what_stands_there_unchanged_is_left_as_it_is_written() -> None:
    written = f'[{{"name":"a","mac":"{MAC1.replace(":", "")}","namespace":"default"}}]'
    assert (await Pods().change(written, written)).networks is None
    assert (await Pods().change('[{"name":"a","mac":"zzzzzzzzzzzz","namespace":"x"}]', "[]")).code == 400


async def test_an_entry_that_is_added_gets_an_address() -> None:
    pods = Pods()
    verdict = await pods.change(f'[{{"name":"a","mac":"{MAC1}"}},{{"name":"b"}}]')
    assert verdict.networks == f'[{entry("a", MAC1)},{{"name":"b","namespace":"default","mac":"{MAC2}"}}]'
    allocation = pods.ledger.latest_allocation(FIRST + 1)
    assert allocation is not None
    assert allocation.party == Party("Pod", "default", "samplepod")
    assert pods.ledger.latest_allocation(FIRST) is None
    assert pods.measures.admissions == [("allocated", 0.0)]


async def test_a_dry_run_tells_the_same_and_allocations_nothing() -> None:
    pods = Pods()
    assert (await pods.change('[{"name":"b"}]', None, dry_run=True)).networks is not None
    assert pods.ledger.in_flight_count == 0


async def test_an_entry_that_lost_its_address_gets_it_back_without_a_decision() -> None:
    pods = Pods()
    verdict = await pods.change('[{"name":"a"}]')
    assert verdict.networks == f'[{{"name":"a","namespace":"default","mac":"{MAC1}"}}]'
    assert (pods.ledger.in_flight_count, pods.reserving.reserved) == (0, [])


@pytest.mark.parametrize(
    "networks", [f'[{{"name":"a","mac":"{MAC1}"}}]', f'[{{"name":"z","mac":"{MAC1}","x":1}}]', "[]", None, ""]
)
async def test_what_has_nothing_new_is_left_alone(networks: str | None) -> None:
    pods = Pods()
    assert await pods.change(networks) == UNTOUCHED
    assert (pods.ledger.in_flight_count, pods.reserving.reserved) == (0, [])


async def test_an_address_that_somebody_else_has_is_refused() -> None:
    pods = Pods()
    pods.hold("holder", FIRST + 1)
    verdict = await pods.change(f'[{{"name":"a","mac":"{MAC2}"}}]')
    assert (verdict.allowed, verdict.code) == (False, 403)
    assert f'entry 0 ("a"): mac {MAC2} is in use by Pod {HOLDER}' in verdict.message


async def test_an_address_that_the_pod_has_already_is_refused_for_one_more_interface() -> None:
    verdict = await Pods().change(f'[{{"name":"a","mac":"{MAC1}"}},{{"name":"b","mac":"{MAC1}"}}]')
    assert verdict.code == 400
    assert f'entry 1 ("b"): mac {MAC1} is that of entry 0 ("a") too: a duplicate MAC address' in verdict.message


async def test_an_address_that_is_new_and_cannot_be_read_is_refused_and_one_that_is_not_new_is_not() -> None:
    old = '[{"name":"a","mac":"zz"}]'
    assert (await Pods().change('[{"name":"a","mac":"yy"}]', old)).code == 400
    assert (await Pods().change('[{"name":"a","mac":"zz"},{"name":"b"}]', old)).allowed


@pytest.mark.parametrize("change", [{"phase": "Succeeded"}, {"phase": "Failed"}, {"deletionTimestamp": "now"}])
async def test_a_pod_that_is_ending_may_have_anything(change: dict[str, str]) -> None:
    pods = Pods()
    pods.hold("holder", FIRST + 1)
    for networks in (f'[{{"name":"a","mac":"{MAC2}"}}]', "[broken", '[{"name":"b"}]'):
        assert await pods.change(networks, **change) == UNTOUCHED  # type: ignore[arg-type]


async def test_too_many_networks_are_refused_unless_some_are_only_taken_away() -> None:
    many = ",".join(f'{{"name":"n{number}"}}' for number in range(300))
    verdict = await Pods().change(f'[{many},{{"name":"more"}}]', f"[{many}]")
    assert verdict.code == 400
    assert "the list has 301 entries; give at most 256" in verdict.message
    assert await Pods().change(f"[{many}]", f'[{many},{{"name":"more"}}]') == UNTOUCHED


async def test_an_address_in_the_default_network_is_judged_and_needs_no_patch() -> None:
    pods = Pods()
    pods.hold("holder", FIRST + 1)
    refused = await pods.change(None, None, default=f'[{{"name":"x","mac":"{MAC2}"}}]')
    assert refused.code == 403
    assert f'entry 0 ("x") of {DEFAULT_NETWORK_ANNOTATION}: mac {MAC2} is in use by Pod {HOLDER}' in refused.message
    assert await pods.change(None, None, default=f'[{{"name":"x","mac":"{MAC3}"}}]') == UNTOUCHED
    assert pods.ledger.latest_allocation(FIRST + 2) is not None


async def test_the_short_form_beside_an_address_in_the_default_network_is_told() -> None:
    verdict = await Pods().change("net1", None, default=f'[{{"name":"x","mac":"{MAC3}"}}]')
    (warning,) = verdict.warnings
    assert warning.startswith("kubemacpool: the short form")


async def test_an_entry_that_is_added_to_a_sticky_pod_prefers_what_it_would_have_from_the_beginning() -> None:
    at_once = await Pods().judge('[{"name":"a"},{"name":"b"}]', annotations=STICKY)
    first, second = (each["mac"] for each in json.loads(at_once.networks or ""))
    later = await Pods().change(
        f'[{{"name":"a","mac":"{first}"}},{{"name":"b"}}]', f'[{{"name":"a","mac":"{first}"}}]', sticky="true"
    )
    assert [each["mac"] for each in json.loads(later.networks or "")] == [first, second]


async def test_a_wrong_wish_for_sticky_addresses_matters_only_where_an_address_is_given() -> None:
    pods = Pods()
    assert await pods.change("[]", sticky="maybe") == UNTOUCHED
    assert (await pods.change(f'[{{"name":"a","mac":"{MAC3}"}}]', sticky="maybe")).allowed
    assert (await pods.change('[{"name":"b"}]', sticky="maybe")).code == 400
