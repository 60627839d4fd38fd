"""The webhooks are in effect from when a replica answers until our namespace goes.

::

    installed ──▶ not in effect: nobody waits for us
                      │ a replica has been ready for long enough that the Service leads to it
                      ▼
                  in effect, whatever becomes of the replicas ──▶ our namespace is being deleted: not in effect

A webhook whose server is not there yet, or no longer, fails what it is asked about. Each webhook therefore has a
matchCondition that asks the authorizer of the API server whether our ServiceAccount has ClusterRole kubemacpool-serving
(and, so that one that has just been started does not take that for a no, whether it knows its roles at all). The
release manifest ships the ClusterRoleBinding without subjects, and whoever applies it again leaves alone what is
written here. Level-based: each look reads what is, so any number of replicas may look at once.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.effect import BINDING, CLUSTER_ROLE_BINDINGS, PREDECESSOR, end_predecessor
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.pacing import Backoff, Bell
from kubemacpool.ports import Clock, NotFoundError, OutsideError
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.effect import decode_leaving
from kubemacpool.wire.objects import ObjectIdentity

SETTLED_SECONDS: Final = 2.0
"""Between the kubelet hearing that the first replica is ready and the webhooks being in effect: for the Pod's status,
the EndpointSlice and every node's kube-proxy, which waits a second between two rounds. Shorter than minReadySeconds of
the Deployment: whoever waits for the rollout finds the webhooks in effect."""

PERIOD_SECONDS: Final = 30.0
"""Between two looks when no event comes."""

_OBSTACLE: Final = "effect"

_log = structlog.get_logger(__name__)


class Switch(Protocol):
    """Whether the webhooks are in effect. Both methods raise the errors of `kubemacpool.ports.errors`."""

    async def read(self) -> bool:
        """Whether they are.

        Raises:
            NotFoundError: there is no such switch.
        """
        ...

    async def write(self, *, in_effect: bool) -> None:
        """Puts them into effect, or out of it."""
        ...


class Following:
    """Hears of one object (implements `WatchListener[bool]`), and whether it is leaving."""

    def __init__(self, bell: Bell) -> None:
        self.leaving = False
        self._bell = bell

    def present(self, identity: ObjectIdentity, item: bool, resource_version: int) -> None:  # noqa: ARG002, FBT001 (the listener's signature)
        """It is there, or has changed."""
        self.leaving = item
        self._bell.ring()

    def gone(self, identity: ObjectIdentity) -> None:  # noqa: ARG002 (the listener's signature)
        """It was deleted."""
        self.leaving = True
        self._bell.ring()

    def reached(self, resource_version: int) -> None:
        """Nothing that would have to be looked at."""

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:  # noqa: ARG002 (the listener's signature)
        """It is there and not understood here; the look may understand it."""
        self._bell.ring()


class EffectKeeper:
    """Puts the webhooks into effect, and out of it, for as long as `run` runs."""

    def __init__(self, switch: Switch, readiness: Readiness, metrics: Metrics, clock: Clock) -> None:
        """Nothing is looked at yet.

        Args:
            switch: whether they are in effect.
            readiness: hindered while they cannot be put into effect: nobody asks us then, and a rollout shows it.
            metrics: learns whether they are in effect.
            clock: the process's own.
        """
        self._switch = switch
        self._metrics = metrics
        self._readiness = readiness
        self._clock = clock
        self._bell = Bell()
        self._failures = Backoff()
        self._trouble = ""
        self._ready_since: float | None = None
        self.binding = Following(self._bell)
        self.namespace = Following(self._bell)

    def telling(self, obstacles: Callable[[], Sequence[str]]) -> Callable[[], Sequence[str]]:
        """The same obstacles, as the kubelet asks for them: with the first answer that there are none, time begins."""

        def told() -> Sequence[str]:
            found = obstacles()
            if not found and self._ready_since is None:
                self._ready_since = self._clock.now()
                self._bell.ring()
            return found

        return told

    async def run(self) -> None:
        """Look whenever there is something new, and now and then; goes on until cancelled."""
        while True:
            self._bell.silence()
            await self._bell.sleep(await self.look())

    async def look(self) -> float:
        """Look once; gives the seconds after which to look again in any case."""
        try:
            pause = await self._look()
        except NotFoundError:  # it was deleted, and nobody asks us
            self._metrics.effect_judged(in_effect=False)
            pause = PERIOD_SECONDS
        except OutsideError as error:
            if str(error) != self._trouble:
                _log.warning("whether the webhooks are in effect cannot be said, trying again", error=str(error))
            self._trouble = str(error)
            return self._failures.next_delay(random.random())  # noqa: S311 (keeps replicas apart, hides nothing)
        self._trouble = ""
        self._failures.succeeded()
        self._readiness.clear(_OBSTACLE)
        return pause

    async def _look(self) -> float:
        in_effect = await self._switch.read()
        self._metrics.effect_judged(in_effect=in_effect)
        if self.namespace.leaving:
            if in_effect:
                await self._switch.write(in_effect=False)
                self._metrics.effect_judged(in_effect=False)
                _log.warning("the webhooks are put out of effect", reason="the namespace is being deleted")
            return PERIOD_SECONDS
        if in_effect or self._ready_since is None:
            return PERIOD_SECONDS
        left = self._ready_since + SETTLED_SECONDS - self._clock.now()
        if left > 0:
            return left
        try:
            await self._switch.write(in_effect=True)
        except OutsideError as error:
            sentence = (
                f"ClusterRoleBinding {BINDING} cannot be written ({error}), so that the webhooks are not in effect"
            )
            self._readiness.hinder(_OBSTACLE, sentence)
            raise
        self._metrics.effect_judged(in_effect=True)
        _log.info("the webhooks are put into effect", role_binding=BINDING)
        return PERIOD_SECONDS


def effect_watches(keeper: EffectKeeper, client: ApiClient, namespace: str) -> Mapping[str, Reflector[bool]]:
    """What watches for changes, by the object's name."""
    watched = {
        BINDING: (
            Resource(CLUSTER_ROLE_BINDINGS, None, f"metadata.name={BINDING}", metadata_only=True),
            keeper.binding,
        ),
        namespace: (
            Resource("/api/v1/namespaces", None, f"metadata.name={namespace}", metadata_only=True),
            keeper.namespace,
        ),
    }
    return {
        name: Reflector(client, resource, decode_leaving, listener) for name, (resource, listener) in watched.items()
    }


async def take_over(client: ApiClient, namespace: str) -> None:
    """End what the Go implementation has left running, so that nobody else writes our caBundles; say so."""
    try:
        await end_predecessor(client, namespace)
    except NotFoundError:
        return
    except OutsideError as error:
        _log.warning("whether a predecessor is left cannot be said", deployment=PREDECESSOR, error=str(error))
        return
    _log.info("the predecessor's certificates are looked after no more", deployment=PREDECESSOR)
