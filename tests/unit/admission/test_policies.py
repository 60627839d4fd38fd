"""The conflict policy of a namespace, read live."""

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import new_policies

from kubemacpool.admission.policies import NamespacePolicies, Policy
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Fault, Limit, Refusal
from kubemacpool.follow.readiness import Readiness
from kubemacpool.wire.config import ConflictPolicy, NamespaceRules
from kubemacpool.wire.objects import ObjectIdentity

NS = ObjectIdentity("", "ns", "u1")
REJECT, WARN = Policy(ConflictPolicy.REJECT), Policy(ConflictPolicy.WARN)


@pytest.mark.parametrize("default", ConflictPolicy)
def test_a_namespace_without_one_has_that_of_the_installation(default: ConflictPolicy) -> None:
    assert new_policies(default).policy_of("ns") == Policy(default)


@pytest.mark.parametrize("default", ConflictPolicy)
@pytest.mark.parametrize(("text", "policy"), [("reject", REJECT), ("warn", WARN)])
def test_a_namespace_with_one_of_its_own_has_that_and_no_other_has_it(
    default: ConflictPolicy, text: str, policy: Policy
) -> None:
    policies = new_policies(default)
    policies.present(NS, NamespaceRules(text), 5)
    assert policies.policy_of("ns") == policy
    assert policies.policy_of("other") == Policy(default)


def test_a_policy_that_is_changed_or_removed_is_so_at_once() -> None:
    policies = new_policies()
    found = []
    for text in ("warn", "reject", "warn"):
        policies.present(NS, NamespaceRules(text), 5)
        found.append(policies.policy_of("ns"))
    policies.gone(NS)
    policies.gone(NS)
    assert [*found, policies.policy_of("ns")] == [WARN, REJECT, WARN, REJECT]


@pytest.mark.parametrize("default", ConflictPolicy)
@pytest.mark.parametrize("text", ["Warn", "", "off"])
def test_one_that_there_is_not_leaves_that_of_the_installation_in_force_and_says_so(
    default: ConflictPolicy, text: str
) -> None:
    policies = new_policies(default)
    policies.present(NS, NamespaceRules(text), 5)
    assert policies.policy_of("ns") == Policy(
        default,
        f'the namespace\'s annotation kubemacpool.io/conflict-policy is "{text}", which is neither reject nor warn; '
        f"{default.value} is in force until it is corrected",
    )


def test_namespaces_that_are_gone_are_forgotten() -> None:
    policies = new_policies()
    for number in range(100):
        identity = ObjectIdentity("", f"ns-{number}", f"u{number}")
        policies.present(identity, NamespaceRules("warn"), 5)
        policies.gone(identity)
    assert policies._policies == {}


def test_until_all_namespaces_are_known_nobody_leads() -> None:
    readiness = Readiness()
    policies = NamespacePolicies(ConflictPolicy.REJECT, readiness, lambda: None)
    assert list(readiness.obstacles) == ["the list of namespaces is not complete yet"]
    policies.present(NS, NamespaceRules("warn"), 5)
    assert list(readiness.obstacles) != []
    policies.reached(7)
    assert list(readiness.obstacles) == []


def test_a_namespace_that_cannot_be_read_keeps_its_policy_and_is_told_of() -> None:
    policies = new_policies()
    policies.present(NS, NamespaceRules("warn"), 5)
    with capture_logs() as logs:
        policies.unreadable(NS, "a reason")
    assert policies.policy_of("ns") == WARN
    assert logs == [
        {
            "event": "namespace passed over: its annotations cannot be read",
            "log_level": "warning",
            "name": "ns",
            "reason": "a reason",
        }
    ]


def test_a_namespace_has_the_limit_of_the_installation_or_its_own() -> None:
    policies = new_policies(limit=5)
    of_all = Limit(5, "NAMESPACE_LIMIT in ConfigMap kubemacpool-mac-range-config")
    assert policies.limit_of("ns") == of_all
    policies.present(NS, NamespaceRules(None, " 7 "), 5)
    assert policies.limit_of("ns") == Limit(7, "annotation kubemacpool.io/address-limit of the namespace")
    assert policies.limit_of("other") == of_all
    assert policies.policy_of("ns").conflict is ConflictPolicy.REJECT
    policies.present(NS, NamespaceRules("warn"), 5)
    assert policies.limit_of("ns") == of_all
    assert new_policies().limit_of("ns") is None


def test_a_limit_that_is_none_leaves_that_of_the_installation_in_force_and_says_so() -> None:
    fault = (
        'the namespace\'s annotation kubemacpool.io/address-limit is "many", which is not a whole number of at least '
        "1; the installation's limit, if it has one, is in force until it is corrected"
    )
    policies = new_policies(limit=5)
    with capture_logs() as logs:
        for _ in range(2):
            policies.present(NS, NamespaceRules(None, "many"), 5)
    assert logs == [
        {
            "event": "annotation of a namespace not taken up",
            "log_level": "warning",
            "name": "ns",
            "reason": fault,
        }
    ]
    assert policies.limit_of("ns") == Limit(5, f"NAMESPACE_LIMIT in ConfigMap kubemacpool-mac-range-config; {fault}")
    for mattered in (True, False):
        assert policies.policy_of("ns").warnings(mattered=mattered) == [f"kubemacpool: {fault}"]
    unlimited = new_policies()
    unlimited.present(NS, NamespaceRules(None, "many"), 5)
    assert unlimited.limit_of("ns") is None
    assert unlimited.policy_of("ns").limit_fault == fault


def test_both_annotations_may_be_wrong() -> None:
    policies = new_policies()
    with capture_logs() as logs:
        policies.present(NS, NamespaceRules("of", "many"), 5)
    assert len(logs) == 2
    told = policies.policy_of("ns").warnings(mattered=True)
    assert ["conflict-policy" in told[0], "address-limit" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize(
    "rules", [NamespaceRules(), NamespaceRules("warn"), NamespaceRules("?"), NamespaceRules("?", "?")]
)
def test_a_holder_of_another_namespace_is_named_unless_that_is_hidden_whatever_else_holds(
    rules: NamespaceRules,
) -> None:
    foreign = Refusal(0, 2, Fault.HELD, Party("Pod", "other", "p"))
    for hides, detail in ((False, foreign.detail), (True, "an object of another namespace")):
        policies = NamespacePolicies(ConflictPolicy.REJECT, Readiness(), lambda: None, hides_foreign=hides)
        policies.present(NS, rules, 5)
        for namespace in ("ns", "without-rules"):
            policy = policies.policy_of(namespace)
            assert policy.shown(foreign, namespace).detail == detail
            assert policy.shown(foreign, "other") == foreign
            assert policy.shown(Refusal(0, 2, Fault.TWICE, 1), namespace).detail == 1


def test_a_namespace_that_could_not_be_taken_in_has_the_policy_of_the_installation() -> None:
    policies = new_policies()
    policies.present(NS, NamespaceRules("warn"), 5)
    for _ in range(2):
        policies.pass_over(NS, NamespaceRules("warn"))
        assert policies.policy_of("ns") == REJECT
