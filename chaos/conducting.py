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
from chaos.doubt import Doubt
from chaos.faults import ENDING, drawn
from chaos.following import LeaseFollower, PodFollower
from chaos.growth import Sampler
from chaos.inflicting import Impossible, Inflicter
from chaos.load import Load, Plan
from chaos.results import Episode, FailedCreate, Results, TenantResults
from chaos.stage import WAIT_SECONDS, WEBHOOK_TIMEOUT_SECONDS, Stage
from chaos.starting import Starter
from chaos.tenant import NAMESPACES, Tenant
from chaos.weighing import Weigher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.prometheus import Prometheus

    from chaos.causes import Loss
    from chaos.faults import Fault, Kind
    from chaos.growth import Growth

POLL_SECONDS = 0.1
WARM_UP_SECONDS = 2.0
# Before the tenant moves in, and beside it before the first fault: 600 creates and more, by which a p99 is known.
TENANT_WARM_UP_SECONDS = 10.0
TENANT_ALONE_SECONDS = 15.0
# One account of what happened without a fault.
QUIET_SECONDS = 10.0
# A create's failure may be known a moment before the end of its connection.
NOTES_SECONDS = 0.5
# For everybody to be ready after a fault; past it, the next one strikes all the same if two are.
RECOVERY_SECONDS = 15.0
LEAST_READY = 2
# Beyond the bound, until the leader is sure that its watch has passed it: while pods come and go, seconds; more where
# the machine is busy, and the fault that follows holds up its watches.
PROOF_SECONDS = 10.0
# What came to nothing is spoken of until the leader's watches have passed the bound, and a fault may hold them up.
DELAY_SECONDS = 20.0
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
    """Of faults; none, for the tenant to be alone."""
    load: Plan
    tenant: bool = True
    """Whether a hostile tenant is there."""
    soak: bool = False
    """Whether it is watched what grows."""


