"""A review of a pod in, an answer out: what the API server and its users get to see."""

import json

import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs
from tests.unit.admission.pods import MAC1, MAC2, MAC3, UNTOUCHED, Webhook, read_verdict
from tests.unit.doubles import FIRST, pod_review
from tests.unit.wire.strategies import REVIEW_BODIES

from kubemacpool.core.requests import AddressRequest, Decision, Undecided, Unreserved
from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.review import Answer


@pytest.mark.parametrize("networks", [None, "", "  \n", "[]", " [ ] "])
async def test_a_pod_that_asks_for_no_network_is_let_through_even_when_nobody_can_decide(networks: str | None) -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "not yet"
    assert await webhook.judge(networks) == UNTOUCHED
    assert webhook.measures.admissions == [("untouched", 0.0)]


async def test_every_network_without_an_address_gets_one() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"ovs-conf"},{"name":"b","namespace":"other"}]')
    assert verdict == UNTOUCHED._replace(
        networks=f'[{{"name":"ovs-conf","namespace":"default","mac":"{MAC1}"}},'
        f'{{"name":"b","namespace":"other","mac":"{MAC2}"}}]'
    )
    assert webhook.ledger.in_flight_count == 2
    assert webhook.measures.admissions == [("allocated", 0.0)]


async def test_an_address_given_by_the_user_is_allocated_and_left_as_written() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"a","mac":"0A-00-00-00-00-FF"},{"name":"b"}]')
    assert verdict.networks == (
        '[{"name":"a","mac":"0A-00-00-00-00-FF","namespace":"default"},'
        f'{{"name":"b","namespace":"default","mac":"{MAC1}"}}]'
    )
    assert webhook.ledger.latest_allocation(0x0A_00_00_00_00_FF) is not None


async def test_a_pod_that_lacks_nothing_is_allocated_without_a_patch() -> None:
    webhook = Webhook()
    assert await webhook.judge(f'[{{"name":"a","namespace":"x","mac":"{MAC3}"}}]') == UNTOUCHED
    assert webhook.ledger.in_flight_count == 1


async def test_an_address_without_separators_is_written_in_the_form_that_cni_plugins_read() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"a","mac":"0200000000AB"},{"MAC":"02-00-00-00-00-AC","name":"b"}]')
    assert verdict.networks == (
        '[{"name":"a","mac":"02:00:00:00:00:ab","namespace":"default"},'
        '{"MAC":"02-00-00-00-00-AC","name":"b","namespace":"default"}]'
    )
    assert not verdict.warnings
    assert webhook.ledger.in_flight_count == 2


async def test_an_address_without_separators_among_a_plugins_arguments_is_allocated_with_a_warning() -> None:
    verdict = await Webhook().judge('[{"name":"a","namespace":"x","cni-args":{"mac":"0200000000AB"}}]')
    assert verdict.allowed
    assert verdict.networks is None
    assert verdict.warnings == [
        (
            "kubemacpool: mac 0200000000AB is written without separators, which CNI plugins do not understand; "
            "write 02:00:00:00:00:ab"
        )
    ]


async def test_the_short_form_is_left_alone_with_a_warning_that_shows_the_json_form() -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "not yet"
    assert await webhook.judge("net1,ns/net2@if0") == UNTOUCHED._replace(
        warnings=[
            (
                "kubemacpool: the short form of the networks annotation has no place for a MAC address, so none "
                "was given. "
                'JSON form: [{"name":"net1"},{"name":"net2","namespace":"ns","interface":"if0"}]'
            )
        ]
    )


async def test_nobody_can_decide_is_503_with_the_reason_and_a_time_to_ask_again() -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "the list of the cluster's pods is not complete yet"
    answer = await webhook.answer(pod_review("[{}]"))
    assert answer == Answer(
        503,
        b"kubemacpool cannot decide yet: the list of the cluster's pods is not complete yet\n",
        content_type="text/plain",
        retry_after=1,
    )
    assert webhook.measures.admissions == [("unavailable", 0.0)]


async def test_what_cannot_be_decided_and_why_is_logged() -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "another replica leads"
    with capture_logs() as logs:
        await webhook.answer(pod_review("[{}]"))
    assert logs == [
        {
            "event": "cannot decide yet",
            "log_level": "warning",
            "object": "Pod default/samplepod",
            "reason": "another replica leads",
        }
    ]


async def test_that_nobody_can_decide_is_a_warning_once_for_each_reason() -> None:
    webhook = Webhook()
    with capture_logs() as logs:
        for obstacle in ("one", "one", "two", "", "two"):
            webhook.reserving.obstacle = obstacle
            await webhook.answer(pod_review("[{}]"))
    levels = [entry["log_level"] for entry in logs if entry["event"] == "cannot decide yet"]
    assert levels == ["warning", "debug", "warning", "warning"]


async def test_a_pod_that_needs_no_decision_says_nothing_of_whether_there_can_be_one() -> None:
    webhook = Webhook()
    webhook.reserving.obstacle = "one"
    with capture_logs() as logs:
        for networks in ("[{}]", "[]", "[{}]"):
            await webhook.answer(pod_review(networks))
    assert [entry["log_level"] for entry in logs] == ["warning", "debug"]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000])
async def test_what_is_no_review_is_400_and_not_to_be_sent_again(body: bytes) -> None:
    webhook = Webhook()
    answer = await webhook.answer(body)
    assert (answer.status, answer.content_type, answer.retry_after) == (400, "text/plain", None)
    assert answer.body.startswith(b"the body is not an AdmissionReview: ")
    assert webhook.measures.admissions == [("malformed", 0.0)]


