"""What is counted, and who hears that the pool is full."""

import pytest
from tests.unit.doubles import FIRST, KeptMeasures, new_policies

from kubemacpool.admission.handler import denial_of
from kubemacpool.admission.messages import Field
from kubemacpool.admission.outcomes import Outcomes
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import (
    AddressRequest,
    Allocated,
    Decision,
    Exhausted,
    Fault,
    Limit,
    OverLimit,
    Refusal,
    Refused,
)
from kubemacpool.ports import Choice
from kubemacpool.wire.config import ConflictPolicy

A = Party("Pod", "default", "a")
FULL = Exhausted("the range", size=4, needed=1, missing=1, returning=0)


def _told(request: AddressRequest, decision: Decision) -> tuple[list[tuple[Choice, int]], list[Exhausted]]:
    measures, heard = KeptMeasures(), list[Exhausted]()
    Outcomes(measures, heard.append).tell(request, decision)
    return measures.allocations, heard


@pytest.mark.parametrize(
    ("request_", "counted"),
    [
        (AddressRequest(A, (None, None)), [("automatic", 2)]),
        (AddressRequest(A, (FIRST,)), [("given", 1)]),
        (AddressRequest(A, (None, FIRST, FIRST + 1)), [("automatic", 1), ("given", 2)]),
        (AddressRequest(A, (FIRST, FIRST + 1), frozenset({FIRST})), [("given", 1)]),
        (AddressRequest(A, (FIRST,), frozenset({FIRST})), []),
        (AddressRequest(A, (None,), dry_run=True), []),
        (AddressRequest(A, (FIRST,), dependent=Party("Pod", "default", "launcher")), []),
    ],
    ids=["automatic", "given", "both", "one more", "nothing new", "dry run", "launcher pod"],
)
def test_addresses_are_counted_that_are_new_to_whoever_has_them(
    request_: AddressRequest, counted: list[tuple[Choice, int]]
) -> None:
    addresses = tuple(FIRST + 10 + place if each is None else each for place, each in enumerate(request_.wanted))
    assert _told(request_, Allocated(addresses)) == (counted, [])


def test_that_the_pool_is_full_is_heard() -> None:
    assert _told(AddressRequest(A, (None,)), FULL) == ([], [FULL])


def test_a_dry_run_is_not_heard_of() -> None:
    assert _told(AddressRequest(A, (None,), dry_run=True), FULL) == ([], [])


def test_a_limit_is_a_reason_of_its_own() -> None:
    over = OverLimit("default", new=1, used=3, limit=Limit(3, "by a label"))
    policy = new_policies(ConflictPolicy.REJECT).policy_of("default")
    assert denial_of(over, A, Field("annotation", "mac"), [], policy).reason == "limit"


def test_a_refusal_counts_no_address() -> None:
    refused = Refused((Refusal(0, FIRST, Fault.HELD, A),))
    assert _told(AddressRequest(A, (FIRST,)), refused) == ([], [])
