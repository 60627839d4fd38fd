"""When the webhooks are put into effect, and when out of it, one look at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from structlog.testing import capture_logs
from tests.unit.doubles import ManualClock

from kubemacpool.effect import PERIOD_SECONDS, SETTLED_SECONDS, EffectKeeper
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import ClusterUnavailableError, NotFoundError
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.objects import ObjectIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = ObjectIdentity("", "kubemacpool-system", "u")


class Binding:
    """The switch in memory."""

    def __init__(self) -> None:
        self.in_effect = False
        self.unreadable: Exception | None = None
        self.unwritable: Exception | None = None

    async def read(self) -> bool:
        """As it is."""
        if self.unreadable is not None:
            raise self.unreadable
        return self.in_effect

    async def write(self, *, in_effect: bool) -> None:
        """As it is to be."""
        if self.unwritable is not None:
            raise self.unwritable
        self.in_effect = in_effect


class Scene(NamedTuple):
    """One replica, and the switch."""

    keeper: EffectKeeper
    binding: Binding
    readiness: Readiness
    metrics: Metrics
    clock: ManualClock

    def shown(self) -> bool:
        """What the gauge says."""
        return b"kubemacpool_webhooks_in_effect 1.0" in self.metrics.exposition()[0]

    def answer_the_kubelet(self) -> None:
        """Tell that nothing is missing."""
        assert self.keeper.telling(lambda: ())() == ()

    async def settle(self) -> None:
        """Have been ready for long enough, and look."""
        self.answer_the_kubelet()
        self.clock.advance(SETTLED_SECONDS)
        await self.keeper.look()


def started() -> Scene:
    """A replica that has not told anybody that it is ready."""
    binding, readiness, metrics, clock = Binding(), Readiness(), Metrics(), ManualClock()
    return Scene(EffectKeeper(binding, readiness, metrics, clock), binding, readiness, metrics, clock)


async def test_a_replica_that_is_not_ready_does_not_put_them_into_effect() -> None:
    scene = started()
    assert scene.keeper.telling(lambda: ("no range",))() == ("no range",)
    scene.clock.advance(SETTLED_SECONDS)
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert not scene.binding.in_effect


async def test_a_replica_that_was_ready_for_a_while_puts_them_into_effect() -> None:
    scene = started()
    scene.answer_the_kubelet()
    scene.clock.advance(SETTLED_SECONDS / 2)
    scene.answer_the_kubelet()  # time goes on from the first answer
    assert await scene.keeper.look() == SETTLED_SECONDS / 2
    assert not scene.binding.in_effect
    scene.clock.advance(SETTLED_SECONDS / 2)
    assert not scene.shown()
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert scene.shown()
    assert scene.binding.in_effect


async def test_they_are_put_out_of_effect_when_the_namespace_is_being_deleted_and_stay_so() -> None:
    scene = started()
    await scene.settle()
    scene.keeper.namespace.present(NAMESPACE, item=True, resource_version=1)
    await scene.keeper.look()
    assert not scene.binding.in_effect
    assert not scene.shown()
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert not scene.binding.in_effect


async def test_a_namespace_that_is_gone_was_being_deleted() -> None:
    scene = started()
    await scene.settle()
    scene.keeper.namespace.gone(NAMESPACE)
    await scene.keeper.look()
    assert not scene.binding.in_effect


async def test_a_switch_that_is_not_there_is_shown_and_hinders_nothing() -> None:
    scene = started()
    await scene.settle()
    scene.binding.unreadable = NotFoundError("kubemacpool-serving")
    await scene.keeper.look()
    assert not scene.shown()
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert scene.readiness.obstacles == ()


async def test_what_cannot_be_written_is_told_and_tried_again() -> None:
    scene = started()
    scene.binding.unwritable = ClusterUnavailableError("403 Forbidden")
    scene.answer_the_kubelet()
    scene.clock.advance(SETTLED_SECONDS)
    with capture_logs() as logs:
        assert 0 < await scene.keeper.look() < PERIOD_SECONDS
        await scene.keeper.look()
    assert len(logs) == 1
    (said,) = scene.readiness.obstacles
    assert said == (
        "ClusterRoleBinding kubemacpool-serving cannot be written (403 Forbidden), "
        "so that the webhooks are not in effect"
    )
    scene.binding.unwritable = None
    await scene.keeper.look()
    assert scene.binding.in_effect
    assert scene.readiness.obstacles == ()


async def test_what_cannot_be_read_hinders_nothing_for_it_may_well_be_in_effect() -> None:
    scene = started()
    scene.binding.unreadable = ClusterUnavailableError("503")
    scene.answer_the_kubelet()
    scene.clock.advance(SETTLED_SECONDS)
    assert await scene.keeper.look() < PERIOD_SECONDS
    assert scene.readiness.obstacles == ()


async def test_whatever_a_watch_brings_makes_it_look_at_once() -> None:
    scene = started()
    await scene.settle()
    running = asyncio.create_task(scene.keeper.run())
    binding = scene.keeper.binding
    rings: list[Callable[[], None]] = [
        lambda: binding.present(NAMESPACE, item=False, resource_version=2),
        lambda: binding.unreadable(NAMESPACE, "odd"),
    ]
    try:
        for ring in rings:
            await asyncio.sleep(0.01)
            scene.binding.in_effect = False
            binding.reached(2)
            ring()
            async with asyncio.timeout(5):
                while not scene.binding.in_effect:  # noqa: ASYNC110 (there is no event for it)
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
