"""What the hostile tenant does is drawn from the seed, and what it shares with itself is no duplicate."""

from __future__ import annotations

from itertools import islice

import msgspec
import pytest
from chaos.auditing import Auditor, Carrier, duplicates_in
from chaos.claims import Claims, refused
from chaos.cluster import addresses_of
from chaos.deeds import CALLS, MOST_NETWORKS, REQUESTS, Deed, drawn, monstrous, networks, review
from chaos.results import MOST_RESIDENT_BYTES, TenantResults

FIRST, SECOND = "02:00:00:00:00:01", "02:00:00:00:00:02"
MOST_ANNOTATION_BYTES = 256 * 1024

WELL_BEHAVED = TenantResults(
    deeds={"wide": 100},
    answers={201: 50},
    p99_before=0.05,
    p99_beside=0.2,
    starts=10,
    stuck=[],
    longest_start=0.1,
    peak_bytes={"replica-1": 100 << 20},
    log_bytes=1 << 20,
    ended=[],
)


def pod(name: str, *addresses: str, namespace: str = "others") -> Carrier:
    return Carrier(f"uid-of-{name}", namespace, name, frozenset(addresses))


def shared(auditor: Auditor) -> list[str]:
    return [duplicate.address for duplicate in auditor.duplicates]


@pytest.mark.parametrize("deeds", [REQUESTS, CALLS], ids=["requests", "calls"])
def test_the_same_seed_does_the_same_and_every_deed_comes_before_any_comes_again(deeds: tuple[Deed, ...]) -> None:
    def deck(seed: int) -> list[tuple[Deed, float]]:
        return [(deed, chance.random()) for deed, chance in islice(drawn(seed, 1, deeds), 3 * len(deeds))]

    assert deck(1) == deck(1)
    assert deck(1) != deck(2)
    assert {deed for deed, _ in deck(1)[: len(deeds)]} == set(deeds)


def test_everything_that_a_tenant_may_do_is_done_by_somebody() -> None:
    assert sorted((*REQUESTS, *CALLS)) == sorted(Deed)


def test_no_annotation_is_larger_than_the_api_server_takes() -> None:
    for _, chance in islice(drawn(1, 1, [Deed.DEEP]), 200):
        assert len(monstrous(chance)) < MOST_ANNOTATION_BYTES
    assert len(networks([FIRST] * MOST_NETWORKS)) < MOST_ANNOTATION_BYTES


def test_a_forged_review_is_one() -> None:
    ((_, chance),) = islice(drawn(1, 1, [Deed.FORGED]), 1)
    asked = msgspec.json.decode(review(chance, "tenant", [FIRST], dry_run=True))["request"]
    assert asked["dryRun"] is True
    assert addresses_of(asked["object"]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"]) == {FIRST}


def test_what_the_tenant_shares_with_itself_is_no_duplicate_and_what_it_shares_with_others_is_one() -> None:
    auditor = Auditor(["tenant"])
    auditor.present(pod("a", FIRST, namespace="tenant"), 1)
    auditor.present(pod("b", FIRST, namespace="tenant"), 2)
    assert shared(auditor) == []
    auditor.present(pod("c", FIRST), 3)
    assert shared(auditor) == [FIRST]
    assert auditor.live.keys() == {"uid-of-c"}
    assert auditor.everybody.keys() == {"uid-of-a", "uid-of-b", "uid-of-c"}


def test_what_the_tenant_takes_from_others_is_a_duplicate() -> None:
    auditor = Auditor(["tenant"])
    auditor.present(pod("c", FIRST), 1)
    auditor.present(pod("a", SECOND, namespace="tenant"), 2)
    auditor.present(pod("a", FIRST, namespace="tenant"), 3)
    assert shared(auditor) == [FIRST]
    listed = [pod("c", FIRST), pod("a", FIRST, namespace="tenant"), pod("b", FIRST, namespace="tenant")]
    assert {each.address for each in duplicates_in(listed, 4, ["tenant"])} == {FIRST}
    assert duplicates_in(listed[1:], 4, ["tenant"]) == []


@pytest.mark.parametrize("plugged", [True, False])
def test_a_pod_has_what_its_interfaces_were_reported_to_have_whatever_its_annotation_says_later(
    *, plugged: bool
) -> None:
    auditor = Auditor(["tenant"])
    auditor.present(pod("a", FIRST, namespace="tenant"), 1)
    if plugged:
        auditor.plug("uid-of-a", [FIRST], 1)
    auditor.present(pod("a", namespace="tenant"), 2)
    auditor.present(pod("c", FIRST), 3)
    assert shared(auditor) == ([FIRST] if plugged else [])
    auditor.gone("uid-of-a")
    auditor.gone("uid-of-c")
    assert auditor.addresses == 0


def test_an_interface_counts_from_its_report_on_be_the_pod_known_or_not() -> None:
    auditor = Auditor()
    auditor.plug("uid-of-a", [FIRST], 1)
    auditor.present(pod("c", FIRST), 2)
    auditor.present(pod("a"), 3)
    assert shared(auditor) == [FIRST]
    auditor.present(pod("d", SECOND), 4)
    auditor.plug("uid-of-c", [SECOND], 5)
    assert shared(auditor) == [FIRST, SECOND]


@pytest.mark.parametrize("kind", ["Pod", "VirtualMachine", "VirtualMachineInstance"])
def test_a_refusal_may_name_any_kind_of_holder_and_is_checked(kind: str) -> None:
    message = f"Pod chaos/a: entry 0: mac {FIRST} is in use by {kind} tenant/evil-1; choose another address"
    claims = Claims(bound=10.0)
    assert refused(message)
    assert not claims.truthful(message, 5.0, 6.0)
    claims.begin(f"{kind} tenant/evil-1", 4.0)
    assert claims.truthful(message, 5.0, 6.0)


@pytest.mark.parametrize("annotation", ["net-a,net-b", "[" * 100_000, '[{"mac":', "null", "{}", '{"mac":"x"}'])
def test_an_annotation_that_nobody_can_read_carries_nothing(annotation: str) -> None:
    assert addresses_of(annotation) == frozenset()


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, 0),
        ({"ended": ["replica-1"]}, 1),
        ({"p99_beside": 1.1}, 1),
        ({"p99_beside": 1.1, "p99_before": 0.3}, 0),
        ({"starts": 0}, 1),
        ({"stuck": ["VirtualMachine machines/vm-0"]}, 1),
        ({"peak_bytes": {"replica-1": MOST_RESIDENT_BYTES + 1}}, 1),
        ({"log_bytes": 1 << 30}, 1),
    ],
    ids=["all is well", "an end", "slow", "slow as before", "no start", "one that does not start", "fat", "talkative"],
)
def test_what_others_feel_of_the_tenant_is_judged(change: dict[str, object], missed: int) -> None:
    results = msgspec.convert(msgspec.to_builtins(WELL_BEHAVED) | change, TenantResults)
    assert sum(not target.reached for target in results.targets(1000)) == missed


def test_what_running_pods_of_the_tenant_have_can_be_asked_for() -> None:
    auditor = Auditor(["tenant"])
    for name in ("a", "b"):
        auditor.present(pod(name, FIRST if name == "a" else SECOND, namespace="tenant"), 1)
    auditor.plug("uid-of-a", [FIRST], 1)
    auditor.present(pod("a", namespace="tenant"), 2)
    assert auditor.interfaces() == [FIRST]
