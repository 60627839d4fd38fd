"""The protocols by which a replica reaches the outside, and the errors that cross them. No I/O."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeVar

from kubemacpool.core.requests import Unreserved
from kubemacpool.wire.api_objects import WebhookBundles
from kubemacpool.wire.lease import LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.review import Answer


class OutsideError(Exception):
    """Something outside did not go as asked."""


class ClusterUnavailableError(OutsideError):
    """The API server did not answer, or asked to be left alone for now.

    Attributes:
        retry_after: seconds for which the API server asked to be left alone, None where it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConflictError(OutsideError):
    """The object changed or exists already."""


class NotFoundError(OutsideError):
    """The object, or its kind, is not there."""


class ResourceExpiredError(OutsideError):
    """The resourceVersion or continue token asked for is no longer kept."""


class RefusedError(OutsideError):
    """The API server understood and said no."""


class Clock(Protocol):
    """A monotonic clock. Time of day may jump; nothing that the pool decides depends on it."""

    def now(self) -> float:
        """Seconds since a fixed moment in the past; never decreases while the process lives."""
        ...


class Importance(enum.Enum):
    """What it means that a task has failed."""

    VITAL = "vital"
    """It cannot be restarted: this replica releases the Lease and ends."""
    NEEDED = "needed"
    """Without it this replica is not ready. One that fails again and again makes it release the Lease and end."""
    USEFUL = "useful"
    """Nobody is served worse without it: it is started again for as long as it takes."""


class Keeper(Protocol):
    """Keeps tasks going."""

    def keep(
        self, name: str, work: Callable[[], Awaitable[None]], importance: Importance = Importance.NEEDED
    ) -> asyncio.Task[None]:
        """Do this until it returns; when it fails, do it again after a while.

        Args:
            name: for people; a constant.
            work: what is done. Called again after a failure, so it has to begin from whatever it has left.
            importance: what it means when it fails.

        Returns:
            The task that goes on across failures; to be cancelled when it is needed no more.
        """
        ...


class Catalogue(Protocol):
    """The resources of one API group."""

    async def resources(self) -> Mapping[str, str]:
        """By plural, the path of every resource of the group, in the version that the API server prefers.

        Empty while the group is not served at all.

        Raises:
            OutsideError: the API server did not say.
        """
        ...

    async def serves(self, path: str) -> bool:
        """Whether the collection of a path is there, as that says itself.

        Raises:
            OutsideError: the API server did not say.
        """
        ...


ItemT_contra = TypeVar("ItemT_contra", contravariant=True)


class WatchListener(Protocol[ItemT_contra]):
    """Hears what a watch sees of one kind. Every method returns at once: it runs inside the reading of the stream."""

    def present(self, identity: ObjectIdentity, item: ItemT_contra, resource_version: int) -> None:
        """The object exists and is of interest. Called again for every change, and for every object of a relist.

        Args:
            identity: which object.
            item: what was read of it.
            resource_version: of the object as observed.
        """
        ...

    def gone(self, identity: ObjectIdentity) -> None:
        """The object, last known as present, was deleted, or is no longer of interest."""
        ...

    def reached(self, resource_version: int) -> None:
        """Everything up to and including this resourceVersion has been passed on.

        Called at the end of a list, after each event and for each bookmark. Resource versions of one resource compare
        as integers (KEP-5504).
        """
        ...

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """The object could not be understood and was passed over. Called once per object and reason."""
        ...


class Watch(Protocol):
    """Follows one kind for a listener."""

    async def run(self) -> None:
        """Follow it until cancelled."""
        ...

    async def relist(self) -> None:
        """List afresh; returns when a list that began after the call is complete."""
        ...

    def move(self, path: str) -> None:
        """The kind is served at another path from now on: list it there. What was observed before stands until then."""
        ...

    def forget(self) -> None:
        """The kind is not there any more: everything is gone."""
        ...


