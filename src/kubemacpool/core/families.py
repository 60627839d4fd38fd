"""Families: objects that live by another one are of its party; controller references say which ones they are.

A reference counts only once the object that it names has been observed with that uid, so a forged one makes nobody
family. It leads from a pod to an instance, and from an instance to a machine: one that leads elsewhere counts for
nothing, so that a chain of references has an end whatever users write. Objects may be observed in any order: one whose
owner is observed later changes its party then.
"""

from typing import Final, NamedTuple

from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, ObjectKey, Party

_OWNERS: Final = {POD: VIRTUAL_MACHINE_INSTANCE, VIRTUAL_MACHINE_INSTANCE: VIRTUAL_MACHINE}
"""By kind, of which kind the object is that another one may belong to."""


class OwnerReference(NamedTuple):
    """The controller that an object says it belongs to; it is in the object's own namespace."""

    kind: str
    name: str
    uid: str


class _Life(NamedTuple):
    """An object from its creation to its end; the next one of its name is another."""

    key: ObjectKey
    uid: str


class _Member(NamedTuple):
    """An object that others may belong to, or that says that it belongs to another."""

    life: _Life
    owner: _Life | None


class Families:
    """Who belongs to whom, by what has been seen."""

    def __init__(self) -> None:
        self._members: dict[ObjectKey, _Member] = {}
        self._led: dict[_Life, Party] = {}  # of objects that others may belong to: whose party these are of
        self._children: dict[_Life, dict[ObjectKey, None]] = {}  # by their owner, whether that was seen or not

    def see(self, key: ObjectKey, uid: str, owner: OwnerReference | None) -> list[ObjectKey]:
        """An object exists; says which other objects have another party since.

        Args:
            key: the object.
            uid: its uid.
            owner: its controller, where it names one that matters.
        """
        member = _Member(_Life(key, uid), _owner(key, owner))
        before = self._members.pop(key, None)
        if member.owner is not None:
            self._children.setdefault(member.owner, {})[key] = None
        if before is not None:
            self._leave(before, member.owner)
        if key.kind == POD and member.owner is None:
            return []
        self._members[key] = member
        return self._lead(member)

    def gone(self, key: ObjectKey) -> None:
        """An object does not exist any more. Those that belonged to it are of its party for as long as they exist."""
        before = self._members.pop(key, None)
        if before is not None:
            self._leave(before)

    def forget(self) -> None:
        """Nothing was seen."""
        self._members.clear()
        self._led.clear()
        self._children.clear()

    def party_of(self, key: ObjectKey) -> Party:
        """Whose addresses an object carries: its own, if it belongs to nobody that was seen."""
        member = self._members.get(key)
        return Party(*key) if member is None else self._party_of(member)

    def party_of_owner(self, namespace: str, owner: OwnerReference) -> Party | None:
        """The party of the owner that an object names; None while that owner has not been observed."""
        return self._led_by(_life(namespace, owner))

    def waits(self, key: ObjectKey) -> bool:
        """Whether an object names a controller that has not been seen, so that it may be of another party soon."""
        member = self._members.get(key)
        return member is not None and member.owner is not None and self._led_by(member.owner) is None

    def _party_of(self, member: _Member) -> Party:
        party = self._led_by(member.owner) if member.owner is not None else None
        return Party(*member.life.key) if party is None else party

    def _led_by(self, owner: _Life) -> Party | None:
        return self._led.get(owner)

    def _lead(self, member: _Member) -> list[ObjectKey]:
        """Bring the party by which others are known that belong to an object up to date; says whose has changed."""
        changed: list[ObjectKey] = []
        heads = [member] if member.life.key.kind != POD else []
        for head in heads:
            party = self._party_of(head)
            if self._led.get(head.life) == party:
                continue
            self._led[head.life] = party
            children = self._children.get(head.life, {})
            changed += children
            heads += [self._members[child] for child in children if child.kind != POD]
        return changed

    def _leave(self, before: _Member, owner_still: _Life | None = None) -> None:
        """Forget what an object was, and whatever is remembered for its sake alone; not whom it belongs to still."""
        if before.life not in self._children:
            self._led.pop(before.life, None)
        owner = before.owner
        if owner is None or owner == owner_still:
            return
        siblings = self._children[owner]
        del siblings[before.life.key]
        if not siblings:
            del self._children[owner]
            if not self._lives(owner):
                self._led.pop(owner, None)

    def _lives(self, life: _Life) -> bool:
        member = self._members.get(life.key)
        return member is not None and member.life == life


def _life(namespace: str, reference: OwnerReference) -> _Life:
    return _Life(ObjectKey(reference.kind, namespace, reference.name), reference.uid)


def _owner(key: ObjectKey, reference: OwnerReference | None) -> _Life | None:
    if reference is None or reference.kind != _OWNERS.get(key.kind):
        return None
    return _life(key.namespace, reference)
