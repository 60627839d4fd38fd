"""What is followed in the cluster: pods always, the kinds of KubeVirt while they are there."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.core.population import Population
from kubemacpool.kube.collections import CollectionRead
from kubemacpool.kube.discovery import GroupDiscovery
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import Transport
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.keeping import Keeper
from kubemacpool.ports.measures import Measures
from kubemacpool.ports.watching import Watch
from kubemacpool.service.catching_up import View
from kubemacpool.service.following import Follower
from kubemacpool.service.migrating import MigrationFollower
from kubemacpool.service.presence import OptionalKind, Presence
from kubemacpool.service.proving import Followed
from kubemacpool.service.readiness import Readiness
from kubemacpool.wire.carrying import KUBEVIRT
from kubemacpool.wire.kubevirt import decode_instance, decode_machine
from kubemacpool.wire.migrations import decode_migration
from kubemacpool.wire.objects import Decoded
from kubemacpool.wire.pods import decode_pod

PODS: Final = Resource(
    "/api/v1/pods",
    field_selector="status.phase!=Succeeded,status.phase!=Failed",  # a pod that completes is told as gone (rule 8)
    metadata_only=True,
)


class FollowedCluster:
    """Everything that the ledger is derived from."""

    def __init__(
        self, client: Transport, ledger: Ledger, readiness: Readiness, measures: Measures, clock: Clock
    ) -> None:
        """Put the parts together; nothing runs yet."""
        self._client = client
        self.population = Population(ledger)

        def follower(kind: str) -> Follower:
            return Follower(kind, self.population, readiness, measures, clock)

        self._pod_follower = follower(POD)
        self._pod_follower.begin()
        self._pods = Reflector(client, PODS, decode_pod, self._pod_follower)
        self._machines = {
            VIRTUAL_MACHINE: self._kind("virtualmachines", follower(VIRTUAL_MACHINE), decode_machine),
            VIRTUAL_MACHINE_INSTANCE: self._kind(
                "virtualmachineinstances", follower(VIRTUAL_MACHINE_INSTANCE), decode_instance
            ),
        }
        migrations = self._kind("virtualmachineinstancemigrations", MigrationFollower(ledger), decode_migration)
        self.presence = Presence(GroupDiscovery(client, KUBEVIRT), [*self._machines.values(), migrations], readiness)

    def start(self, keeper: Keeper) -> None:
        """Follow the cluster for as long as the keeper keeps it going."""
        keeper.keep("pods", self._pods.run)
        keeper.keep("presence", lambda: self.presence.run(keeper))

    @property
    def knows_all_machines(self) -> bool:
        """Whether every VirtualMachine and every instance is known."""
        return all(kind.complete for kind in self._machines.values())

    def views(self) -> dict[str, View]:
        """By kind, what has to be as new as the Lease asks."""
        return {
            POD: View(self._pod_follower.progress, self._pods.relist),
            **{kind: View(optional.progress, self._relist(optional)) for kind, optional in self._machines.items()},
        }

    def followed(self) -> Iterator[Followed]:
        """What has to be proven."""
        yield Followed(POD, self._pod_follower.progress, CollectionRead(self._client, PODS))
        for kind, optional in self._machines.items():
            if optional.path is not None:
                yield Followed(kind, optional.progress, CollectionRead(self._client, Resource(optional.path)))

    def _kind(
        self,
        plural: str,
        listener: Any,  # noqa: ANN401 (listener and decoder agree on what an item is)
        decode: Callable[[bytes], Decoded[Any]],
    ) -> OptionalKind:
        def watch(path: str) -> Watch:
            return Reflector(self._client, Resource(path), decode, listener)

        return OptionalKind(plural, listener, watch)

    def _relist(self, kind: OptionalKind) -> Callable[[], Awaitable[None]]:
        async def relist() -> None:
            await self.presence.look()
            await kind.relist()

        return relist
