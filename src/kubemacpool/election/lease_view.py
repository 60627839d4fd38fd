"""What this replica knows of the Lease, since when, and for how long nobody has held it."""

import structlog

from kubemacpool.election.timing import LEASE_SECONDS
from kubemacpool.ports import Clock
from kubemacpool.wire.lease import LeaseRecord


class Vacancy:
    """Counts the time in which nobody is known to decide. It begins with nobody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before = 0.0
        self._since: float | None = clock.now()

    @property
    def seconds(self) -> float:
        """Altogether, until now."""
        return self._before + (0.0 if self._since is None else self._clock.now() - self._since)

    def see(self, *, somebody: bool) -> None:
        """Somebody leads from now on, or nobody does; said again, it changes nothing."""
        if somebody:
            self._before, self._since = self.seconds, None
        elif self._since is None:
            self._since = self._clock.now()

    def reach_back(self, since: float) -> None:
        """Nobody has decided since then already, as is known only now."""
        until = self._clock.now() if self._since is None else self._since
        self._before += max(0.0, until - since)


_log = structlog.get_logger(__name__)


class LeaseView:
    """The Lease as it was last read or watched, and whether what it said was lost.

    Args:
        identity: of this replica.
        in_flight_bound: after so many seconds nothing that was allocated and not observed can be in flight any more.
        clock: the process's own.
    """

    def __init__(self, identity: str, in_flight_bound: float, clock: Clock) -> None:
        self._identity = identity
        self._in_flight_bound = in_flight_bound
        self._clock = clock
        self.record: LeaseRecord | None = None
        """What it says; None while there is none, or while none has been read yet."""
        self.observed_at = clock.now()
        """When that was learnt."""
        self._newest = 0
        self.lost_since: float | None = None
        """Since when nobody knows what was allocated before; None while somebody does."""
        self._lost_until = 0.0
        self._holder_may_return = False
        self._outdated = False
        self.says_too_little = False
        """Whether it was lost since we last decided, and so may not ask for all that has to be seen (rule 4)."""

    def is_news(self, record: LeaseRecord) -> bool:
        """Whether this is a later state of the Lease than is known, or was before the Lease was deleted."""
        return int(record.resource_version) > self._newest

    def is_end_of_another(self, record: LeaseRecord) -> bool:
        """Whether somebody took the Lease over from a replica, other than this one, that had not handed it over."""
        known = self.record
        return known is not None and known.holder not in {"", self._identity} and record.transitions > known.transitions

    def note(self, record: LeaseRecord) -> None:
        """This is how the Lease is now."""
        self.record = record
        self._newest = int(record.resource_version)
        self.observed_at = self._clock.now()
        # A Lease that nobody has held yet says nothing of what was allocated. Nor does one that cannot be read, but
        # its holder may have allocated until now: another wait begins when that one is silent. The first that is seen
        # after a restore from a backup is older than what was allocated; a replica that writes then has waited, or has
        # never heard of it.
        if self._outdated:
            self._outdated = False
        elif record.transitions > 0:
            self.lost_since = None
            if self._holder_may_return:
                self._lost_until = 0.0

    def forget(self) -> None:
        """There is no Lease."""
        self.record = None

    def rewind(self) -> None:
        """The Lease is not the one that was known: what is seen of it next is older, whatever its resourceVersion."""
        self.record = None
        self._newest = 0
        self._outdated = True

    def is_rewound(self, record: LeaseRecord) -> bool:
        """Whether this, answered to a request that was made when the Lease was as is known, is an earlier state."""
        return int(record.resource_version) < self._newest

    def lose(self, reason: str, stopped: float, *, holder_may_return: bool = False) -> bool:
        """What was allocated lately is not known any more; says whether it was until now.

        Args:
            reason: why not, a sentence that names the object.
            stopped: when the leader until now has stopped at the latest. A replica that is cut off does not
                hear of a loss, and goes on until its own clock stops it.
            holder_may_return: whether nothing was lost should the last holder renew the Lease again.
        """
        if self.lost_since is not None:
            return False
        self._holder_may_return = holder_may_return
        self.lost_since = self._clock.now()
        self._lost_until = max(self._lost_until, stopped + self._in_flight_bound)
        self.says_too_little = True
        _log.warning(
            "nobody knows what was allocated lately: waiting until nothing of it can be on its way",
            reason=reason,
            seconds=self.lost_left,
        )
        return True

    def acquire(self) -> None:
        """The Lease is ours, by a write that everything that was to be waited for has preceded."""
        self._lost_until = 0.0

    @property
    def transitions(self) -> int:
        """How often the Lease has changed hands."""
        return 0 if self.record is None else self.record.transitions

    @property
    def others_left(self) -> float:
        """Seconds for which another replica holds the Lease: as long as it says, or as long as we would be silent."""
        record = self.record
        if record is None or record.holder in {"", self._identity}:
            return 0.0
        return self.observed_at + max(record.duration, LEASE_SECONDS) - self._clock.now()

    @property
    def others_endpoint(self) -> str | None:
        """Where the replica is reached that holds it; None while no other does."""
        return (self.record.endpoint or None) if self.record is not None and self.others_left > 0 else None

    @property
    def lost_left(self) -> float:
        """Seconds until nothing that was allocated before the last loss can be in flight; 0 or less if nothing can."""
        return self._lost_until - self._clock.now()
