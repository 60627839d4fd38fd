"""What is done about addresses that somebody else has, and for how long."""

from collections.abc import Collection

import pytest
from tests.unit.doubles import ManualClock, ReservingAtOnce, new_allocator

from kubemacpool.admission.allocation import MOST_CONFLICTS, AddressAllocation, Outcome, Resolution
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Allocated, Decision, Exhausted, Fault, Refusal, Refused
from kubemacpool.ports import RetryLaterError

PARTY, OTHER = Party("VirtualMachine", "ns", "vm"), Party("Pod", "ns", "holder")
WANTED = (1, 2, None, 3)
REQUEST = AddressRequest(PARTY, WANTED, carried=frozenset({9}), dry_run=True, dependent=OTHER)
GRANTED = Allocated((1, 2, 4, 3))
EXHAUSTED = Exhausted("pool", 1, 1, 1, 0)


class ScriptedAllocation(AddressAllocation):
    """Decides what it is told to."""

    def __init__(self, *answers: Decision) -> None:
        allocator = new_allocator()
        super().__init__(allocator, ReservingAtOnce(allocator), lambda _: None, ManualClock())
        self.answers = list(answers)
        self.requests: list[AddressRequest] = []

    async def _decide(self, request: AddressRequest) -> Decision:
        """The next answer; the last one again and again."""
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def taken(interface: int, fault: Fault = Fault.HELD) -> Refusal:
    """Somebody else has what an interface wants."""
    address = WANTED[interface]
    assert address is not None
    return Refusal(interface, address, fault, OTHER)


MISTAKE = Refusal(1, 2, Fault.UNUSABLE, "a multicast address")


async def ask(allocation: ScriptedAllocation, resolution: Resolution, replaceable: Collection[int] = ()) -> Outcome:
    """The outcome of the request."""
    return await allocation.allocate(REQUEST, resolution, replaceable)


@pytest.mark.parametrize("resolution", Resolution)
@pytest.mark.parametrize("decision", [GRANTED, EXHAUSTED])
async def test_without_a_conflict_there_is_nothing_to_resolve(resolution: Resolution, decision: Decision) -> None:
    allocator = ScriptedAllocation(decision)
    assert await ask(allocator, resolution) == Outcome(decision, ())
    assert allocator.requests == [REQUEST]


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.IN_FLIGHT])
async def test_what_is_to_be_refused_is_refused_at_once(fault: Fault) -> None:
    allocator = ScriptedAllocation(Refused((taken(0, fault),)))
    assert await ask(allocator, Resolution.REFUSE) == Outcome(Refused((taken(0, fault),)))
    assert len(allocator.requests) == 1


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.IN_FLIGHT])
async def test_what_is_to_be_admitted_is_asked_for_as_shared(fault: Fault) -> None:
    allocator = ScriptedAllocation(Refused((taken(0, fault), taken(3))), GRANTED)
    assert await ask(allocator, Resolution.ADMIT) == Outcome(GRANTED, (taken(0, fault), taken(3)))
    assert allocator.requests[1] == REQUEST._replace(shared=frozenset({1, 3}))


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.IN_FLIGHT])
async def test_what_is_to_be_replaced_may_be_any_address(fault: Fault) -> None:
    allocator = ScriptedAllocation(Refused((taken(0, fault), taken(3))), GRANTED)
    assert await ask(allocator, Resolution.REPLACE) == Outcome(GRANTED, (taken(0, fault), taken(3)))
    assert allocator.requests[1] == REQUEST._replace(wanted=(None, 2, None, None))


async def test_each_interface_has_its_own_resolution() -> None:
    allocator = ScriptedAllocation(Refused((taken(0), taken(3))), GRANTED)
    await ask(allocator, Resolution.ADMIT, {3})
    assert allocator.requests[1] == REQUEST._replace(wanted=(1, 2, None, None), shared=frozenset({1}))


async def test_one_that_is_to_be_refused_refuses_all_and_is_the_only_one_told() -> None:
    allocator = ScriptedAllocation(Refused((taken(0), taken(3))))
    assert await ask(allocator, Resolution.REFUSE, {0}) == Outcome(Refused((taken(3),)))
    assert len(allocator.requests) == 1


@pytest.mark.parametrize("resolution", [Resolution.ADMIT, Resolution.REPLACE])
async def test_a_mistake_is_refused_whatever_is_done_about_conflicts(resolution: Resolution) -> None:
    allocator = ScriptedAllocation(Refused((taken(0), MISTAKE)))
    assert await ask(allocator, resolution) == Outcome(Refused((MISTAKE,)))


async def test_what_turns_out_to_be_somebody_elses_meanwhile_is_resolved_as_well() -> None:
    allocator = ScriptedAllocation(Refused((taken(0),)), Refused((taken(3, Fault.IN_FLIGHT),)), GRANTED)
    assert await ask(allocator, Resolution.REPLACE) == Outcome(GRANTED, (taken(0), taken(3, Fault.IN_FLIGHT)))
    assert allocator.requests[2].wanted == (None, 2, None, None)


async def test_a_pool_that_is_full_for_the_replacements_is_told_with_the_conflicts() -> None:
    allocator = ScriptedAllocation(Refused((taken(0),)), EXHAUSTED)
    assert await ask(allocator, Resolution.REPLACE) == Outcome(EXHAUSTED, (taken(0),))


async def test_who_is_refused_again_and_again_is_asked_to_come_later() -> None:
    allocator = ScriptedAllocation(Refused((taken(0),)))
    with pytest.raises(RetryLaterError, match=r"^the addresses that were asked for change hands too fast$"):
        await ask(allocator, Resolution.ADMIT)
    assert len(allocator.requests) == MOST_CONFLICTS
