"""Pods with a stable name that keep their address for ever, without anything being stored."""

import json

import pytest
from tests.unit.admission.pods import MAC1, UNTOUCHED, Webhook
from tests.unit.doubles import FIRST

from kubemacpool.admission.pods import preferred
from kubemacpool.core.addresses import format_address
from kubemacpool.wire.config import ConflictPolicy

STICKY = {"kubemacpool.io/sticky": "true"}
TWO = '[{"name":"a"},{"name":"b"}]'


def macs(networks: str | None) -> list[str]:
    """What the entries of an annotation have."""
    assert networks is not None
    return [entry["mac"] for entry in json.loads(networks)]


def preferences(webhook: Webhook, name: str, count: int) -> list[int]:
    """What the interfaces of a pod prefer, as long as nobody has it."""
    taken: list[int] = []
    for interface in range(count):
        address = preferred(webhook.ledger.pool, (webhook.cluster_uid, "default", name), interface, taken)
        assert address is not None
        taken.append(address)
    return taken


async def test_a_sticky_pod_is_given_what_it_prefers_by_the_path_of_addresses_of_the_users_choice() -> None:
    webhook = Webhook()
    first, second = preferences(webhook, "db-0", 2)
    verdict = await webhook.judge(TWO, name="db-0", annotations=STICKY)
    assert macs(verdict.networks) == [format_address(first), format_address(second)]
    assert verdict.warnings == []
    assert webhook.reserving.reserved == [((first, second), 0)]


async def test_it_is_given_the_same_each_time_it_is_created_and_others_are_given_something_else() -> None:
    webhook = Webhook(size=4096)
    given = [macs((await webhook.judge(TWO, name="db-0", annotations=STICKY)).networks) for _ in range(3)]
    assert given[0] == given[1] == given[2]
    other = macs((await webhook.judge(TWO, name="db-1", annotations=STICKY)).networks)
    assert not set(other) & set(given[0])


async def test_another_namespace_and_another_cluster_prefer_something_else() -> None:
    pool = Webhook(size=4096).ledger.pool
    pods = [("cluster", "ns", "db-0"), ("other", "ns", "db-0"), ("cluster", "other", "db-0")]
    assert len({preferred(pool, pod, 0, ()) for pod in pods}) == 3


async def test_an_address_of_the_users_choice_stays_and_is_not_preferred_by_another_interface() -> None:
    webhook = Webhook()
    preferred_by_second = preferred(webhook.ledger.pool, (webhook.cluster_uid, "default", "db-0"), 1, ())
    assert preferred_by_second is not None
    chosen = format_address(preferred_by_second)
    verdict = await webhook.judge(f'[{{"name":"a","mac":"{chosen}"}},{{"name":"b"}}]', name="db-0", annotations=STICKY)
    assert verdict.warnings == []
    first, second = macs(verdict.networks)
    assert first == chosen != second


@pytest.mark.parametrize("default", ConflictPolicy)
async def test_what_somebody_else_has_is_replaced_by_a_free_one_with_a_warning(default: ConflictPolicy) -> None:
    webhook = Webhook(default=default)
    first, second = preferences(webhook, "db-0", 2)
    webhook.hold("holder", first)
    verdict = await webhook.judge(TWO, name="db-0", annotations=STICKY)
    given = macs(verdict.networks)
    assert given[1] == format_address(second)
    assert given[0] not in {format_address(first), format_address(second)}
    assert verdict.warnings == [
        (
            f'kubemacpool: entry 0 ("a"): mac {format_address(first)} is in use by Pod ns1/holder, '
            f"so the sticky address is {given[0]} this time"
        )
    ]


async def test_a_conflict_about_an_address_of_the_users_choice_is_none_of_the_sticky_ones() -> None:
    for default, allowed in ((ConflictPolicy.REJECT, False), (ConflictPolicy.WARN, True)):
        webhook = Webhook(default=default)
        webhook.hold("holder", 0x0A_00_00_00_00_01)
        networks = '[{"name":"a","mac":"0a:00:00:00:00:01"},{"name":"b"}]'
        verdict = await webhook.judge(networks, name="db-0", annotations=STICKY)
        assert verdict.allowed is allowed
        if allowed:
            assert verdict.warnings == [
                (
                    'kubemacpool: entry 0 ("a"): mac 0a:00:00:00:00:01 is in use by Pod ns1/holder; admitted, '
                    "because the conflict policy is warn"
                )
            ]


async def test_in_a_pool_that_is_too_small_for_a_preference_any_address_will_do() -> None:
    webhook = Webhook(size=1)
    networks = f'[{{"name":"a","mac":"{MAC1}"}},{{"name":"b"}}]'
    refused = await webhook.judge(networks, name="db-0", annotations=STICKY)
    assert "is exhausted" in refused.message
    assert (await webhook.judge('[{"name":"b"}]', name="db-0", annotations=STICKY)).allowed


async def test_a_full_pool_refuses_a_sticky_pod_like_any_other() -> None:
    webhook = Webhook(size=1)
    webhook.hold("holder", FIRST)
    assert "is exhausted" in (await webhook.judge('[{"name":"a"}]', name="db-0", annotations=STICKY)).message


async def test_a_dry_run_is_told_what_it_prefers_and_changes_nothing() -> None:
    webhook = Webhook()
    dry = await webhook.judge(TWO, dry_run=True, name="db-0", annotations=STICKY)
    assert (webhook.ledger.in_flight_count, webhook.reserving.reserved) == (0, [])
    assert dry == await webhook.judge(TWO, name="db-0", annotations=STICKY)


async def test_a_pod_without_a_name_of_its_own_is_told_that_it_cannot_be_sticky() -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"a"}]', generateName="web-", annotations=STICKY)
    assert macs(verdict.networks) == [MAC1]
    assert verdict.warnings == [
        "kubemacpool: kubemacpool.io/sticky has no effect without a name of the pod's own; use a StatefulSet"
    ]


@pytest.mark.parametrize("value", ["false", None])
async def test_a_pod_that_does_not_want_to_be_sticky_is_not(value: str | None) -> None:
    webhook = Webhook()
    webhook.hold("holder", *preferences(webhook, "db-0", 1))
    verdict = await webhook.judge('[{"name":"a"}]', name="db-0", annotations={"kubemacpool.io/sticky": value})
    assert verdict.allowed
    assert verdict.warnings == []
    [(_, automatic)] = webhook.reserving.reserved
    assert automatic == 1


@pytest.mark.parametrize("value", ["True", "yes", ""])
async def test_what_is_neither_true_nor_false_is_refused(value: str) -> None:
    webhook = Webhook()
    verdict = await webhook.judge('[{"name":"a"}]', name="db-0", annotations={"kubemacpool.io/sticky": value})
    assert (verdict.allowed, verdict.code, verdict.reason) == (False, 400, "BadRequest")
    assert verdict.message == (
        f'Pod default/db-0: annotation kubemacpool.io/sticky is "{value}", expected "true" or "false"'
    )
    assert webhook.measures.admissions == [("invalid", 0.0)]


async def test_the_annotation_alone_asks_for_nothing() -> None:
    assert await Webhook().judge(None, annotations=STICKY) == UNTOUCHED
