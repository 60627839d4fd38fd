"""What people read when an address is not allocated: the object, the field, the value, the reason and the remedy."""

from collections.abc import Sequence
from typing import NamedTuple

from kubemacpool.core.addresses import format_address
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Exhausted, Fault, OverLimit, Refusal
from kubemacpool.wire.networks import describe_short_form
from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.quoting import listed

RANGE_REMEDY = "ConfigMap kubemacpool-mac-range-config (RANGE_START, RANGE_END)"


class Field(NamedTuple):
    """Where a user writes addresses.

    Attributes:
        where: the field that has them all.
        key: under which each stands there.
    """

    where: str
    key: str


def field_fault(party: Party, where: str, fault: str) -> str:
    """A field is not what it should be."""
    return f"{party}: {where}: {fault}"


def too_many_entries(party: Party, where: str, count: int) -> str:
    """An object has more interfaces than anybody needs."""
    return field_fault(party, where, f"the list has {count} entries; give at most {MOST_INTERFACES}")


def refusals(labels: Sequence[str], found: Sequence[Refusal], key: str) -> str:
    """Every address that cannot be allocated, and why.

    Args:
        labels: what each interface of the request is called.
        found: what is wrong.
        key: under which the user writes an address.
    """
    return listed([_refusal(labels, refusal, key) for refusal in found])


def conflict(labels: Sequence[str], refusal: Refusal) -> str:
    """Who has the address that was asked for."""
    had = "is in use by" if refusal.fault is Fault.HELD else "was allocated a moment ago to"
    return f"{labels[refusal.interface]}: mac {format_address(refusal.address)} {had} {refusal.detail}"


def admitted(found: str) -> str:
    """A conflict was let through."""
    return f"kubemacpool: {found}; admitted, because the conflict policy is warn"


def exhausted(party: Party, full: Exhausted) -> str:
    """The pool has too little left."""
    returning = f", {full.returning} may be free again within minutes" if full.returning else ""
    return (
        f"{party}: the pool {full.pool} is exhausted: {full.needed} needed, {full.needed - full.missing} free of "
        f"{full.size}{returning}; delete pods that are no longer needed, or widen the range in {RANGE_REMEDY}"
    )


def over_limit(party: Party, over: OverLimit) -> str:
    """The namespace has too much."""
    return (
        f"{party}: namespace {over.namespace} has {over.used} of at most {over.limit.most} addresses "
        f"({over.limit.where}), and this object needs {over.new} more; delete objects that are no longer needed, or "
        "ask an administrator for a higher limit"
    )


def short_form_warning(value: str) -> str:
    """Why a pod got no addresses, and how to ask for them."""
    return (
        "kubemacpool: the short form of the networks annotation has no place for a MAC address, so none was given. "
        f"JSON form: {describe_short_form(value)}"
    )


def _refusal(labels: Sequence[str], refusal: Refusal, key: str) -> str:
    remedy = f'choose another address, or leave "{key}" out to be given a free one'
    where = f"{labels[refusal.interface]}: mac {format_address(refusal.address)}"
    match refusal.fault, refusal.detail:
        case Fault.HELD, holder:
            return f"{where} is in use by {holder}; {remedy}"
        case Fault.IN_FLIGHT, holder:
            return (
                f"{where} was allocated to {holder} a moment ago; choose another address, or try again later: "
                "if that object is never created, the address becomes free by itself"
            )
        case Fault.TWICE, int(other):
            remedy = "give each interface an address of its own"
            return f"{where} is that of {labels[other]} too: a duplicate MAC address; {remedy}"
        case _, reason:
            return f"{where} is {reason}; {remedy}"
