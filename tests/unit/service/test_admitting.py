"""A review in, an answer out: what the API server and its users get to see."""

import json
from base64 import b64decode
from typing import NamedTuple, cast

import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs
from tests.unit.service.doubles import FIRST, KeptMeasures, ManualClock, NamingAtOnce, new_decider, pod_review
from tests.unit.wire.strategies import REVIEW_BODIES

from kubemacpool.core.decider import MOST_NAMES
from kubemacpool.core.decisions import AddressRequest, Decision
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.service.admitting import MOST_ENTRIES, PodAdmission
from kubemacpool.service.deciding import LocalDecider
from kubemacpool.wire.answers import Answer
from kubemacpool.wire.networks import LARGEST_ANNOTATIONS

MAC1, MAC2, MAC3 = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")


class Verdict(NamedTuple):
    """An answer of status 200, read as the API server reads it."""

    allowed: bool
    networks: str | None
    warnings: list[str]
    code: int
    reason: str
    message: str


class Webhook:
    """The service and everything around it."""

    def __init__(self, size: int = 10, cool_down: float = 120.0) -> None:
        self.clock = ManualClock()
        self.measures = KeptMeasures()
        decider = new_decider(size, cool_down)
        self.naming = NamingAtOnce(decider)
        self.deciding = LocalDecider(decider, self.naming, self.clock)
        self.admission = PodAdmission(self.deciding, self.measures, self.clock)
        self.ledger = decider.ledger

    async def answer(self, body: bytes) -> Answer:
        """The answer as it goes over HTTP."""
        return await self.admission.answer(body)

    async def judge(self, networks: str | None, **metadata: str) -> Verdict:
        """The verdict on a pod with this annotation."""
        return read_verdict(await self.answer(pod_review(networks, **metadata)))

    def hold(self, name: str, *addresses: int, namespace: str = "ns1") -> None:
        """Show the ledger a pod that carries addresses."""
        key = ObjectKey("Pod", namespace, name)
        self.ledger.observe(Holder(key, f"uid of {name}", Party(*key), addresses), self.clock.now())


def read_verdict(answer: Answer) -> Verdict:
    """What the API server makes of an answer."""
    assert (answer.status, answer.content_type, answer.retry_after) == (200, "application/json", None)
    response = json.loads(answer.body)["response"]
    assert response["uid"] == "r1"
    networks = None
    if "patch" in response:
        [operation] = json.loads(b64decode(response["patch"]))
        assert operation["op"] == "replace"
        assert operation["path"] == "/metadata/annotations/k8s.v1.cni.cncf.io~1networks"
        networks = cast("str", operation["value"])
    status = response.get("status", {})
    return Verdict(
        response["allowed"],
        networks,
        response.get("warnings", []),
        status.get("code", 0),
        status.get("reason", ""),
        status.get("message", ""),
    )


UNTOUCHED = Verdict(allowed=True, networks=None, warnings=[], code=0, reason="", message="")


@pytest.mark.parametrize("networks", [None, "", "  \n", "[]", " [ ] "])
async def test_a_pod_that_asks_for_no_network_is_let_through_even_when_nobody_can_decide(networks: str | None) -> None:
    webhook = Webhook()
    webhook.naming.obstacle = "not yet"
    assert await webhook.judge(networks) == UNTOUCHED
    assert webhook.measures.admissions == [("untouched", 0.0)]


async def test_every_network_without_an_address_gets_one() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"ovs-conf"},{"name":"b","namespace":"other"}]')
    assert verdict == UNTOUCHED._replace(
        networks=f'[{{"name":"ovs-conf","namespace":"default","mac":"{MAC1}"}},'
        f'{{"name":"b","namespace":"other","mac":"{MAC2}"}}]'
    )
    assert webhook.ledger.pending_count == 2
    assert webhook.measures.admissions == [("granted", 0.0)]


async def test_an_address_given_by_the_user_is_granted_and_left_as_written() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"a","mac":"0A-00-00-00-00-FF"},{"name":"b"}]')
    assert verdict.networks == (
        '[{"name":"a","mac":"0A-00-00-00-00-FF","namespace":"default"},'
        f'{{"name":"b","namespace":"default","mac":"{MAC1}"}}]'
    )
    assert webhook.ledger.pending(0x0A_00_00_00_00_FF) is not None


