"""Who carries an address, be they one, a few or a crowd: what is asked of them is as if all were counted anew."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.core.crowds import Crowded

from kubemacpool.core.collisions import Collisions, colliding
from kubemacpool.core.holders import FEW, Carriers, Unity
from kubemacpool.core.parties import Holder, ObjectKey, Party

ADDRESSES: Final = (1, 2)
NAMESPACES: Final = ("here", "there")
KEYS: Final = [
    ObjectKey(kind, namespace, name)
    for kind in ("Pod", "VirtualMachineInstance", "VirtualMachine")
    for namespace in NAMESPACES
    for name in "abcd"
]
PARTIES: Final = [
    *(Party("VirtualMachine", namespace, name) for namespace in NAMESPACES for name in "ab"),
    *(Party("VirtualMachineInstance", namespace, name) for namespace in NAMESPACES for name in "ab"),
    *(Party("Pod", namespace, "a") for namespace in NAMESPACES),
]

keys = st.sampled_from(KEYS)
parties = st.sampled_from(PARTIES)
addresses = st.sampled_from(ADDRESSES)


class CarrierHistory(RuleBasedStateMachine):
    """Objects of few parties come to carry two addresses, change sides, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.holders: dict[ObjectKey, Holder] = {}
        self.unity = Unity()
        self.carriers = Carriers(self.holders, self.unity)
        self.expected: dict[int, list[ObjectKey]] = {address: [] for address in ADDRESSES}

    def _be(self, key: ObjectKey, party: Party) -> None:
        """Be of this party from now on."""
        before = self.holders.get(key)
        self.holders[key] = Holder(key, "uid", party, ())
        if before is not None and before.party != party:
            for address in ADDRESSES:
                if key in self.expected[address]:
                    self.carriers.move(address, key)

    @rule(each=st.lists(keys, min_size=1, max_size=12, unique=True), party=parties, address=addresses)
    def come(self, each: list[ObjectKey], party: Party, address: int) -> None:
        """Some carry an address, and are of this party if they carry it already."""
        for key in each:
            self._be(key, party)
            if key not in self.expected[address]:
                self.carriers.add(address, key)
                self.expected[address].append(key)

    @rule(each=st.lists(keys, min_size=1, max_size=12, unique=True), address=addresses)
    def go(self, each: list[ObjectKey], address: int) -> None:
        """They do not."""
        for key in each:
            if key in self.expected[address]:
                self.carriers.remove(address, key)
                self.expected[address].remove(key)

    @rule(changes=st.dictionaries(parties, st.none() | parties, max_size=2))
    def unite(self, changes: dict[Party, Party | None]) -> None:
        """Some count as others from now on, or as themselves again."""
        moved = self.unity.unite(changes)
        for address, known in self.expected.items():
            if any(self.holders[key].party in moved for key in known):
                self.carriers.recount(address)

    @invariant()
    def all_is_as_if_it_were_counted_anew(self) -> None:
        """Whatever is asked."""
        assert set(self.carriers) == {address for address, known in self.expected.items() if known}
        assert len(self.carriers) == sum(map(bool, self.expected.values()))
        for namespace in NAMESPACES:
            held = [known for known in self.expected.values() if any(key.namespace == namespace for key in known)]
            assert self.carriers.held_in(namespace) == len(held)
        for address, known in self.expected.items():
            holders = [self.holders[key] for key in known]
            assert (address in self.carriers) == bool(holders)
            assert list(self.carriers.of(address)) == holders
            collide = colliding(holders, lambda holder: self.unity.as_one(holder.party))
            assert self.carriers.colliding(address) == collide
            assert self.carriers.colliding_count(address) == len(collide)
            for namespace in (*NAMESPACES, "nowhere"):
                there = any(holder.key.namespace == namespace for holder in holders)
                assert self.carriers.in_namespace(address, namespace) == there
            for one in holders:
                relatives = [each for each in holders if self.unity.owner(each.party) == self.unity.owner(one.party)]
                assert self.carriers.has_relative(address, one) == (relatives != [one])
            for party in PARTIES:
                mine = self.unity.owner(party)
                assert self.carriers.has_party(address, party) == any(holder.party == party for holder in holders)
                own = [holder for holder in holders if self.unity.owner(holder.party) == mine]
                assert self.carriers.has_owner(address, party) == bool(own)
                other = self.carriers.other_than(address, party)
                if len(own) == len(holders):
                    assert other is None
                else:
                    assert other in {holder.party for holder in holders if holder not in own}

    def teardown(self) -> None:
        """All go, and nothing is remembered."""
        for address, known in self.expected.items():
            for key in known:
                self.carriers.remove(address, key)
        assert not self.carriers._of


