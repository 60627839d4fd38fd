"""What a watch has brought so far, as much of it as later events need: who is present, who was complained about.

A list says what is there; that something is *gone* is said by its absence. So the identities of the interesting objects
are remembered, and only theirs: twenty thousand objects of no interest cost nothing here.
"""

from collections import OrderedDict
from typing import Generic

from kubemacpool.ports import WatchListener
from kubemacpool.wire.objects import Decoded, ItemT, ObjectIdentity

# An object is complained about once. So many complaints are remembered; with more broken objects than that, the oldest
# may be told again.
REMEMBERED_COMPLAINTS = 4096

_Key = tuple[str, str]


class View(Generic[ItemT]):
    """Turns lists and events into calls of a listener."""

    def __init__(self, listener: WatchListener[ItemT]) -> None:
        self._listener = listener
        self._present: dict[_Key, str] = {}
        self._complaints: OrderedDict[_Key, str] = OrderedDict()
        self._unconfirmed: set[_Key] | None = None
        self._unconfirmed_complaints: set[_Key] = set()

    @property
    def size(self) -> int:
        """How many objects are present."""
        return len(self._present)

    def begin_list(self) -> None:
        """A list begins, perhaps after another one that was never completed."""
        self._unconfirmed = set(self._present)
        self._unconfirmed_complaints = set(self._complaints)

    def complete_list(self, resource_version: int) -> None:
        """The list is complete: what was not in it is gone."""
        for namespace, name in self._unconfirmed or ():
            self._leave((namespace, name))
        for key in self._unconfirmed_complaints:
            self._complaints.pop(key, None)
        self._unconfirmed = None
        self._unconfirmed_complaints = set()
        self._listener.reached(resource_version)

    def see(self, decoded: Decoded[ItemT]) -> None:
        """An object is there, in a list or by an event."""
        identity = decoded.identity
        key = (identity.namespace, identity.name)
        self._complaints.pop(key, None)
        item = decoded.item
        if item is None and self._present.get(key) == identity.uid:
            item = decoded.remnant
        if item is None:
            self._leave(key)
            return
        self._succeed(key, identity.uid)
        self._present[key] = identity.uid
        self._confirm(key)
        self._listener.present(identity, item, decoded.resource_version)

    def see_unreadable(self, identity: ObjectIdentity, reason: str) -> bool:
        """An object is there that cannot be decoded. What was known of it before stands: it may well be so still.

        Returns whether that is reported now, and was not before.
        """
        key = (identity.namespace, identity.name)
        self._succeed(key, identity.uid)
        self._confirm(key)
        if self._complaints.get(key) == reason:
            return False
        self._complaints[key] = reason
        self._complaints.move_to_end(key)
        if len(self._complaints) > REMEMBERED_COMPLAINTS:
            self._complaints.popitem(last=False)
        self._listener.unreadable(identity, reason)
        return True

    def forget(self, identity: ObjectIdentity) -> None:
        """An object was deleted."""
        key = (identity.namespace, identity.name)
        self._complaints.pop(key, None)
        self._leave(key)

    def forget_all(self) -> None:
        """Nothing is there any more."""
        for key in list(self._present):
            self._leave(key)
        self._complaints.clear()

    def reach(self, resource_version: int) -> None:
        """Everything up to here has been passed on."""
        self._listener.reached(resource_version)

    def _succeed(self, key: _Key, uid: str) -> None:
        """The object that had the name before is gone, and the listener learns that first."""
        if uid and self._present.get(key, uid) != uid:
            self._leave(key)

    def _leave(self, key: _Key) -> None:
        uid = self._present.pop(key, None)
        if uid is not None:
            self._listener.gone(ObjectIdentity(*key, uid))

    def _confirm(self, key: _Key) -> None:
        if self._unconfirmed is not None:
            self._unconfirmed.discard(key)
            self._unconfirmed_complaints.discard(key)