class Conductor:
    """One run on a stage."""

    def __init__(
        self, stage: Stage, extent: Extent, progress: Callable[[str], None], prometheus: Prometheus | None = None
    ) -> None:
        """Begin nothing yet; `prometheus` scrapes the replicas meanwhile."""
        self._stage = stage
        self._extent = extent
        self._progress = progress
        self._auditor = Auditor(NAMESPACES)
        claims = Claims(WAIT_SECONDS + DELAY_SECONDS)
        doubt = Doubt(WAIT_SECONDS + PROOF_SECONDS)
        self._pods = PodFollower(stage.cluster, self._auditor, claims)
        self._lease = LeaseFollower(stage.cluster, doubt)
        self._load = Load(stage.cluster, self._auditor, claims, extent.load, extent.seed)
        self._inflicter = Inflicter(stage)
        self._weigher = Weigher(stage.replicas)
        self._sampler = Sampler(stage, prometheus) if extent.soak else None
        self._starter = Starter(stage.cluster, extent.seed)
        self._tenant = Tenant(
            stage.cluster, self._auditor, claims, stage.webhook_urls, self._starter.addresses, stage.strangers_address
        )
        self._moved_in: float | None = None
        self._quiet: list[tuple[float, float]] = []
        self._attribution = Attribution(
            self._inflicter.outages, self._inflicter.downtimes, self._inflicter.delays, doubt
        )
        self._episodes: list[Episode] = []
        self._failed: list[FailedCreate] = []
        self._leaks: list[str] = []
        self._began = 0.0

    async def run(self) -> Results:
        """Do everything, and return what was found."""
        async with asyncio.TaskGroup() as tasks:
            followers = [each for each in (self._pods, self._lease, self._weigher, self._sampler) if each is not None]
            following = [tasks.create_task(each.run()) for each in followers]
            self._began = time.monotonic()
            creating = [tasks.create_task(self._load.run())]
            if self._extent.tenant:
                await self._pass(TENANT_WARM_UP_SECONDS)
                creating += await self._let_in(tasks)
                await self._pass(TENANT_ALONE_SECONDS)
            else:
                await self._pass(WARM_UP_SECONDS)
            for fault in drawn(self._extent.seed, self._extent.kinds) if self._extent.kinds else ():
                if self._left <= 0:
                    break
                await self._episode(fault)
            while self._left > 0:
                await self._pass(min(QUIET_SECONDS, self._left))
            before, ending = self._load.creates, time.monotonic()
            for each in (self._load, self._tenant, self._starter):
                each.end()
            await asyncio.gather(*creating)
            await self._account(QUIET, ending, before)
            self._weigher.look()
            growth = None if self._sampler is None else self._sampler.growth()
            if self._extent.tenant:
                await self._tenant.move_out()
                await self._starter.tear_down()
            await self._settle()
            await self._compare()
            for task in following:
                task.cancel()
        return self._results(ending - self._began, growth)

    @property
    def _left(self) -> float:
        return self._began + self._extent.seconds - time.monotonic()

    async def _let_in(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Have others make their machines, and the tenant move in."""
        await self._starter.set_up()
        await self._tenant.move_in()
        self._moved_in = time.monotonic()
        self._progress("a hostile tenant has moved in")
        return [tasks.create_task(self._tenant.run(self._extent.seed)), tasks.create_task(self._starter.run())]

    async def _pass(self, seconds: float) -> None:
        """Let time pass without a fault, and account for it."""
        begun, before = time.monotonic(), self._load.creates
        await asyncio.sleep(seconds)
        self._quiet.append((begun, time.monotonic()))
        await self._account(QUIET, begun, before)

    async def _episode(self, fault: Fault) -> None:
        begun, before = time.monotonic(), self._load.creates
        self._weigher.excused = fault.kind in ENDING
        try:
            await self._inflict(fault)
        except Impossible:
            self._progress(f"{fault}: nobody to do it to")
            await asyncio.sleep(POLL_SECONDS)
            return
        finally:
            self._weigher.look()
            self._weigher.excused = False
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
        """Wait until every replica is ready and one of them leads."""
        until = time.monotonic() + RECOVERY_SECONDS
        while True:
            ready = self._stage.ready_replicas()
            decided = await self._leader() in ready
            overdue = time.monotonic() > until
            if decided and len(ready) >= (LEAST_READY if overdue else self._stage.wanted):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _leader(self) -> int | None:
        try:
            return await self._stage.leader()
        except UnexpectedError:
            return None

    async def _account(self, fault: Fault | None, begun: float, before: int) -> None:
        """Say what came of a fault: failed creates by cause, and the audit."""
        await asyncio.sleep(NOTES_SECONDS)
        self._attribution.learn(self._take_losses())
        failures: Counter[str] = Counter()
        failures_found = sorted([*self._load.failures, *self._starter.failures], key=lambda each: each.answered)
        for failure in failures_found:
            verdict = self._attribution.judge(failure)
            failures[verdict.cause] += 1
            during = "" if fault is None else fault.kind.value
            self._failed.append(FailedCreate(verdict, during, verdict.since < begun, failure))
        self._load.failures.clear()
        self._starter.failures.clear()
        self._load.check_refusals()
        try:
            listed = await self._stage.cluster.pods()
        except UnexpectedError as error:
            self._progress(f"not audited by a list: {error}")
        else:
            version = int(listed.metadata.resource_version)
            known = {duplicate.address for duplicate in self._auditor.duplicates}
            for duplicate in duplicates_in(listed.carriers(), version, NAMESPACES):
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
            await self._starter.stir()
            self._leaks = await self._unsettled()
            if not self._leaks or time.monotonic() > until:
                return
            await asyncio.sleep(POLL_SECONDS * 5)

    async def _unsettled(self) -> list[str]:
        """What differs from what the pods carry, a sentence each."""
        leader = await self._leader()
        found = []
        for port, replica in sorted(self._stage.ready_replicas().items()):
            figures = await self._stage.metrics(replica)
            wanted = {"held": self._auditor.addresses} | ({"in_flight": 0, "in_doubt": 0} if port == leader else {})
            found += [
                f"{replica.name} says {figures[ADDRESSES.format(state)]:.0f} {state}, not {count}"
                for state, count in wanted.items()
                if figures[ADDRESSES.format(state)] != count
            ]
            if figures["kubevirt_kmp_duplicate_macs"]:
                found.append(f"{replica.name} sees {figures['kubevirt_kmp_duplicate_macs']:.0f} duplicates")
        return found if leader is not None else [*found, "nobody leads"]

    async def _compare(self) -> None:
        """Make sure that the watch has told the audit everything: it has to end with what a list says."""
        until = time.monotonic() + AUDIT_SECONDS
        while True:
            listed = {pod.uid for pod in (await self._stage.cluster.pods()).carriers()}
            if listed == set(self._auditor.everybody):
                return
            if time.monotonic() > until:
                self._leaks.append(
                    f"the audit's watch and a list differ in {len(listed ^ set(self._auditor.everybody))}"
                )
                return
            await asyncio.sleep(POLL_SECONDS)

    def _results(self, lasted: float, growth: Growth | None) -> Results:
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
            untruths=[*self._load.untruths, *self._starter.untruths],
            leaks=self._leaks,
            watch_gaps=self._pods.gaps,
            tenant=self._tenant_results(),
            growth=growth,
        )

    def _tenant_results(self) -> TenantResults | None:
        moved_in = self._moved_in
        if moved_in is None:
            return None
        beside = [window for window in self._quiet if window[0] >= moved_in]
        return TenantResults(
            deeds=dict(sorted(self._tenant.counts.items())),
            answers=dict(sorted(self._tenant.answers.items())),
            p99_before=self._p99([window for window in self._quiet if window[1] <= moved_in]),
            p99_beside=self._p99(beside),
            starts=self._starter.starts,
            stuck=self._starter.stuck,
            longest_start=self._starter.longest,
            peak_bytes=self._weigher.peak,
            log_bytes=self._weigher.log_bytes,
            ended=self._weigher.ended,
        )

    def _p99(self, windows: list[tuple[float, float]]) -> float:
        """Of the seconds that creates took which were sent within these."""
        took = sorted(
            seconds for sent, seconds in self._load.times if any(begin <= sent < end for begin, end in windows)
        )
        return took[int(0.99 * len(took))] if took else 0.0