async def test_what_is_no_review_is_logged_with_the_reason() -> None:
    with capture_logs() as logs:
        answer = await Webhook().answer(b"{}")
    assert logs == [
        {"event": "review not understood", "log_level": "warning", "error": answer.body.decode().strip()},
    ]


@given(REVIEW_BODIES)
@settings(max_examples=50)
async def test_whatever_the_body_there_is_an_answer(body: bytes) -> None:
    answer = await Webhook().answer(body)
    assert answer.status in {200, 400}


async def test_a_dry_run_leads_the_same_and_allocations_nothing() -> None:
    webhook = Webhook()
    webhook.hold("holder", FIRST)
    dry = pod_review('[{"name":"a"}]').replace(b'"dryRun": false', b'"dryRun": true')
    first, second = read_verdict(await webhook.answer(dry)), read_verdict(await webhook.answer(dry))
    assert first == second
    assert first.networks == f'[{{"name":"a","namespace":"default","mac":"{MAC2}"}}]'
    assert webhook.ledger.in_flight_count == 0
    assert (await webhook.judge('[{"name":"a"}]')).networks == first.networks
    refused = pod_review(f'[{{"mac":"{MAC1}"}}]').replace(b'"dryRun": false', b'"dryRun": true')
    assert read_verdict(await webhook.answer(refused)).code == 403


async def test_pods_without_a_name_are_parties_of_their_own() -> None:
    """Two pods of one Deployment have the same generateName; their requests tell them apart."""
    webhook = Webhook()
    networks = f'[{{"mac":"{MAC1}"}}]'
    first = await webhook.answer(pod_review(networks, uid="r1", generateName="web-"))
    second = await webhook.answer(pod_review(networks, uid="r2", generateName="web-"))
    again = await webhook.answer(pod_review(networks, uid="r1", generateName="web-"))
    assert [json.loads(answer.body)["response"]["allowed"] for answer in (first, second, again)] == [True, False, True]


async def test_a_pod_created_again_under_its_name_may_have_its_address_again() -> None:
    webhook = Webhook()
    webhook.hold("samplepod", FIRST, namespace="default")
    assert (await webhook.judge(f'[{{"mac":"{MAC1}"}}]')).allowed


async def test_the_namespace_filled_in_is_that_of_the_request() -> None:
    verdict = await Webhook().judge("[{}]", name="a", namespace="liar")
    assert verdict.networks == f'[{{"namespace":"default","mac":"{MAC1}"}}]'


async def test_the_time_of_an_answer_is_measured() -> None:
    webhook = Webhook()
    decide = webhook.allocator.decide

    def slow(request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        webhook.clock.advance(0.25)
        return decide(request, now)

    webhook.allocator.decide = slow  # type: ignore[method-assign]  # a leader that takes its time
    await webhook.judge("[{}]")
    assert webhook.measures.admissions == [("allocated", 0.5)]  # asked again once the Lease lists the address


async def test_an_allocation_is_logged_at_debug() -> None:
    with capture_logs() as logs:
        await Webhook().judge('[{"name":"a"}]')
    assert logs == [
        {
            "event": "allocated",
            "log_level": "debug",
            "object": "Pod default/samplepod",
            "addresses": [MAC1],
            "dry_run": False,
        }
    ]


async def test_more_interfaces_than_anybody_needs_are_refused_without_asking_anybody_to_wait() -> None:
    """Many more would not fit into the Lease, and all who share the write would be sent away with them."""
    webhook = Webhook()
    verdict = await webhook.judge(f"[{','.join(['{}'] * (MOST_INTERFACES + 1))}]")
    assert (verdict.allowed, verdict.code, verdict.reason) == (False, 400, "BadRequest")
    assert verdict.message == (
        "Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: the list has 257 entries; give at most 256"
    )
    assert webhook.reserving.reserved == []
    assert webhook.measures.admissions == [("invalid", 0.0)]


async def test_as_many_interfaces_as_an_object_may_have_get_their_addresses() -> None:
    webhook = Webhook(size=MOST_INTERFACES)
    assert (await webhook.judge(f"[{','.join(['{}'] * MOST_INTERFACES)}]")).allowed
    assert webhook.ledger.in_flight_count == MOST_INTERFACES


async def test_a_line_of_the_log_has_ten_addresses_at_most() -> None:
    webhook = Webhook(size=20)
    with capture_logs() as logs:
        await webhook.judge(f"[{','.join(['{}'] * 12)}]")
    (line,) = logs
    assert line["addresses"] == [*(f"02:00:00:00:00:{number:02x}" for number in range(1, 11)), "and 2 more"]


@pytest.mark.parametrize(("field", "name"), [("name", "n" * 254), ("generateName", "g" * 254)])
async def test_a_name_that_no_object_can_have_is_refused_before_it_is_remembered(field: str, name: str) -> None:
    webhook = Webhook()
    verdict = await webhook.judge("[{}]", **{field: name})
    assert (verdict.allowed, verdict.code) == (False, 400)
    assert verdict.message == f'metadata.{field} "{name[0] * 79}…" has 254 characters; give at most 253'
    assert webhook.ledger.in_flight_count == 0
    assert webhook.measures.admissions == [("invalid", 0.0)]
    assert webhook.measures.refusals == ["invalid"]


@pytest.mark.parametrize("field", ["name", "generateName"])
async def test_the_longest_name_that_an_object_can_have_is_served(field: str) -> None:
    assert (await Webhook().judge("[{}]", **{field: "n" * 253})).allowed
