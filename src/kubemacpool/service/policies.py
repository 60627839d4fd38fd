"""What happens to a user who asks for somebody else's address: the installation's policy, or the namespace's."""

import enum
from typing import Final, NamedTuple

import structlog

from kubemacpool.service.conflicts import Resolution
from kubemacpool.service.readiness import Readiness
from kubemacpool.wire.namespaces import CONFLICT_POLICY
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.quoting import quoted

NAMESPACE: Final = "Namespace"

_log = structlog.get_logger(__name__)


class ConflictPolicy(enum.Enum):
    """Refuse it, or let it through with a warning and report the collision."""

    REJECT = "reject"
    WARN = "warn"


class Policy(NamedTuple):
    """What holds for an object.

    Attributes:
        conflict: the policy in force.
        fault: what is wrong with the namespace's annotation, so that the installation's policy is in force; or empty.
    """

    conflict: ConflictPolicy
    fault: str = ""

    @property
    def resolution(self) -> Resolution:
        """What is done about an address that somebody else has."""
        return Resolution.ADMIT if self.conflict is ConflictPolicy.WARN else Resolution.REFUSE

    def warnings(self, *, mattered: bool) -> list[str]:
        """What the user is told of the annotation, where the policy mattered."""
        return [f"kubemacpool: {self.fault}"] if self.fault and mattered else []


class NamespacePolicies:
    """The policy of every namespace that has one of its own (implements `WatchListener[str]`)."""

    def __init__(self, default: ConflictPolicy, readiness: Readiness) -> None:
        self._default = default
        self._readiness = readiness
        self._policies: dict[str, Policy] = {}
        readiness.hinder(NAMESPACE, "the list of namespaces is not complete yet")

    def policy_of(self, namespace: str) -> Policy:
        """What holds in a namespace."""
        return self._policies.get(namespace) or Policy(self._default)

    def present(self, identity: ObjectIdentity, item: str, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """A namespace has the annotation."""
        self._policies[identity.name] = self._read(item)

    def gone(self, identity: ObjectIdentity) -> None:
        """A namespace has it no longer, or does not exist any more."""
        self._policies.pop(identity.name, None)

    def pass_over(self, identity: ObjectIdentity, item: str) -> None:  # noqa: ARG002 (the listener's signature)
        """A namespace could not be taken in: the installation's policy is in force there."""
        self._policies.pop(identity.name, None)

    def reached(self, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """After the first list all are known."""
        self._readiness.clear(NAMESPACE)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """A namespace cannot be read."""
        _log.warning("namespace passed over: its annotations cannot be read", name=identity.name, reason=reason)

    def _read(self, text: str) -> Policy:
        try:
            return Policy(ConflictPolicy(text))
        except ValueError:
            return Policy(
                self._default,
                f"the namespace's annotation {CONFLICT_POLICY} is {quoted(text)}, which is neither reject nor warn; "
                f"{self._default.value} is in force until it is corrected",
            )
