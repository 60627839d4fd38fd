"""Machines that ask for what others have: refused, admitted with a warning, or given something else."""

import pytest
from structlog.testing import capture_logs
from tests.unit.admission.machines import MAC1, MAC2, MAC3, MAC4, UNTOUCHED, Verdict, Webhook, machine, multus, nic
from tests.unit.doubles import FIRST

from kubemacpool.wire.config import ConflictPolicy

WHERE = "VirtualMachine default/vm: spec.template.spec.domain.devices.interfaces: "
MAC_POLICY = "kubemacpool.io/mac-policy"
REASSIGN = {MAC_POLICY: "reassign"}


def refused(message: str, code: int = 403) -> Verdict:
    """The answer no."""
    return Verdict(allowed=False, code=code, reason="Forbidden" if code == 403 else "BadRequest", message=message)


@pytest.mark.parametrize("kind", ["Pod", "VirtualMachine", "VirtualMachineInstance"])
async def test_an_address_that_somebody_else_has_is_refused_naming_who(kind: str) -> None:
    webhook = Webhook()
    webhook.hold(kind, "holder", FIRST)
    verdict = await webhook.judge(machine(nic("green"), nic("red", "02-00-00-00-00-01")))
    assert not verdict.allowed
    assert (verdict.code, verdict.reason) == (403, "Forbidden")
    assert verdict.message == (
        f'{WHERE}interface "red": mac {MAC1} is in use by {kind} ns1/holder; choose another address, '
        'or leave "macAddress" out to be given a free one'
    )
    assert webhook.latest_allocation() == set(), "all or nothing"
    assert webhook.measures.admissions == [("refused", 0.0)]


async def test_an_address_outside_the_range_is_refused_as_well_and_all_are_named_in_one_answer() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST, 0x0A_00_00_00_00_01)
    with capture_logs() as logs:
        verdict = await webhook.judge(machine(nic("red", MAC1), nic("blue", "0a:00:00:00:00:01"), nic("green", MAC2)))
    assert f'interface "red": mac {MAC1} is in use by Pod ns1/holder' in verdict.message
    assert '; interface "blue": mac 0a:00:00:00:00:01 is in use by Pod ns1/holder' in verdict.message
    assert "green" not in verdict.message
    assert logs == [
        {
            "event": "refused",
            "log_level": "info",
            "object": "VirtualMachine default/vm",
            "reason": verdict.message,
            "addresses": [MAC1, "0a:00:00:00:00:01"],
            "holders": ["Pod ns1/holder", "Pod ns1/holder"],
        }
    ]


async def test_an_address_that_was_allocated_to_a_machine_a_moment_ago_is_refused() -> None:
    webhook = Webhook()
    await webhook.judge(machine(nic("red", MAC1), name="earlier"))
    verdict = await webhook.judge(machine(nic("red", MAC1)))
    assert (
        f'interface "red": mac {MAC1} was allocated to VirtualMachine default/earlier a moment ago' in verdict.message
    )


async def test_an_update_may_not_take_an_address_that_somebody_else_has() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    before = machine(nic("red", MAC2))
    assert (await webhook.judge(machine(nic("red", MAC1)), before)).code == 403
    assert (await webhook.judge(machine(nic("red", MAC2), nic("blue", MAC1)), before)).code == 403


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            machine(nic("red", MAC1), nic("blue", "02-00-00-00-00-01")),
            (
                f'interface "blue": mac {MAC1} is that of interface "red" too: a duplicate MAC address; '
                "give each interface an address of its own"
            ),
        ),
        (
            machine(nic("red"), nic("red"), nic("red")),
            (
                'interface "red" is there twice; give each interface a name of its own; '
                'interface "red" is there twice; give each interface a name of its own'
            ),
        ),
        (
            machine(nic("red"), nic("blue"), networks=[multus("green")]),
            (
                'interface "red" has no network of that name in spec.template.spec.networks; add it; '
                'interface "blue" has no network of that name in spec.template.spec.networks; add it'
            ),
        ),
        (
            machine(nic("red", "02:00"), nic("blue", "x" * 200)),
            (
                'interface "red": macAddress "02:00" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01; '
                f'interface "blue": macAddress "{"x" * 79}…" is not a MAC address of 6 bytes; '
                "write it like 02:00:00:00:00:01"
            ),
        ),
        (
            machine(*(nic(f"nic-{number}") for number in range(257))),
            "the list has 257 entries; give at most 256",
        ),
    ],
    ids=["an address twice", "a name twice", "no network", "no address", "too many"],
)
async def test_a_mistake_is_named_with_the_field_the_value_and_what_to_do(document: object, message: str) -> None:
    for old in (None, machine(nic("red"))):
        assert await Webhook().judge(document, old) == refused(WHERE + message, 400)


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "00:00:00:00:00:00"])
@pytest.mark.parametrize("default", ConflictPolicy)
@pytest.mark.parametrize("policy", [{}, {MAC_POLICY: "reassign"}])
async def test_an_address_that_no_interface_may_have_is_a_mistake_whatever_the_policy(
    mac: str, default: ConflictPolicy, policy: dict[str, str]
) -> None:
    verdict = await Webhook(default=default).judge(machine(nic("red", mac), annotations=policy))
    assert (verdict.code, verdict.reason) == (400, "BadRequest")
    assert f'{WHERE}interface "red": mac {mac} is ' in verdict.message