class ConsistentRead(Protocol):
    """A read that no cache answers."""

    async def newest_resource_version(self) -> int:
        """The resourceVersion of the kind's collection, read consistently (a list with limit 1 and no resourceVersion).

        Raises:
            ClusterUnavailableError: when the API server gives no answer now; asking again later is the remedy.
        """
        ...


class Regarding(NamedTuple):
    """The object that an Event is about; `namespace` is empty for kinds that have none, `uid` where it is not known."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Events(Protocol):
    """Warnings for people. Losing one is no failure: nothing that the pool decides depends on them."""

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Tells of something that a person should look at. Returns at once and never fails.

        The same thing reported again within some minutes is counted, not repeated.

        Args:
            regarding: the object in question.
            reason: one word in CamelCase, such as InvalidRange.
            message: one sentence; cut at 1024 bytes.
        """
        ...


Outcome = Literal["untouched", "allocated", "refused", "invalid", "exhausted", "unavailable", "malformed"]
"""How an admission ended: nothing to do; addresses allocated; an address refused; the annotation wrong; pool full;
nobody could decide; not a review at all."""


Forwarding = Literal["answered", "misdirected", "failed"]
"""How the handing on of a review ended: the leader answered; the other replica does not lead; nobody was reached."""


RefusalReason = Literal["held", "in_flight", "twice", "unusable", "limit", "exhausted", "invalid"]
"""Why an object was refused: an address in use by another party, or allocated to one a moment ago; given twice; one
that nobody can have; the namespace's limit; pool full; the annotation, the specification or the name wrong."""


Choice = Literal["automatic", "given"]
"""Who chose an address that was allocated: we did; the object gave it, or a sticky pod's name did."""


class Followed(Protocol):
    """A resource that is followed, as far as it is shown to people."""

    @property
    def silent_seconds(self) -> float | None:
        """Since the API server was last heard of it; None where it is not followed any more."""
        ...

    @property
    def lists(self) -> int:
        """How often it was listed completely."""
        ...


class Measures(Protocol):
    """Takes figures as they arise. Must be cheap: it is called inside admissions."""

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered, this long after its body had been read."""
        ...

    def refused(self, reason: RefusalReason) -> None:
        """One object was refused; where several of its addresses were, for the first one's reason."""
        ...

    def allocated(self, choice: Choice, addresses: int) -> None:
        """So many addresses were allocated to an object, and no dry run."""
        ...

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was forwarded to the leader."""
        ...

    def follow(self, resource: str, followed: Followed) -> None:
        """A resource is followed by this from now on; what there is to show of it is read when it is asked for."""
        ...

    def range_judged(self, *, valid: bool) -> None:
        """The range in the ConfigMap was read, and is in force or not."""
        ...

    def unreadable(self, kind: str) -> None:
        """An object of this kind could not be read, and was passed over."""
        ...

    def event_dropped(self, reason: str) -> None:
        """An Event with this reason was not written, because there are too many."""
        ...

    def set_aside(self, kind: str, objects: int) -> None:
        """So many objects of this kind are set aside now, because taking them in failed."""
        ...

    def task_restarted(self, task: str) -> None:
        """A task that goes on for as long as the process lives has failed, and was started again."""
        ...


class LeaseStore(Protocol):
    """Reads and writes the one Lease. Every method raises the errors of `kubemacpool.ports.errors`."""

    async def read(self) -> LeaseRecord:
        """The Lease as it is now, past every cache.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def create(self) -> LeaseRecord:
        """A new Lease that nobody holds.

        Raises:
            ConflictError: there is one; read it.
        """
        ...

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:
        """Makes the Lease say this, if it still has the record's resourceVersion; gives it as it was stored.

        Args:
            record: what it is to say.
            acquired: whether this takes the Lease over.

        Raises:
            ConflictError: it was changed since; by oneself perhaps, in a write whose answer was lost.
            NotFoundError: it was deleted.
        """
        ...


