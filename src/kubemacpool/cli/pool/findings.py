"""What an audit may find: rules, and findings."""

from typing import Any, Final, NamedTuple

ERROR: Final = "error"
WARNING: Final = "warning"
NOTE: Final = "note"
LEVELS: Final = (ERROR, WARNING, NOTE)

RULES: Final = {
    "collision": (ERROR, "Several objects have one address."),
    "refused": (ERROR, "The webhook would refuse the object."),
    "unusable-address": (ERROR, "No interface may have the address: it is multicast, all zero or malformed."),
    "pool-invalid": (ERROR, "The ConfigMap does not describe a pool."),
    "webhook-blocks-recovery": (
        ERROR,
        "The webhook is asked about objects that a cluster needs to recover, and refuses them while it is down.",
    ),
    "webhook-missing": (ERROR, "Nobody asks the webhook, so that nothing gets an address."),
    "outside-pool": (
        NOTE,
        "An address is outside the pool; it is refused to others all the same.",
    ),
    "vendor-address": (WARNING, "An address of a vendor's, where the pool has locally administered ones alone."),
    "bypassed": (WARNING, "An object was created past the webhook, and has interfaces without an address of the pool."),
    "unreadable": (WARNING, "What addresses an object has cannot be told."),
    "shared-template": (WARNING, "Several pods would have the address of one template."),
    "short-form": (NOTE, "The annotation is in the short form, which has no place for an address."),
    "network-pins-address": (WARNING, "A network gives all of its interfaces one address."),
    "network-ignores-address": (WARNING, "No plugin of a network takes the address that a pod asks for."),
}
"""By rule, how bad it is and what it means."""


class Finding(NamedTuple):
    """Something that somebody should look at.

    Attributes:
        rule: one of `RULES`.
        object: which object.
        message: what is wrong, and the remedy.
        address: in question; or empty.
        file: where the object stands; or empty for one in the cluster.
        line: in that file, from 1.
        namespace: of the object; empty where it has none.
    """

    rule: str
    object: str
    message: str
    address: str = ""
    file: str = ""
    line: int = 0
    namespace: str = ""

    @property
    def level(self) -> str:
        """How bad it is."""
        return RULES[self.rule][0]

    def data(self) -> dict[str, Any]:
        """For programs."""
        found = {"level": self.level, **self._asdict()}
        return {key: value for key, value in found.items() if value not in {"", 0}}


def in_order(findings: list[Finding]) -> list[Finding]:
    """Errors first."""
    return sorted(findings, key=lambda each: (LEVELS.index(each.level), each.rule, each.file, each.line, each.object))
