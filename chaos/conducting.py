"""The run: load from beginning to end, one fault after the other, and the accounts after each."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from chaos.auditing import Auditor, duplicates_in
from chaos.causes import Attribution
from chaos.claims import Claims
from chaos.cluster import UnexpectedError
from chaos.faults import drawn
from chaos.following import LeaseFollower, PodFollower
from chaos.inflicting import Impossible, Inflicter
from chaos.load import Load, Plan
from chaos.results import Episode, FailedCreate, Results
from chaos.stage import WAIT_SECONDS, WEBHOOK_TIMEOUT_SECONDS, Stage
from chaos.suspicion import Suspicion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos.causes import Loss
    from chaos.faults import Fault, Kind

POLL_SECONDS = 0.1
WARM_UP_SECONDS = 2.0
# A create's failure may be known a moment before the end of its connection.
NOTES_SECONDS = 0.5
# For everybody to be ready after a fault; past it, the next one strikes all the same if two are.
RECOVERY_SECONDS = 15.0
LEAST_READY = 2
# Beyond the bound, until the decider is sure that its watch has passed it: while pods come and go, seconds.
PROOF_SECONDS = 3.0
# For what was never seen to end.
SETTLE_SECONDS = WAIT_SECONDS + 15.0
AUDIT_SECONDS = 10.0
QUIET = None
ADDRESSES = "kubemacpool_addresses{{state={}}}"


class Extent(NamedTuple):
    """How much is done."""

    seconds: float
    seed: int
    kinds: Sequence[Kind]
    load: Plan


class Conductor:
    """One run on a stage."""

    def __init__(self, stage: Stage, extent: Extent, progress: Callable[[str], None]) -> None:
        """Begin nothing yet."""
        self._stage = stage
        self._extent = extent
        self._progress = progress
        self._auditor = Auditor()
        claims = Claims(float(WAIT_SECONDS))
        suspicion = Suspicion(WAIT_SECONDS + PROOF_SECONDS)
        self._pods = PodFollower(stage.cluster, self._auditor, claims)
        self._lease = LeaseFollower(stage.cluster, suspicion)
        self._load = Load(stage.cluster, self._auditor, claims, extent.load, extent.seed)
        self._inflicter = Inflicter(stage)
        self._attribution = Attribution(self._inflicter.outages, self._inflicter.downtimes, suspicion)
        self._episodes: list[Episode] = []
        self._failed: list[FailedCreate] = []
        self._leaks: list[str] = []
        self._began = 0.0

    async def run(self) -> Results:
        """Do everything, and return what was found."""
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(each.run()) for each in (self._pods, self._lease)]
            self._began = time.monotonic()
            creating = tasks.create_task(self._load.run())
            await asyncio.sleep(WARM_UP_SECONDS)
            await self._account(QUIET, self._began, 0)
            for fault in drawn(self._extent.seed, self._extent.kinds):
                if time.monotonic() - self._began >= self._extent.seconds:
                    break
                await self._episode(fault)
            before, ending = self._load.creates, time.monotonic()
            self._load.end()
            await creating
            await self._account(QUIET, ending, before)
            await self._settle()
            await self._compare()
            for task in following:
                task.cancel()
        return self._results(ending - self._began)

    async def _episode(self, fault: Fault) -> None:
        begun, before = time.monotonic(), self._load.creates
        try:
            await self._inflict(fault)
        except Impossible:
            self._progress(f"{fault}: nobody to do it to")
            await asyncio.sleep(POLL_SECONDS)
            return
        await self._recover()
        # Creates that the fault has struck belong to it, not to the next one.
        await self._load.quiet(time.monotonic())
        await self._account(fault, begun, before)

    async def _inflict(self, fault: Fault) -> None:
        while True:
            try:
                await self._inflicter.inflict(fault)
            except UnexpectedError:  # the API server has just been restarted
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def _recover(self) -> None:
        """Wait until every replica is ready and one of them decides."""
        until = time.monotonic() + RECOVERY_SECONDS
        while True:
            ready = self._stage.ready_replicas()
            decided = await self._decider() in ready
            overdue = time.monotonic() > until
            if decided and len(ready) >= (LEAST_READY if overdue else self._stage.wanted):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _decider(self) -> int | None:
        try:
            return await self._stage.decider()
        except UnexpectedError:
            return None

    async def _account(self, fault: Fault | None, begun: float, before: int) -> None:
        """Say what came of a fault: failed creates by cause, and the audit."""
        await asyncio.sleep(NOTES_SECONDS)
        self._attribution.learn(self._take_losses())
        failures: Counter[str] = Counter()
        for failure in self._load.failures:
            verdict = self._attribution.judge(failure)
            failures[verdict.cause] += 1
            during = "" if fault is None else fault.kind.value
            self._failed.append(FailedCreate(verdict, during, verdict.since < begun, failure))
        self._load.failures.clear()
        self._load.check_refusals()
        try:
            listed = await self._stage.cluster.pods()
        except UnexpectedError as error:
            self._progress(f"not audited by a list: {error}")
        else:
            version = int(listed.metadata.resource_version)
            known = {duplicate.address for duplicate in self._auditor.duplicates}
            for duplicate in duplicates_in(listed.carriers(), version):
                if duplicate.address not in known:
                    self._auditor.duplicates.append(duplicate)
        now, creates = time.monotonic(), self._load.creates - before
        title = "no fault" if fault is None else str(fault)
        kind = "" if fault is None else fault.kind.value
        self._episodes.append(Episode(kind, title, begun - self._began, now - begun, creates, dict(failures)))
        failed = ", ".join(f"{count} {cause}" for cause, count in failures.items()) or "none"
        self._progress(
            f"{title}: over after {now - begun:.1f} s; {creates} creates, failed: {failed}; "
            f"duplicates: {len(self._auditor.duplicates)}; pods: {len(self._auditor.live)}"
        )

    def _take_losses(self) -> list[Loss]:
        losses, self._stage.proxy.losses[:] = list(self._stage.proxy.losses), []
        return losses

    async def _settle(self) -> None:
        """Nothing is created any more: every figure has to come down to what the pods carry."""
        self._progress(f"waiting up to {SETTLE_SECONDS:.0f} s for what was never seen to end")
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            await self._load.stir()
            self._leaks = await self._unsettled()
            if not self._leaks or time.monotonic() > until:
                return
            await asyncio.sleep(POLL_SECONDS * 5)

    async def _unsettled(self) -> list[str]:
        """What differs from what the pods carry, a sentence each."""
        decider = await self._decider()
        found = []
        for port, replica in sorted(self._stage.ready_replicas().items()):
            figures = await self._stage.metrics(replica)
            wanted = {"held": self._auditor.addresses} | ({"pending": 0, "suspect": 0} if port == decider else {})
            found += [
                f"{replica.name} says {figures[ADDRESSES.format(state)]:.0f} {state}, not {count}"
                for state, count in wanted.items()
                if figures[ADDRESSES.format(state)] != count
            ]
            if figures["kubevirt_kmp_duplicate_macs"]:
                found.append(f"{replica.name} sees {figures['kubevirt_kmp_duplicate_macs']:.0f} duplicates")
        return found if decider is not None else [*found, "nobody decides"]

    async def _compare(self) -> None:
        """Make sure that the watch has told the audit everything: it has to end with what a list says."""
        until = time.monotonic() + AUDIT_SECONDS
        while True:
            listed = {pod.uid for pod in (await self._stage.cluster.pods()).carriers()}
            if listed == set(self._auditor.live):
                return
            if time.monotonic() > until:
                self._leaks.append(f"the audit's watch and a list differ in {len(listed ^ set(self._auditor.live))}")
                return
            await asyncio.sleep(POLL_SECONDS)

    def _results(self, lasted: float) -> Results:
        return Results(
            command=sys.argv,
            seed=self._extent.seed,
            clients=self._extent.load.clients,
            replicas=self._stage.wanted,
            load_seconds=lasted,
            creates=dict(self._load.counts),
            longest_create=self._load.longest,
            webhook_timeout=float(WEBHOOK_TIMEOUT_SECONDS),
            episodes=self._episodes,
            failed=self._failed,
            duplicates=self._auditor.duplicates,
            untruths=self._load.untruths,
            leaks=self._leaks,
            watch_gaps=self._pods.gaps,
        )