async def test_a_pod_that_lacks_nothing_is_granted_without_a_patch() -> None:
    webhook = Webhook()
    assert await webhook.judge(f'[{{"name":"a","namespace":"x","mac":"{MAC3}"}}]') == UNTOUCHED
    assert webhook.ledger.pending_count == 1


async def test_an_address_without_separators_is_granted_with_a_warning() -> None:
    verdict = await Webhook().judge('[{"name":"a","mac":"0200000000AB"}]')
    assert verdict.allowed
    assert verdict.warnings == [
        (
            "kubemacpool: mac 0200000000AB is written without separators, which CNI plugins do not understand; "
            "write 02:00:00:00:00:ab"
        )
    ]


async def test_the_short_form_is_left_alone_with_a_warning_that_shows_the_json_form() -> None:
    webhook = Webhook()
    webhook.naming.obstacle = "not yet"
    assert await webhook.judge("net1,ns/net2@if0") == UNTOUCHED._replace(
        warnings=[
            (
                "kubemacpool: the short form of the networks annotation has no place for a MAC address, so none "
                "was given. "
                'JSON form: [{"name":"net1"},{"name":"net2","namespace":"ns","interface":"if0"}]'
            )
        ]
    )


INVALID = {
    "broken JSON": (
        '[{"name":"a"]',
        (
            "Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: not a JSON list of objects (JSON is "
            "malformed: "
            "expected ',' or '}' (byte 12)); write it like [{\"name\":\"my-network\"}]"
        ),
    ),
    "an object in place of a list": (
        '{"name":"a"}',
        (
            "Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: not a JSON list of objects (Expected "
            "`array`, "
            'got `object`); write it like [{"name":"my-network"}]'
        ),
    ),
    "an address that is a number": (
        '[{"name":"a","mac":5}]',
        'Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: entry 0: "mac" is 5, which is not a text',
    ),
    "every address that cannot be read": (
        '[{"name":"a","mac":"zz"},{"name":"b"},{"name":"c","mac":"02:00"}]',
        (
            'Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: entry 0 ("a"): mac "zz" is not a MAC '
            "address of "
            '6 bytes; write it like 02:00:00:00:00:01; entry 2 ("c"): mac "02:00" is not a MAC address of 6 '
            "bytes; write "
            "it like 02:00:00:00:00:01"
        ),
    ),
}


@pytest.mark.parametrize(("networks", "message"), INVALID.values(), ids=INVALID)
async def test_an_annotation_that_is_wrong_is_denied_as_a_bad_request(networks: str, message: str) -> None:
    webhook = Webhook()
    assert await webhook.judge(networks) == Verdict(
        allowed=False, networks=None, warnings=[], code=400, reason="BadRequest", message=message
    )
    assert webhook.ledger.pending_count == 0
    assert webhook.measures.admissions == [("invalid", 0.0)]


async def test_more_addresses_than_an_object_can_carry_are_refused_without_asking_anybody_to_wait() -> None:
    """So many would not fit into the Lease either, and all who share the write would be sent away with them."""
    webhook = Webhook()
    verdict = await webhook.judge(f"[{','.join(['{}'] * 10_001)}]")
    assert (verdict.allowed, verdict.code, verdict.reason) == (False, 400, "BadRequest")
    assert verdict.message == (
        "Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: the list has 10001 entries; give at most 6721: "
        "with their addresses, no more fit into the 262144 bytes that the annotations of an object may have"
    )
    assert webhook.naming.named == []
    assert webhook.measures.admissions == [("invalid", 0.0)]


async def test_as_many_addresses_as_an_object_can_carry_are_given() -> None:
    """The shortest annotation with so many is just not too large to be stored, and the Lease has room for them."""
    webhook = Webhook(size=MOST_ENTRIES)
    entry = '{"mac":"%012x","namespace":"n"}'
    networks = f"[{','.join(entry % (FIRST + index) for index in range(MOST_ENTRIES))}]"
    assert len(networks) <= LARGEST_ANNOTATIONS < len(networks) + len(entry % FIRST) + 1
    assert (await webhook.judge(networks)).allowed
    assert webhook.ledger.pending_count == MOST_ENTRIES < MOST_NAMES


