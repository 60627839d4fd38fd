"""An oracle of families: it looks everything up anew in what exists."""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import strategies as st

from kubemacpool.core.families import OwnerReference
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
        reserved = {owner for key in self.present if (owner := self.owner_of(key)) is not None}
        self.outlived = {life: party for life, party in self.outlived.items() if life in reserved}

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


def owner_for(key: ObjectKey, owner: OwnerReference | None) -> OwnerReference | None:
    """What was drawn, with the kind that may lead the object where it has none."""
    if owner is None or owner.kind:
        return owner
    return owner._replace(kind=LEADS_TO.get(key.kind, POD))