async def test_a_mistake_is_told_without_anybody_leading() -> None:
    webhook = Webhook()
    webhook.known, webhook.reserving.obstacle = False, "not yet"
    assert (await webhook.judge(machine(nic("red"), nic("red")))).code == 400
    assert (await webhook.judge(machine(nic("red", "nonsense")))).code == 400
    assert webhook.looks == 0


async def test_a_full_pool_is_told_with_its_remedy() -> None:
    webhook = Webhook(size=1)
    webhook.hold("Pod", "holder", FIRST)
    verdict = await webhook.judge(machine(nic("red")))
    assert (verdict.code, verdict.reason) == (403, "Forbidden")
    assert verdict.message.startswith("VirtualMachine default/vm: the pool 02:00:00:00:00:01-02:00:00:00:00:01 is ex")
    assert webhook.measures.admissions == [("exhausted", 0.0)]


# The conflict policy


@pytest.mark.parametrize(("default", "annotation"), [(ConflictPolicy.WARN, None), (ConflictPolicy.REJECT, "warn")])
async def test_where_the_policy_is_warn_the_machine_has_what_it_asked_for_and_the_user_is_told_who_has_it_too(
    default: ConflictPolicy, annotation: str | None
) -> None:
    webhook = Webhook(default=default)
    if annotation is not None:
        webhook.set_policy(annotation)
    webhook.hold("Pod", "holder", FIRST)
    await webhook.judge(machine(nic("red", MAC4), name="earlier"))
    verdict = await webhook.judge(machine(nic("green"), nic("red", MAC1), nic("blue", MAC4)))
    assert verdict.given == {0: MAC2}
    assert verdict.warnings == (
        (
            f'kubemacpool: interface "red": mac {MAC1} is in use by Pod ns1/holder; admitted, '
            "because the conflict policy is warn"
        ),
        (
            f'kubemacpool: interface "blue": mac {MAC4} was allocated a moment ago to VirtualMachine default/earlier; '
            "admitted, because the conflict policy is warn"
        ),
    )


@pytest.mark.parametrize(("default", "annotation"), [(ConflictPolicy.REJECT, None), (ConflictPolicy.WARN, "reject")])
async def test_where_the_policy_is_reject_it_is_refused(default: ConflictPolicy, annotation: str | None) -> None:
    webhook = Webhook(default=default)
    if annotation is not None:
        webhook.set_policy(annotation)
    webhook.hold("Pod", "holder", FIRST)
    assert (await webhook.judge(machine(nic("red", MAC1)))).code == 403


async def test_what_was_admitted_with_a_warning_takes_nothing_from_whoever_has_it_and_is_on_record() -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.hold("Pod", "holder", FIRST)
    await webhook.judge(machine(nic("red", MAC1)))
    assert [str(holder.party) for holder in webhook.ledger.holders_of(FIRST)] == ["Pod ns1/holder"]
    assert webhook.latest_allocation() == {0}


async def test_another_namespaces_policy_does_not_matter() -> None:
    webhook = Webhook()
    webhook.set_policy("warn")
    webhook.hold("Pod", "holder", FIRST)
    assert (await webhook.judge(machine(nic("red", MAC1)), namespace="other")).code == 403


# Clones and restored machines


async def test_with_reassign_what_others_have_is_replaced_and_old_and_new_are_told() -> None:
    webhook = Webhook()
    webhook.hold("VirtualMachine", "original", FIRST, FIRST + 1)
    verdict = await webhook.judge(
        machine(nic("green"), nic("red", MAC1), nic("blue", MAC4), nic("x", MAC2), annotations=REASSIGN)
    )
    replacements = {index: verdict.given[index] for index in (1, 3)}
    assert set(verdict.given) == {0, 1, 3}
    assert len({*verdict.given.values(), MAC1, MAC2, MAC4}) == 6, "nobody has what was given"
    assert verdict.warnings == tuple(
        f'kubemacpool: interface "{name}": mac {old} is in use by VirtualMachine ns1/original; '
        f"replaced by {replacements[index]}, because {MAC_POLICY} is reassign"
        for index, name, old in ((1, "red", MAC1), (3, "x", MAC2))
    )


