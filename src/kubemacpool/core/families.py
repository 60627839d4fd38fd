"""Families: objects that live by another one are of its party; which ones they are is told by controller references.

A reference counts only once the object that it names has been seen with that uid, so a forged one makes nobody family.
Objects may be told in any order: an object whose owner is told later changes its party then.
"""

from typing import NamedTuple

from kubemacpool.core.parties import ObjectKey, Party


class OwnerReference(NamedTuple):
    """The controller that an object says it belongs to; it is in the object's own namespace."""

    kind: str
    name: str
    uid: str


class _Member(NamedTuple):
    """An object that owns, or says that it is owned."""

    uid: str
    owner: OwnerReference | None


class Families:
    """Who belongs to whom, by what has been seen."""

    def __init__(self) -> None:
        self._members: dict[ObjectKey, _Member] = {}
        self._heads: dict[str, tuple[ObjectKey, Party]] = {}  # by uid: an object that others may belong to
        self._children: dict[str, dict[ObjectKey, None]] = {}  # by the owner's uid, whether that was seen or not

    def see(self, key: ObjectKey, uid: str, owner: OwnerReference | None, *, heads: bool) -> list[ObjectKey]:
        """An object exists; says which other objects have another party since.

        Args:
            key: the object.
            uid: its uid.
            owner: its controller, where it names one that matters.
            heads: whether other objects may belong to it.
        """
        member = _Member(uid, owner)
        before = self._members.get(key)
        if before != member:
            self._leave(key, before)
            if owner is not None:
                self._children.setdefault(owner.uid, {})[key] = None
        if heads or owner is not None:
            self._members[key] = member
        return self._lead(key) if heads else []

    def gone(self, key: ObjectKey) -> None:
        """An object does not exist any more. Those that belonged to it are of its party for as long as they exist."""
        self._leave(key, self._members.pop(key, None))

    def party_of(self, key: ObjectKey) -> Party:
        """Whose addresses an object carries: its own, if it belongs to nobody that was seen."""
        member = self._members.get(key)
        owner = member.owner if member is not None else None
        party = self.party_of_owner(key.namespace, owner) if owner is not None else None
        return Party(*key) if party is None else party

    def party_of_owner(self, namespace: str, owner: OwnerReference) -> Party | None:
        """The party of whoever an object says it belongs to; None while that one has not been seen."""
        head = self._heads.get(owner.uid)
        if head is None or head[0] != ObjectKey(owner.kind, namespace, owner.name):
            return None
        return head[1]

    def waits(self, key: ObjectKey) -> bool:
        """Whether an object names a controller that has not been seen, so that it may be of another party soon."""
        member = self._members.get(key)
        owner = member.owner if member is not None else None
        return owner is not None and self.party_of_owner(key.namespace, owner) is None

    def _lead(self, key: ObjectKey) -> list[ObjectKey]:
        """Bring the party by which others are known that belong to an object up to date; says whose has changed."""
        changed: list[ObjectKey] = []
        waiting = [key]
        while waiting:
            head = waiting.pop()
            member = self._members[head]
            now = (head, self.party_of(head))
            if self._heads.get(member.uid) == now:
                continue
            self._heads[member.uid] = now
            children = list(self._children.get(member.uid, ()))
            changed += children
            waiting += [child for child in children if self._members[child].uid in self._heads]
        return changed

    def _leave(self, key: ObjectKey, member: _Member | None) -> None:
        """Forget what an object was, and whatever is remembered for its sake alone."""
        if member is None:
            return
        if member.uid not in self._children:
            self._heads.pop(member.uid, None)
        if member.owner is None:
            return
        siblings = self._children[member.owner.uid]
        del siblings[key]
        if not siblings:
            del self._children[member.owner.uid]
            if not self._exists(member.owner.uid):
                self._heads.pop(member.owner.uid, None)

    def _exists(self, uid: str) -> bool:
        head = self._heads.get(uid)
        member = self._members.get(head[0]) if head is not None else None
        return member is not None and member.uid == uid
