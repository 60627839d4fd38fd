"""A refusal tells the truth if the holder that it names had the address, or had asked for it, at that time."""

from __future__ import annotations

import math

from chaos.claims import Claims, refused

from kubemacpool.admission.messages import refusals
from kubemacpool.core.addresses import parse_address
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Fault, Refusal

ADDRESS, OTHER = "02:00:00:00:0a:01", "02:00:00:00:0a:02"


def message(fault: Fault, holder: Party) -> str:
    """What the program says."""
    return refusals(['entry 0 ("net")'], [Refusal(0, parse_address(ADDRESS), fault, holder)], "mac")


HELD = message(Fault.HELD, Party("Pod", "chaos", "a"))
IN_FLIGHT = message(Fault.IN_FLIGHT, Party("Pod", "chaos", "a"))
UNNAMED = message(Fault.IN_FLIGHT, Party("Pod", "chaos", "", "a-", "uid"))


def test_both_kinds_of_refusal_are_understood() -> None:
    assert refused(HELD)
    assert refused(IN_FLIGHT)
    assert not refused("the pool is exhausted")


def test_a_holder_that_had_the_address_at_that_time_is_the_truth() -> None:
    claims = Claims(24.0)
    claim = claims.begin("Pod chaos/a", 10.0, frozenset({ADDRESS}))
    assert claims.truthful(HELD, 11.0, 12.0)
    assert claims.truthful(IN_FLIGHT, 11.0, 12.0)
    claim.ended = 20.0
    assert claims.truthful(HELD, 43.0, 44.0)
    assert not claims.truthful(HELD, 45.0, 46.0)


def test_a_holder_of_another_address_or_none_is_not() -> None:
    claims = Claims(24.0)
    claims.begin("Pod chaos/a", -math.inf, frozenset({OTHER}))
    claims.begin("Pod chaos/b", -math.inf, frozenset({ADDRESS}))
    assert not claims.truthful(HELD, 11.0, 12.0)


def test_a_holder_that_asked_later_is_not() -> None:
    claims = Claims(24.0)
    claims.begin("Pod chaos/a", 13.0, frozenset({ADDRESS}))
    assert not claims.truthful(HELD, 11.0, 12.0)


def test_an_attempt_of_which_nothing_is_known_may_have_been_allocated_any_address() -> None:
    claims = Claims(24.0)
    claims.begin("Pod chaos/a", 10.0).ended = 11.0
    assert claims.truthful(IN_FLIGHT, 12.0, 13.0)


def test_an_attempt_without_a_name_yet_is_known_by_its_prefix() -> None:
    claims = Claims(24.0)
    claims.begin("Pod chaos/a-*", 10.0)
    assert claims.truthful(UNNAMED, 11.0, 12.0)
    assert not claims.truthful(IN_FLIGHT, 11.0, 12.0)
