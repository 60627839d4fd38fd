"""What a run writes: one JSON document. Times are seconds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from chaos.auditing import Duplicate  # noqa: TC001 (msgspec reads the annotations)
from chaos.causes import Cause, Failure, Verdict
from chaos.faults import Kind
from chaos.growth import Growth  # noqa: TC001 (same)
from chaos.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

ROLL = Kind.ROLL.value
LEAST_RATE = 50.0
MOST_P99_SECONDS = 1.0
# Where the machine is so busy that creates take long anyway: the tenant's requests are served by the same processors.
SLOWER = 4
# Well below the memory limit of the container in config/release/kubemacpool.yaml, past which the kernel ends a replica.
MOST_RESIDENT_BYTES = 300 << 20
# Each of three replicas, at level debug, may have a line of 4 KiB to say about a request, and one about its object.
MOST_LOG_BYTES = 3 * 2 * 4096


class Episode(msgspec.Struct, frozen=True):
    """One fault, with the time until everybody was well again."""

    kind: str
    """The kind of fault; empty for none."""
    fault: str
    """For people."""
    begun: float
    """Since the load began."""
    lasted: float
    creates: int
    failures: dict[str, int]
    """By cause."""


class FailedCreate(msgspec.Struct, frozen=True):
    """A create that failed, why, and during what."""

    verdict: Verdict
    during: str
    """The kind of the last fault before."""
    inherited: bool
    """Whether the cause is older than that fault."""
    failure: Failure


class TenantResults(msgspec.Struct, frozen=True, kw_only=True):
    """What the hostile tenant did, and what others felt of it."""

    deeds: dict[str, int]
    answers: dict[int, int]
    """What the API server said to them, by status."""
    p99_before: float
    """Of others' creates, before the tenant moved in."""
    p99_beside: float
    """The same while the tenant was there, and no fault."""
    starts: int
    """Of others' machines."""
    stuck: list[str]
    """Of these, those that did not start however often it was tried."""
    longest_start: float
    """Until the launcher pod was created, those attempts included that a fault struck."""
    peak_bytes: dict[str, int]
    """What each replica had resident at most."""
    log_bytes: int
    """What all replicas wrote."""
    ended: list[str]
    """Replicas that ended by themselves."""

    def targets(self, creates: int) -> list[Target]:
        """Check what has to be so whoever has a namespace."""
        peak = max(self.peak_bytes.values(), default=0)
        a_request = self.log_bytes / max(1, creates + sum(self.deeds.values()))
        return [
            Target("no replica ends by itself", not self.ended, "; ".join(self.ended) or "none did"),
            Target(
                "others' creates beside the tenant: p99 below a second, or four times that before",
                self.p99_beside < max(MOST_P99_SECONDS, SLOWER * self.p99_before),
                f"{self.p99_beside * 1000:.0f} ms, {self.p99_before * 1000:.0f} ms before",
            ),
            Target(
                "others' machines start",
                self.starts > 0 and not self.stuck,
                f"{self.starts} did, the slowest in {self.longest_start:.1f} s; {len(self.stuck)} did not",
            ),
            Target(
                f"no replica has more than {MOST_RESIDENT_BYTES >> 20} MiB",
                peak <= MOST_RESIDENT_BYTES,
                f"{peak >> 20} MiB at most",
            ),
            Target(
                f"logs grow by less than {MOST_LOG_BYTES >> 10} KiB a request",
                a_request < MOST_LOG_BYTES,
                f"{a_request / 1024:.1f} KiB, {self.log_bytes >> 20} MiB in all",
            ),
        ]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run found."""

    command: list[str]
    seed: int
    clients: int
    replicas: int
    load_seconds: float
    creates: dict[str, int]
    """By outcome."""
    longest_create: float
    """Of those that were allocated or refused."""
    webhook_timeout: float
    episodes: list[Episode]
    failed: list[FailedCreate]
    duplicates: list[Duplicate]
    untruths: list[str]
    leaks: list[str]
    watch_gaps: int
    """How often the audit's watch had to list again: between, a duplicate might have come and gone."""
    tenant: TenantResults | None = None
    """None where there was none."""
    growth: Growth | None = None
    """None where it was not watched what grows."""

    @property
    def rate(self) -> float:
        """Creates a second, refused and failed ones with them."""
        return sum(self.creates.values()) / self.load_seconds if self.load_seconds else 0.0

    def failures(self) -> dict[Cause, int]:
        """Failed creates by cause."""
        counts = Counter(failed.verdict.cause for failed in self.failed)
        return {cause: counts[cause] for cause in Cause}

    def targets(self) -> list[Target]:
        """Check what has to be so."""
        other = self.failures()[Cause.OTHER]
        rolling = sum(
            failed.during == ROLL and not failed.inherited and failed.verdict.cause is not Cause.IN_DOUBT
            for failed in self.failed
        )
        return [
            Target("no address held by two parties", not self.duplicates, f"{len(self.duplicates)} duplicates"),
            Target("nothing leaked after the bound", not self.leaks, "; ".join(self.leaks) or "nothing"),
            Target("refusals and allocations are as told", not self.untruths, f"{len(self.untruths)} that are not"),
            Target("no create fails for any other cause", other == 0, f"{other} did"),
            Target("no create fails in a graceful rolling", rolling == 0, f"{rolling} did"),
            Target(
                "the longest create takes less than the webhook's time-out",
                self.longest_create < self.webhook_timeout,
                f"{self.longest_create:.2f} s of {self.webhook_timeout:.0f} s",
            ),
            *(self.tenant.targets(sum(self.creates.values())) if self.tenant is not None else ()),
            *(self.growth.targets() if self.growth is not None else ()),
        ]

    def write(self, path: Path) -> None:
        """Write it for other programs."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
