"""What is done about addresses that somebody else has, and for how long."""

from collections.abc import Mapping

import pytest

from kubemacpool.admission.allocation import MOST_CONFLICTS, Outcome, Resolution, allocate
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Decision, Exhausted, Fault, Granted, Refusal, Refused
from kubemacpool.ports import NotDecidingError

PARTY, OTHER = Party("VirtualMachine", "ns", "vm"), Party("Pod", "ns", "holder")
WANTED = (1, 2, None, 3)
REQUEST = AddressRequest(PARTY, WANTED, carried=frozenset({9}), dry_run=True, dependent=OTHER)
GRANTED = Granted((1, 2, 4, 3))
EXHAUSTED = Exhausted("pool", 1, 1, 1, 0)


class ScriptedDecider:
    """Answers what it is told to (implements `AddressDecider`)."""

    def __init__(self, *answers: Decision) -> None:
        self.answers = list(answers)
        self.requests: list[AddressRequest] = []

    async def decide(self, request: AddressRequest) -> Decision:
        """The next answer; the last one again and again."""
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def taken(interface: int, fault: Fault = Fault.HELD) -> Refusal:
    """Somebody else has what an interface wants."""
    address = WANTED[interface]
    assert address is not None
    return Refusal(interface, address, fault, OTHER)


MISTAKE = Refusal(1, 2, Fault.UNUSABLE, "a multicast address")


async def ask(decider: ScriptedDecider, resolution: Resolution | Mapping[int, Resolution]) -> Outcome:
    """The outcome of the request."""
    if isinstance(resolution, Resolution):
        return await allocate(decider, REQUEST, lambda _: resolution)
    return await allocate(decider, REQUEST, resolution.__getitem__)


@pytest.mark.parametrize("resolution", Resolution)
@pytest.mark.parametrize("decision", [GRANTED, EXHAUSTED])
async def test_without_a_conflict_there_is_nothing_to_resolve(resolution: Resolution, decision: Decision) -> None:
    decider = ScriptedDecider(decision)
    assert await ask(decider, resolution) == Outcome(decision, ())
    assert decider.requests == [REQUEST]


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.PENDING])
async def test_what_is_to_be_refused_is_refused_at_once(fault: Fault) -> None:
    decider = ScriptedDecider(Refused((taken(0, fault),)))
    assert await ask(decider, Resolution.REFUSE) == Outcome(Refused((taken(0, fault),)))
    assert len(decider.requests) == 1


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.PENDING])
async def test_what_is_to_be_admitted_is_asked_for_as_shared(fault: Fault) -> None:
    decider = ScriptedDecider(Refused((taken(0, fault), taken(3))), GRANTED)
    assert await ask(decider, Resolution.ADMIT) == Outcome(GRANTED, (taken(0, fault), taken(3)))
    assert decider.requests[1] == REQUEST._replace(shared=frozenset({1, 3}))


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.PENDING])
async def test_what_is_to_be_replaced_may_be_any_address(fault: Fault) -> None:
    decider = ScriptedDecider(Refused((taken(0, fault), taken(3))), GRANTED)
    assert await ask(decider, Resolution.REPLACE) == Outcome(GRANTED, (taken(0, fault), taken(3)))
    assert decider.requests[1] == REQUEST._replace(wanted=(None, 2, None, None))


async def test_each_interface_has_its_own_resolution() -> None:
    decider = ScriptedDecider(Refused((taken(0), taken(3))), GRANTED)
    await ask(decider, {0: Resolution.ADMIT, 3: Resolution.REPLACE})
    assert decider.requests[1] == REQUEST._replace(wanted=(1, 2, None, None), shared=frozenset({1}))


async def test_one_that_is_to_be_refused_refuses_all_and_is_the_only_one_told() -> None:
    decider = ScriptedDecider(Refused((taken(0), taken(3))))
    assert await ask(decider, {0: Resolution.ADMIT, 3: Resolution.REFUSE}) == Outcome(Refused((taken(3),)))
    assert len(decider.requests) == 1


@pytest.mark.parametrize("resolution", [Resolution.ADMIT, Resolution.REPLACE])
async def test_a_mistake_is_refused_whatever_is_done_about_conflicts(resolution: Resolution) -> None:
    decider = ScriptedDecider(Refused((taken(0), MISTAKE)))
    assert await ask(decider, resolution) == Outcome(Refused((MISTAKE,)))


async def test_what_turns_out_to_be_somebody_elses_meanwhile_is_resolved_as_well() -> None:
    decider = ScriptedDecider(Refused((taken(0),)), Refused((taken(3, Fault.PENDING),)), GRANTED)
    assert await ask(decider, Resolution.REPLACE) == Outcome(GRANTED, (taken(0), taken(3, Fault.PENDING)))
    assert decider.requests[2].wanted == (None, 2, None, None)


async def test_a_pool_that_is_full_for_the_replacements_is_told_with_the_conflicts() -> None:
    decider = ScriptedDecider(Refused((taken(0),)), EXHAUSTED)
    assert await ask(decider, Resolution.REPLACE) == Outcome(EXHAUSTED, (taken(0),))


async def test_who_is_refused_again_and_again_is_asked_to_come_later() -> None:
    decider = ScriptedDecider(Refused((taken(0),)))
    with pytest.raises(NotDecidingError, match=r"^the addresses that were asked for change hands too fast$"):
        await ask(decider, Resolution.ADMIT)
    assert len(decider.requests) == MOST_CONFLICTS
