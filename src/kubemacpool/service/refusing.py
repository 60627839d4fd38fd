"""What people read when an address is not granted: the object, the field, the value, the reason and the remedy."""

from collections.abc import Sequence

from kubemacpool.core.addresses import format_address
from kubemacpool.core.decisions import Exhausted, Fault, Refusal
from kubemacpool.core.parties import Party
from kubemacpool.wire.networks import LARGEST_ANNOTATIONS, NETWORKS_ANNOTATION, Selection, describe_short_form
from kubemacpool.wire.quoting import quoted

RANGE_REMEDY = "ConfigMap kubemacpool-mac-range-config (RANGE_START, RANGE_END)"


def entry(index: int, selections: Sequence[Selection]) -> str:
    """One entry of the annotation, as people count and name it."""
    return f"entry {index} ({quoted(selections[index].name)})"


def annotation_fault(party: Party, fault: str) -> str:
    """The annotation is not what it should be."""
    return f"{party}: annotation {NETWORKS_ANNOTATION}: {fault}"


def too_many_entries(party: Party, count: int, most: int) -> str:
    """The annotation asks for more than can ever be stored."""
    return annotation_fault(
        party,
        f"the list has {count} entries; give at most {most}: with their addresses, no more fit into the "
        f"{LARGEST_ANNOTATIONS} bytes that the annotations of an object may have",
    )


def refusals(party: Party, selections: Sequence[Selection], found: Sequence[Refusal]) -> str:
    """Every address that cannot be granted, and why."""
    return annotation_fault(party, "; ".join(_refusal(selections, refusal) for refusal in found))


def exhausted(party: Party, full: Exhausted) -> str:
    """The pool has too little left."""
    returning = f", {full.returning} may be free again within minutes" if full.returning else ""
    return (
        f"{party}: the pool {full.pool} is exhausted: {full.needed} needed, {full.needed - full.missing} free of "
        f"{full.size}{returning}; delete pods that are no longer needed, or widen the range in {RANGE_REMEDY}"
    )


def short_form_warning(value: str) -> str:
    """Why a pod got no addresses, and how to ask for them."""
    return (
        "kubemacpool: the short form of the networks annotation has no place for a MAC address, so none was given. "
        f"JSON form: {describe_short_form(value)}"
    )


def _refusal(selections: Sequence[Selection], refusal: Refusal) -> str:
    where = f"{entry(refusal.interface, selections)}: mac {format_address(refusal.address)}"
    match refusal.fault, refusal.detail:
        case Fault.HELD, holder:
            return f'{where} is in use by {holder}; choose another address, or leave "mac" out to be given a free one'
        case Fault.PENDING, holder:
            return (
                f"{where} was granted to {holder} a moment ago; choose another address, or try again later: "
                "if that object is never created, the address becomes free by itself"
            )
        case Fault.TWICE, int(other):
            return f"{where} is that of {entry(other, selections)} too; give each interface an address of its own"
        case _, reason:
            return f'{where} is {reason}; choose another address, or leave "mac" out to be given a free one'
