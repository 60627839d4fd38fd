"""Pods that ask for what others have, where the policy is to warn."""

import pytest
from tests.unit.admission.pods import MAC1, MAC2, UNTOUCHED, Webhook
from tests.unit.doubles import FIRST

from kubemacpool.wire.config import ConflictPolicy, NamespaceRules
from kubemacpool.wire.objects import ObjectIdentity

ADMITTED = "admitted, because the conflict policy is warn"


@pytest.mark.parametrize(("default", "annotation"), [(ConflictPolicy.WARN, None), (ConflictPolicy.REJECT, "warn")])
async def test_the_pod_has_what_it_asked_for_and_the_user_is_told_who_has_it_too(
    default: ConflictPolicy, annotation: str | None
) -> None:
    webhook = Webhook(default=default)
    if annotation is not None:
        webhook.policies.present(ObjectIdentity("", "default", "u1"), NamespaceRules(annotation), 5)
    webhook.hold("holder", FIRST)
    await webhook.judge('[{"mac":"02:00:00:00:00:05"}]', name="earlier")
    networks = '[{"name":"a","mac":"02:00:00:00:00:01"},{"name":"b"},{"name":"c","mac":"02:00:00:00:00:05"}]'
    verdict = await webhook.judge(networks)
    assert verdict == UNTOUCHED._replace(
        networks=(
            f'[{{"name":"a","mac":"{MAC1}","namespace":"default"}},{{"name":"b","namespace":"default","mac":"{MAC2}"}},'
            '{"name":"c","mac":"02:00:00:00:00:05","namespace":"default"}]'
        ),
        warnings=[
            f'kubemacpool: entry 0 ("a"): mac {MAC1} is in use by Pod ns1/holder; {ADMITTED}',
            (
                'kubemacpool: entry 2 ("c"): mac 02:00:00:00:00:05 was allocated a moment ago to Pod default/earlier; '
                f"{ADMITTED}"
            ),
        ],
    )


async def test_what_was_admitted_with_a_warning_takes_nothing_from_whoever_has_it_and_is_on_record() -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.hold("holder", FIRST)
    await webhook.judge(f'[{{"mac":"{MAC1}"}}]')
    assert [str(holder.party) for holder in webhook.ledger.holders_of(FIRST)] == ["Pod ns1/holder"]
    assert webhook.ledger.in_flight_count == 1


async def test_the_policy_of_the_namespace_goes_before_that_of_the_installation() -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.policies.present(ObjectIdentity("", "default", "u1"), NamespaceRules("reject"), 5)
    webhook.hold("holder", FIRST)
    assert (await webhook.judge(f'[{{"mac":"{MAC1}"}}]')).code == 403


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "00:00:00:00:00:00"])
async def test_a_mistake_is_refused_whatever_the_policy(mac: str) -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.hold("holder", FIRST)
    verdict = await webhook.judge(f'[{{"mac":"{mac}"}},{{"mac":"{MAC1}"}}]')
    assert verdict.code == 400
    assert mac in verdict.message
    assert MAC1 not in verdict.message, "that one would have been admitted"