PREFIX = "Pod default/samplepod: annotation k8s.v1.cni.cncf.io/networks: "
REFUSED = {
    "held by another pod": (
        '[{"name":"a","mac":"02:00:00:00:00:01"}]',
        (
            'entry 0 ("a"): mac 02:00:00:00:00:01 is in use by Pod ns1/holder; choose another address, or leave '
            '"mac" out '
            "to be given a free one"
        ),
    ),
    "held by another pod, outside the range and spelled otherwise": (
        '[{"name":"a"},{"name":"b","mac":"0a-00-00-00-00-01"}]',
        (
            'entry 1 ("b"): mac 0a:00:00:00:00:01 is in use by Pod ns1/holder; choose another address, or leave '
            '"mac" out '
            "to be given a free one"
        ),
    ),
    "granted to another pod a moment ago": (
        '[{"name":"a","mac":"02:00:00:00:00:05"}]',
        (
            'entry 0 ("a"): mac 02:00:00:00:00:05 was granted to Pod default/earlier a moment ago; choose '
            "another address, "
            "or try again later: if that object is never created, the address becomes free by itself"
        ),
    ),
    "granted to a pod without a name": (
        '[{"name":"a","mac":"02:00:00:00:00:06"}]',
        (
            'entry 0 ("a"): mac 02:00:00:00:00:06 was granted to Pod default/web-* a moment ago; choose another '
            "address, "
            "or try again later: if that object is never created, the address becomes free by itself"
        ),
    ),
    "twice in one pod": (
        '[{"name":"a","mac":"02:00:00:00:00:07"},{"name":"b","mac":"02-00-00-00-00-07"}]',
        'entry 1 ("b"): mac 02:00:00:00:00:07 is that of entry 0 ("a") too; give each interface an address of its own',
    ),
    "multicast": (
        '[{"name":"a","mac":"01:00:5e:00:00:01"}]',
        (
            'entry 0 ("a"): mac 01:00:5e:00:00:01 is a multicast address, which no interface may have; the first octet '
            'must be even; choose another address, or leave "mac" out to be given a free one'
        ),
    ),
    "all zero": (
        '[{"name":"a","mac":"00:00:00:00:00:00"}]',
        (
            'entry 0 ("a"): mac 00:00:00:00:00:00 is the all-zero address, which no interface may have; choose another '
            'address, or leave "mac" out to be given a free one'
        ),
    ),
    "several faults": (
        '[{"mac":"02:00:00:00:00:01"},{"name":"b","mac":"ff:ff:ff:ff:ff:ff"}]',
        (
            'entry 0 (""): mac 02:00:00:00:00:01 is in use by Pod ns1/holder; choose another address, or leave '
            '"mac" out to '
            'be given a free one; entry 1 ("b"): mac ff:ff:ff:ff:ff:ff is a multicast address, which no '
            "interface may have; "
            'the first octet must be even; choose another address, or leave "mac" out to be given a free one'
        ),
    ),
}


MISTAKEN = ("twice in one pod", "multicast", "all zero", "several faults")


@pytest.mark.parametrize("case", REFUSED)
async def test_an_address_that_cannot_be_granted_is_refused_naming_who_has_it(case: str) -> None:
    networks, message = REFUSED[case]
    code, reason = (400, "BadRequest") if case in MISTAKEN else (403, "Forbidden")
    webhook = Webhook()
    webhook.hold("holder", FIRST, 0x0A_00_00_00_00_01)
    await webhook.judge('[{"mac":"02:00:00:00:00:05"}]', name="earlier")
    await webhook.judge('[{"mac":"02:00:00:00:00:06"}]', generateName="web-")
    pending = webhook.ledger.pending_count
    assert await webhook.judge(networks) == Verdict(
        allowed=False, networks=None, warnings=[], code=code, reason=reason, message=PREFIX + message
    )
    assert webhook.ledger.pending_count == pending, "a refusal grants nothing"
    assert webhook.measures.admissions[-1] == ("refused", 0.0)


async def test_a_refusal_is_logged_once_with_its_addresses_and_holders() -> None:
    webhook = Webhook()
    webhook.hold("holder", FIRST)
    with capture_logs() as logs:
        verdict = await webhook.judge(f'[{{"mac":"{MAC1}"}},{{"mac":"{MAC2}"}},{{"mac":"{MAC2}"}}]')
    assert logs == [
        {
            "event": "refused",
            "log_level": "info",
            "object": "Pod default/samplepod",
            "reason": verdict.message,
            "addresses": [MAC1, MAC2],
            "holders": ["Pod ns1/holder"],
        }
    ]


async def test_a_wrong_annotation_is_logged_once_with_the_reason() -> None:
    with capture_logs() as logs:
        verdict = await Webhook().judge("{}")
    assert logs == [
        {"event": "refused", "log_level": "info", "object": "Pod default/samplepod", "reason": verdict.message}
    ]