@dataclass(frozen=True)
class StoredSecret:
    """A Secret as it is stored. Its content is never part of its text form.

    Attributes:
        data: the content by key, decoded.
        resource_version: to be given with an update.
        kept_by: the Certificate of cert-manager for which that keeps it; empty where it does not.
    """

    data: Mapping[str, bytes] = field(repr=False)
    resource_version: str
    kept_by: str = ""


class Secrets(Protocol):
    """The Secrets of our namespace. Every method raises the errors of `kubemacpool.ports.errors`."""

    async def read(self, name: str) -> StoredSecret:
        """The Secret of that name.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        """A new Secret of type kubernetes.io/tls, which has to have the keys tls.crt and tls.key.

        Raises:
            ConflictError: there is one of that name; read it, then judge.
        """
        ...

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Sets these keys; whatever else the Secret has is kept.

        Raises:
            ConflictError: it has been changed since `resource_version` was read.
            NotFoundError: it has been deleted.
        """
        ...

    async def rehearse(self, name: str, resource_version: str) -> None:
        """Asks whether it could be updated, and changes nothing.

        Raises:
            RefusedError: it could not.
            OutsideError: that cannot be said now.
        """
        ...


class WebhookTrust(Protocol):
    """The caBundles of our webhooks. Both methods raise the errors of `kubemacpool.ports.errors`."""

    async def read(self) -> WebhookBundles:
        """The caBundle of every webhook.

        Raises:
            NotFoundError: there is no such configuration.
        """
        ...

    async def write(self, found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> None:
        """Gives the webhooks at these places this caBundle.

        Args:
            found: the configuration as it was read.
            places: in `found.bundles`.
            ca_pem: whom to trust.

        Raises:
            ConflictError: the configuration has been changed since.
            NotFoundError: it has been deleted.
        """
        ...

    async def rehearse(self, found: WebhookBundles) -> None:
        """Asks whether they could be written, and changes nothing.

        Raises:
            RefusedError: they could not.
            OutsideError: that cannot be said now.
        """
        ...


class PeerError(Exception):
    """The other replica gave no answer: not reached, broken off, or too late. The message says which."""


class UnreachableError(PeerError):
    """The other replica has taken nothing: there was no connection to it, or it does not know us for a replica."""


class Peer(Protocol):
    """Reaches other replicas."""

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """The other replica's answer to a review.

        Args:
            endpoint: its host and port, as the Lease has them.
            path: where the review was sent to.
            body: the review, as it came.
            seconds: how long to wait at most.

        Raises:
            PeerError: there is no answer. The other replica may have decided nevertheless, so addresses may be in
                flight.
        """
        ...


class RetryLaterError(Exception):
    """Nobody can decide now, though waiting will help; the message says what is waited for.

    Attributes:
        elsewhere: whether another replica had better be asked then.
    """

    def __init__(self, message: str, *, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere


class Leadership(Protocol):
    """Which replica leads, as the election knows it, and what the leader may do."""

    @property
    def leading(self) -> bool:
        """Whether this replica does."""
        ...

    @property
    def leader_endpoint(self) -> str | None:
        """Where another one is reached that does; None where none is known."""
        ...

    @property
    def out_of_touch(self) -> bool:
        """Whether this replica has heard nothing for so long that the others may well know of one."""
        ...

    @property
    def seconds_since_renewal(self) -> float:
        """Since the Lease was last renewed, as far as this replica knows."""
        ...

    async def until_changed(self, seconds: float) -> None:
        """Returns when that has changed, or after so many seconds."""
        ...

    def check(self) -> None:
        """Returns if this replica may allocate at this moment (rule 6).

        Raises:
            RetryLaterError: it may not; the message says what is waited for.
        """
        ...

    def extend_soon(self) -> None:
        """Tells that little is left of the block for automatic requests. Returns at once."""
        ...

    async def reserve(self, unreserved: Unreserved) -> None:
        """Returns when a confirmed write of the Lease has taken this into account. Requests share writes.

        Raises:
            RetryLaterError: it could not be written, this replica leads no more, or too much is in flight.
        """
        ...
