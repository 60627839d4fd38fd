"""Families after whatever history: as found by whoever looks at what is there, and nothing left when nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.core.family_oracle import FamilyOracle, Present, keys, owner_for, owners, uids

from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import POD

if TYPE_CHECKING:
    from kubemacpool.core.parties import ObjectKey, Party


class FamilyHistory(RuleBasedStateMachine):
    """Objects come, change and go as nobody would expect."""

    def __init__(self) -> None:
        super().__init__()
        self.families = Families()
        self.oracle = FamilyOracle()
        self.told: dict[ObjectKey, Party] = {}

    @rule(key=keys, uid=uids, owner=owners)
    def see(self, key: ObjectKey, uid: str, owner: OwnerReference | None) -> None:
        """It is there, be it new, changed or in the place of another."""
        owner = owner_for(key, owner)
        changed = self.families.see(key, uid, owner)
        self.oracle.put(key, Present(uid, owner))
        assert all(self.told[each] != self.families.party_of(each) for each in changed), "nobody is told without need"
        for each in (key, *changed):
            self.told[each] = self.families.party_of(each)

    @rule(key=keys)
    def go(self, key: ObjectKey) -> None:
        """It is not."""
        self.families.gone(key)
        self.oracle.put(key, None)
        self.told.pop(key, None)

    @invariant()
    def everybody_is_of_the_party_that_the_present_objects_make_them(self) -> None:
        """And whoever listened to what was told knows it too."""
        for key, present in self.oracle.present.items():
            assert self.told[key] == self.families.party_of(key) == self.oracle.party_of(key), key
            life = self.oracle.owner_of(key)
            assert self.families.waits(key) == (life is not None and self.oracle.led_by(life) is None), key
            as_owner = OwnerReference(key.kind, key.name, present.uid)
            expected = None if key.kind == POD else self.oracle.party_of(key)
            assert self.families.party_of_owner(key.namespace, as_owner) == expected, key

    def teardown(self) -> None:
        """All go, and nothing is remembered."""
        for key in self.oracle.present:
            self.families.gone(key)
        assert [vars(self.families)[name] for name in ("_members", "_led", "_children")] == [{}, {}, {}]


TestFamilyHistory = FamilyHistory.TestCase
TestFamilyHistory.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