async def test_reassign_replaces_an_address_behind_an_interface_that_is_not_served() -> None:
    """Interfaces of the review and addresses of the request are not counted alike then."""
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    lan: dict[str, object] = {"name": "lan", "pod": {}}
    networks = [lan, multus("green"), multus("red")]
    verdict = await webhook.judge(
        machine(nic("lan"), nic("green", MAC3), nic("red", MAC1), networks=networks, annotations=REASSIGN)
    )
    assert verdict.given == {2: MAC2}
    assert verdict.warnings == (
        (
            f'kubemacpool: interface "red": mac {MAC1} is in use by Pod ns1/holder; replaced by {MAC2}, '
            f"because {MAC_POLICY} is reassign"
        ),
    )


async def test_reassign_leaves_what_nobody_has_as_it_is() -> None:
    webhook = Webhook()
    assert await webhook.judge(machine(nic("red", MAC3), annotations=REASSIGN)) == UNTOUCHED
    assert webhook.latest_allocation() == {2}


async def test_reassign_goes_before_the_conflict_policy() -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.hold("Pod", "holder", FIRST)
    verdict = await webhook.judge(machine(nic("red", MAC1), annotations=REASSIGN))
    assert verdict.given == {0: MAC2}
    assert "replaced by" in verdict.warnings[0]


async def test_reassign_mends_no_mistakes() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    verdict = await webhook.judge(machine(nic("red", MAC2), nic("blue", MAC2), nic("x", MAC1), annotations=REASSIGN))
    assert verdict == refused(
        f'{WHERE}interface "blue": mac {MAC2} is that of interface "red" too: a duplicate MAC address; '
        "give each interface an address of its own",
        400,
    )


async def test_reassign_in_a_dry_run_replaces_the_same_and_changes_nothing() -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    dry = await webhook.judge(machine(nic("red", MAC1), annotations=REASSIGN), dryRun=True)
    assert dry.given == {0: MAC2}
    assert webhook.latest_allocation() == set()
    assert dry == await webhook.judge(machine(nic("red", MAC1), annotations=REASSIGN))


async def test_reassign_without_anything_left_says_that_the_pool_is_full() -> None:
    webhook = Webhook(size=1)
    webhook.hold("Pod", "holder", FIRST)
    verdict = await webhook.judge(machine(nic("red", MAC1), annotations=REASSIGN))
    assert "is exhausted" in verdict.message


@pytest.mark.parametrize("policy", ["keep", None])
async def test_with_keep_or_nothing_what_others_have_is_refused(policy: str | None) -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    document = machine(nic("red", MAC1), annotations={MAC_POLICY: policy})
    assert (await webhook.judge(document)).code == 403
    assert await webhook.judge(machine(nic("red", MAC2), annotations={MAC_POLICY: policy})) == UNTOUCHED


@pytest.mark.parametrize("policy", ["Reassign", "", "drop"])
async def test_a_policy_that_is_none_is_refused_with_those_that_there_are(policy: str) -> None:
    webhook = Webhook()
    verdict = await webhook.judge(machine(nic("red"), annotations={MAC_POLICY: policy}))
    assert verdict == refused(
        f'VirtualMachine default/vm: annotation {MAC_POLICY} is "{policy}", expected keep or reassign', 400
    )
    assert webhook.measures.admissions == [("invalid", 0.0)]


@pytest.mark.parametrize("policy", ["reassign", "nonsense"])
async def test_the_policy_for_clones_has_no_say_when_a_machine_is_changed(policy: str) -> None:
    webhook = Webhook()
    webhook.hold("Pod", "holder", FIRST)
    annotations = {MAC_POLICY: policy}
    before = machine(nic("red", MAC2), annotations=annotations)
    assert (
        await webhook.judge(machine(nic("red", MAC2), nic("blue", MAC3), annotations=annotations), before) == UNTOUCHED
    )
    assert (await webhook.judge(machine(nic("red", MAC1), annotations=annotations), before)).code == 403


async def test_more_networks_than_a_machine_may_have_are_named_before_anything_else() -> None:
    networks = [multus(f"n{number}") for number in range(257)]
    verdict = await Webhook().judge(machine(nic("n256"), networks=networks))
    assert verdict.code == 400
    assert verdict.message.endswith(": spec.template.spec.networks: the list has 257 entries; give at most 256")
