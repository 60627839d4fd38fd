"""Families after whatever history: as found by whoever looks at what is there, and nothing left when nothing is."""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, ObjectKey, Party

KINDS: Final = (POD, VIRTUAL_MACHINE_INSTANCE, VIRTUAL_MACHINE)
LEADS_TO: Final = {POD: VIRTUAL_MACHINE_INSTANCE, VIRTUAL_MACHINE_INSTANCE: VIRTUAL_MACHINE}

kinds = st.sampled_from(KINDS)
names = st.sampled_from("aaab")
uids = st.sampled_from("1112")
"""So few that one is used again and again, also by objects of other names and kinds."""

keys = st.builds(ObjectKey, kinds, st.sampled_from(("ns", "ns", "ns", "elsewhere")), names)
owners = st.none() | st.builds(OwnerReference, st.sampled_from(("", "", "", *KINDS)), names, uids)
"""Without a kind it is of that which may lead the object."""


class Present(NamedTuple):
    """An object that exists."""

    uid: str
    owner: OwnerReference | None


class FamilyOracle:
    """Looks everything up anew in what exists; besides it knows what became of those that children have outlived."""

    def __init__(self) -> None:
        self.present: dict[ObjectKey, Present] = {}
        self.outlived: dict[tuple[ObjectKey, str], Party] = {}

    def put(self, key: ObjectKey, present: Present | None) -> None:
        """An object is like this from now on; None where it does not exist any more."""
        before = self.present.get(key)
        if before is not None and key.kind != POD and (present is None or present.uid != before.uid):
            self.outlived[key, before.uid] = self.party_of(key)
        if present is None:
            self.present.pop(key, None)
        else:
            self.present[key] = present
            self.outlived.pop((key, present.uid), None)
        named = {owner for key in self.present if (owner := self.owner_of(key)) is not None}
        self.outlived = {life: party for life, party in self.outlived.items() if life in named}

    def owner_of(self, key: ObjectKey) -> tuple[ObjectKey, str] | None:
        """Whom an object says it belongs to, if that may be."""
        owner = self.present[key].owner
        if owner is None or LEADS_TO.get(key.kind) != owner.kind:
            return None
        return ObjectKey(owner.kind, key.namespace, owner.name), owner.uid

    def led_by(self, life: tuple[ObjectKey, str] | None) -> Party | None:
        """Whose those are that belong to an object; None where it was not seen."""
        if life is None:
            return None
        key, uid = life
        if key in self.present and self.present[key].uid == uid:
            return self.party_of(key)
        return self.outlived.get(life)

    def party_of(self, key: ObjectKey) -> Party:
        """Whose an object is."""
        if key not in self.present:
            return Party(*key)
        return self.led_by(self.owner_of(key)) or Party(*key)


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
        if owner is not None and not owner.kind:
            owner = owner._replace(kind=LEADS_TO.get(key.kind, POD))
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
