"""Following one kind of object in the cluster: what a watch tells, and what may be asked of it.

A watch is a list followed by events, repeated for as long as the process lives. Whoever listens is told of objects, not
of events: that one is there (again), that one is gone, and how far the view has come. A listener can therefore miss
nothing by being told a thing twice.
"""

from typing import Protocol, TypeVar

from kubemacpool.wire.objects import ObjectIdentity

ItemT_contra = TypeVar("ItemT_contra", contravariant=True)


class WatchListener(Protocol[ItemT_contra]):
    """Hears what a watch sees of one kind. Every method returns at once: it runs inside the reading of the stream."""

    def present(self, identity: ObjectIdentity, item: ItemT_contra, resource_version: int) -> None:
        """The object exists and is of interest. Called again for every change, and for every object of a relist.

        Args:
            identity: which object.
            item: what was read of it.
            resource_version: of the object as it is told.
        """
        ...

    def gone(self, identity: ObjectIdentity) -> None:
        """The object, last told as present, was deleted, or is no longer of interest."""
        ...

    def reached(self, resource_version: int) -> None:
        """Everything up to and including this resourceVersion has been told.

        Called at the end of a list, after each event and for each bookmark. Resource versions of one resource compare
        as integers (KEP-5504).
        """
        ...

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """The object could not be understood and was passed over. Called once per object and reason."""
        ...


class Watch(Protocol):
    """Follows one kind, and tells a listener."""

    async def run(self) -> None:
        """Follow it until cancelled."""
        ...

    async def relist(self) -> None:
        """List afresh; returns when a list that began after the call is complete."""
        ...

    def move(self, path: str) -> None:
        """The kind is served at another path from now on: list it there. What was told before stands until then."""
        ...

    def forget(self) -> None:
        """The kind is not there any more: tell of everything as gone."""
        ...


class ConsistentRead(Protocol):
    """A read that no cache answers."""

    async def newest_resource_version(self) -> int:
        """The resourceVersion of the kind's collection, read consistently (a list with limit 1 and no resourceVersion).

        Raises:
            ClusterUnavailableError: when the API server gives no answer now; asking again later is the remedy.
        """
        ...
