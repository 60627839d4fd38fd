"""The rules of namespaces: the installation's, or their own.

What happens to a user who asks for somebody else's address, and how many addresses the namespace may have.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from kubemacpool.admission.allocation import Resolution
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Limit, Refusal
from kubemacpool.follow.readiness import Readiness
from kubemacpool.wire.config import (
    ADDRESS_LIMIT,
    CONFLICT_POLICY,
    EXPECTED,
    NAMESPACE_LIMIT,
    RANGE_CONFIG_MAP,
    ConflictPolicy,
    NamespaceRules,
    parse_limit,
)
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.quoting import quoted

NAMESPACE: Final = "Namespace"

FOREIGN: Final = "an object of another namespace"
"""What is said of a holder whose name is not for everybody (`--hide-foreign-holders`)."""

_log = structlog.get_logger(__name__)


class Policy(NamedTuple):
    """What holds for an object.

    Attributes:
        conflict: the policy in force.
        fault: what is wrong with the namespace's annotation, so that the installation's policy is in force; or empty.
        limit: of addresses, where the namespace has one of its own.
        limit_fault: what is wrong with that annotation, so that the installation's limit is in force; or empty.
        hides_foreign: whether answers do not name the object of another namespace that has an address.
    """

    conflict: ConflictPolicy
    fault: str = ""
    limit: Limit | None = None
    limit_fault: str = ""
    hides_foreign: bool = False

    @property
    def resolution(self) -> Resolution:
        """What is done about an address that somebody else has."""
        return Resolution.ADMIT if self.conflict is ConflictPolicy.WARN else Resolution.REFUSE

    def shown(self, refusal: Refusal, namespace: str) -> Refusal:
        """A refusal as somebody of a namespace may read it."""
        holder = refusal.detail
        if self.hides_foreign and isinstance(holder, Party) and holder.namespace != namespace:
            return refusal._replace(detail=FOREIGN)
        return refusal

    @property
    def has_faults(self) -> bool:
        """Whether anything is wrong with the namespace's annotations."""
        return bool(self.fault or self.limit_fault)

    def warnings(self, *, mattered: bool) -> list[str]:
        """Faults of annotations, for admission warnings: of the policy where it mattered, of the limit always."""
        told = [self.fault if mattered else "", self.limit_fault]
        return [f"kubemacpool: {fault}" for fault in told if fault]


class NamespacePolicies:
    """The rules of every namespace that has some of its own (implements `WatchListener[NamespaceRules]`)."""

    def __init__(
        self,
        default: ConflictPolicy,
        readiness: Readiness,
        default_limit: Callable[[], int | None],
        *,
        hides_foreign: bool = False,
    ) -> None:
        """Know of no namespace yet.

        Args:
            default: the installation's policy.
            readiness: hindered until every namespace is known.
            default_limit: how many addresses a namespace may have where it has no limit of its own.
            hides_foreign: whether answers do not name the object of another namespace that has an address.
        """
        self._default = Policy(default, hides_foreign=hides_foreign)
        self._default_limit = default_limit
        self._readiness = readiness
        self._policies: dict[str, Policy] = {}
        readiness.hinder(NAMESPACE, "the list of namespaces is not complete yet")

    def policy_of(self, namespace: str) -> Policy:
        """What holds in a namespace."""
        return self._policies.get(namespace, self._default)

    def limit_of(self, namespace: str) -> Limit | None:
        """How many addresses a namespace may have; None for any number."""
        policy = self.policy_of(namespace)
        if policy.limit is not None:
            return policy.limit
        limit = self._default_limit()
        if limit is None:
            return None
        fault = f"; {policy.limit_fault}" if policy.limit_fault else ""
        return Limit(limit, f"{NAMESPACE_LIMIT} in ConfigMap {RANGE_CONFIG_MAP}{fault}")

    def present(self, identity: ObjectIdentity, item: NamespaceRules, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """A namespace has annotations of ours."""
        before = self._policies.get(identity.name)
        policy = self._policies[identity.name] = self._read(item)
        for fault in (policy.fault, policy.limit_fault):
            if fault and (before is None or fault not in {before.fault, before.limit_fault}):
                _log.warning("annotation of a namespace not taken up", name=identity.name, reason=fault)

    def gone(self, identity: ObjectIdentity) -> None:
        """A namespace has none any longer, or does not exist any more."""
        self._policies.pop(identity.name, None)

    def pass_over(self, identity: ObjectIdentity, item: NamespaceRules) -> None:  # noqa: ARG002 (the listener's signature)
        """A namespace could not be taken in: the installation's policy is in force there."""
        self._policies.pop(identity.name, None)

    def reached(self, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """After the first list all are known."""
        self._readiness.clear(NAMESPACE)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """A namespace cannot be read."""
        _log.warning("namespace passed over: its annotations cannot be read", name=identity.name, reason=reason)

    def _read(self, rules: NamespaceRules) -> Policy:
        policy = self._read_conflict_policy(rules.conflict_policy)
        text = rules.address_limit
        if text is None:
            return policy
        limit = parse_limit(text.strip())
        if limit is not None:
            return policy._replace(limit=Limit(limit, f"annotation {ADDRESS_LIMIT} of the namespace"))
        fault = (
            f"the namespace's annotation {ADDRESS_LIMIT} is {quoted(text)}, which is not {EXPECTED}; "
            f"the installation's limit, if it has one, is in force until it is corrected"
        )
        return policy._replace(limit_fault=fault)

    def _read_conflict_policy(self, text: str | None) -> Policy:
        if text is None:
            return self._default
        try:
            return self._default._replace(conflict=ConflictPolicy(text))
        except ValueError:
            fault = (
                f"the namespace's annotation {CONFLICT_POLICY} is {quoted(text)}, which is neither reject nor warn; "
                f"{self._default.conflict.value} is in force until it is corrected"
            )
            return self._default._replace(fault=fault)