class CrowdedCarrierHistory(Crowded, CarrierHistory):
    """The same where three that carry one address are a crowd."""


TestCrowdedCarrierHistory = CrowdedCarrierHistory.TestCase
TestCrowdedCarrierHistory.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)

TestCarrierHistory = CarrierHistory.TestCase
TestCarrierHistory.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


class CountingUnity(Unity):
    """Knows how often it was asked."""

    asked = 0

    def as_one(self, party: Party) -> Party:
        """Count, and answer."""
        self.asked += 1
        return super().as_one(party)


@pytest.mark.parametrize("own", [True, False], ids=["pods of one party", "pods of their own"])
def test_the_last_of_a_crowd_costs_what_the_first_did(*, own: bool) -> None:
    """Coming, being asked about, changing sides and going."""
    holders: dict[ObjectKey, Holder] = {}
    unity = CountingUnity()
    carriers = Carriers(holders, unity)
    collisions = Collisions()
    costs: list[int] = []

    def work(holder: Holder, *, add: bool = False, remove: bool = False) -> None:
        before = unity.asked
        if add:
            carriers.add(1, holder.key)
        elif remove:
            carriers.remove(1, holder.key)
        else:
            carriers.move(1, holder.key)
        collisions.judge(1, carriers.colliding_count(1))
        for party in (holder.party, Party("Pod", "ns", "other")):
            carriers.has_owner(1, party)
            carriers.has_party(1, party)
            carriers.other_than(1, party)
        carriers.in_namespace(1, "ns")
        costs.append(unity.asked - before)

    for number in range(1000):
        key = ObjectKey("Pod", "ns", f"pod-{number}")
        holders[key] = Holder(key, "uid", Party("Pod", "ns", "one") if own else Party(*key), (1,))
        work(holders[key], add=True)
    assert collisions.found == ({} if own else {1: 1000})
    for key, holder in holders.items():
        holders[key] = holder._replace(party=Party("VirtualMachineInstance", *key[1:]))
        work(holders[key])
    for holder in list(holders.values()):
        work(holder, remove=True)
    most = max(costs[: 2 * FEW])
    assert max(costs) <= most, "whoever comes when there are many is counted alone"
    assert not carriers._of


def test_an_address_with_one_carrier_takes_no_more_than_a_tuple() -> None:
    """There are tens of thousands of them."""
    key = KEYS[0]
    carriers = Carriers({key: Holder(key, "uid", PARTIES[0], (1,))}, Unity())
    carriers.add(1, key)
    assert carriers._of == {1: (key,)}


def test_a_crowd_is_counted_anew_when_its_parties_become_one() -> None:
    holders = {
        ObjectKey("VirtualMachineInstance", "here", f"i{number}"): Holder(
            ObjectKey("VirtualMachineInstance", "here", f"i{number}"), "uid", Party("VirtualMachine", "here", name), ()
        )
        for number, name in enumerate("ab" * FEW)
    }
    unity = Unity()
    carriers = Carriers(holders, unity)
    for key in holders:
        carriers.add(1, key)
    assert carriers.colliding_count(1) == 2 * FEW
    assert unity.unite({Party("VirtualMachine", "here", "b"): Party("VirtualMachine", "here", "a")})
    carriers.recount(1)
    assert carriers.colliding_count(1) == 0
    assert carriers.other_than(1, Party("VirtualMachine", "here", "b")) is None