async def test_a_full_pool_is_told_with_its_remedy() -> None:
    webhook = Webhook(size=2, cool_down=120.0)
    webhook.hold("holder", FIRST)
    await webhook.judge("[{}]", name="earlier")
    verdict = await webhook.judge('[{"name":"a"},{"name":"b"}]')
    assert (verdict.code, verdict.reason) == (403, "Forbidden")
    assert verdict.message == (
        "Pod default/samplepod: the pool 02:00:00:00:00:01-02:00:00:00:00:02 is exhausted: 2 needed, 0 free of 2, "
        "1 may be free again within minutes; delete pods that are no longer needed, or widen the range in "
        "ConfigMap kubemacpool-mac-range-config (RANGE_START, RANGE_END)"
    )
    assert webhook.measures.admissions[-1] == ("exhausted", 0.0)


async def test_a_full_pool_that_nothing_comes_back_to_promises_nothing() -> None:
    webhook = Webhook(size=1)
    webhook.hold("holder", FIRST)
    verdict = await webhook.judge("[{}]")
    assert "1 needed, 0 free of 1; delete pods" in verdict.message


async def test_nobody_can_decide_is_503_with_the_reason_and_a_time_to_ask_again() -> None:
    webhook = Webhook()
    webhook.naming.obstacle = "the list of the cluster's pods is not complete yet"
    answer = await webhook.answer(pod_review("[{}]"))
    assert answer == Answer(
        503,
        b"kubemacpool cannot decide yet: the list of the cluster's pods is not complete yet\n",
        content_type="text/plain",
        retry_after=1,
    )
    assert webhook.measures.admissions == [("unavailable", 0.0)]


async def test_that_nobody_can_decide_is_a_warning_once_for_each_reason() -> None:
    webhook = Webhook()
    with capture_logs() as logs:
        for obstacle in ("one", "one", "two", "", "two"):
            webhook.naming.obstacle = obstacle
            await webhook.answer(pod_review("[{}]"))
    levels = [entry["log_level"] for entry in logs if entry["event"] == "cannot decide yet"]
    assert levels == ["warning", "debug", "warning", "warning"]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000])
async def test_what_is_no_review_is_400_and_not_to_be_sent_again(body: bytes) -> None:
    webhook = Webhook()
    answer = await webhook.answer(body)
    assert (answer.status, answer.content_type, answer.retry_after) == (400, "text/plain", None)
    assert answer.body.startswith(b"the body is not an AdmissionReview: ")
    assert webhook.measures.admissions == [("malformed", 0.0)]


@given(REVIEW_BODIES)
@settings(max_examples=50)
async def test_whatever_the_body_there_is_an_answer(body: bytes) -> None:
    answer = await Webhook().answer(body)
    assert answer.status in {200, 400}


async def test_a_dry_run_decides_the_same_and_grants_nothing() -> None:
    webhook = Webhook()
    webhook.hold("holder", FIRST)
    dry = pod_review('[{"name":"a"}]').replace(b'"dryRun": false', b'"dryRun": true')
    first, second = read_verdict(await webhook.answer(dry)), read_verdict(await webhook.answer(dry))
    assert first == second
    assert first.networks == f'[{{"name":"a","namespace":"default","mac":"{MAC2}"}}]'
    assert webhook.ledger.pending_count == 0
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
    decide = webhook.deciding.decide

    async def slow(request: AddressRequest) -> Decision:
        webhook.clock.advance(0.25)
        return await decide(request)

    webhook.deciding.decide = slow  # type: ignore[method-assign]  # a decider that takes its time
    await webhook.judge("[{}]")
    assert webhook.measures.admissions == [("granted", 0.25)]


async def test_a_grant_is_logged_at_debug() -> None:
    with capture_logs() as logs:
        await Webhook().judge('[{"name":"a"}]')
    assert logs == [
        {
            "event": "granted",
            "log_level": "debug",
            "object": "Pod default/samplepod",
            "addresses": [MAC1],
            "dry_run": False,
        }
    ]


async def test_a_huge_address_is_quoted_in_part() -> None:
    verdict = await Webhook().judge('[{"name":"' + "n" * 100_000 + '","mac":"' + "x" * 100_000 + '"}]')
    assert verdict.code == 400
    assert len(verdict.message) < 500
