"""Pods that are not let in: what their users read, and what is logged."""

import pytest
from structlog.testing import capture_logs
from tests.unit.admission.pods import MAC1, MAC2, Verdict, Webhook
from tests.unit.doubles import FIRST

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
    assert webhook.ledger.in_flight_count == 0
    assert webhook.measures.admissions == [("invalid", 0.0)]
    assert webhook.measures.refusals == ["invalid"]


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
    "allocated to another pod a moment ago": (
        '[{"name":"a","mac":"02:00:00:00:00:05"}]',
        (
            'entry 0 ("a"): mac 02:00:00:00:00:05 was allocated to Pod default/earlier a moment ago; choose '
            "another address, "
            "or try again later: if that object is never created, the address becomes free by itself"
        ),
    ),
    "allocated to a pod without a name": (
        '[{"name":"a","mac":"02:00:00:00:00:06"}]',
        (
            'entry 0 ("a"): mac 02:00:00:00:00:06 was allocated to Pod default/web-* a moment ago; choose another '
            "address, "
            "or try again later: if that object is never created, the address becomes free by itself"
        ),
    ),
    "twice in one pod": (
        '[{"name":"a","mac":"02:00:00:00:00:07"},{"name":"b","mac":"02-00-00-00-00-07"}]',
        (
            'entry 1 ("b"): mac 02:00:00:00:00:07 is that of entry 0 ("a") too: a duplicate MAC address; '
            "give each interface an address of its own"
        ),
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


REASONS = dict(
    zip(
        REFUSED,
        ("held", "held", "in_flight", "in_flight", "twice", "unusable", "unusable", "held"),
        strict=True,
    )
)
MISTAKEN = ("twice in one pod", "multicast", "all zero", "several faults")


@pytest.mark.parametrize("case", REFUSED)
async def test_an_address_that_cannot_be_allocated_is_refused_naming_who_has_it(case: str) -> None:
    networks, message = REFUSED[case]
    code, reason = (400, "BadRequest") if case in MISTAKEN else (403, "Forbidden")
    webhook = Webhook()
    webhook.hold("holder", FIRST, 0x0A_00_00_00_00_01)
    await webhook.judge('[{"mac":"02:00:00:00:00:05"}]', name="earlier")
    await webhook.judge('[{"mac":"02:00:00:00:00:06"}]', generateName="web-")
    pending = webhook.ledger.in_flight_count
    assert await webhook.judge(networks) == Verdict(
        allowed=False, networks=None, warnings=[], code=code, reason=reason, message=PREFIX + message
    )
    assert webhook.ledger.in_flight_count == pending, "a refusal allocates nothing"
    assert webhook.measures.admissions[-1] == ("refused", 0.0)
    assert webhook.measures.refusals == [REASONS[case]]


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
    assert webhook.measures.refusals == ["exhausted"]


async def test_what_is_left_of_a_pool_with_too_little_is_told() -> None:
    webhook = Webhook(size=3)
    webhook.hold("holder", FIRST, FIRST + 1)
    verdict = await webhook.judge("[{},{},{}]")
    assert "is exhausted: 3 needed, 1 free of 3; delete pods" in verdict.message


async def test_a_full_pool_that_nothing_comes_back_to_promises_nothing() -> None:
    webhook = Webhook(size=1)
    webhook.hold("holder", FIRST)
    verdict = await webhook.judge("[{}]")
    assert "1 needed, 0 free of 1; delete pods" in verdict.message


async def test_a_huge_address_is_quoted_in_part() -> None:
    verdict = await Webhook().judge('[{"name":"' + "n" * 100_000 + '","mac":"' + "x" * 100_000 + '"}]')
    assert verdict.code == 400
    assert len(verdict.message) < 500
