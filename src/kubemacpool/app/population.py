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
from kubemacpool.service.rebuilding import Rebuilder
from kubemacpool.service.setting_aside import ForgivingListener, SettingAside, Trials
from kubemacpool.wire.carrying import KUBEVIRT
from kubemacpool.wire.kubevirt import NOT_OURS, NetworkKind, decoders
from kubemacpool.wire.migrations import decode_migration
from kubemacpool.wire.objects import Decoded, ItemT
from kubemacpool.wire.pods import pod_decoder

PODS: Final = Resource(
    "/api/v1/pods",
    field_selector="status.phase!=Succeeded,status.phase!=Failed",  # a pod that completes is told as gone (rule 8)
    metadata_only=True,
)

MIGRATION: Final = "VirtualMachineInstanceMigration"


class FollowedCluster:
    """Everything that the ledger is derived from."""

    def __init__(
        self,
        client: Transport,
        ledger: Ledger,
        readiness: Readiness,
        measures: Measures,
        clock: Clock,
        passed_over: frozenset[NetworkKind] = NOT_OURS,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            client: the API server.
            ledger: what is derived.
            readiness: hindered until all is known.
            measures: told of what cannot be read.
            clock: the process's own.
            passed_over: on what kinds of network the addresses of virtual machines do not count.
        """
        self.on_rewind: Callable[[str], None] = lambda _: None
        """Called with the reason, when a list shows that the cluster was restored from a backup."""
        self._client = client
        self._measures = measures
        self._trials = Trials(clock)
        self.population = Population(ledger)
        self.rebuilder = Rebuilder(self._forget, self._relists, readiness)

        def follower(kind: str) -> Follower:
            return Follower(kind, self.population, readiness, measures, clock)

        self._pod_follower = follower(POD)
        self._pod_follower.begin()
        self._pods = self._reflector(PODS, pod_decoder(pod_network=not passed_over), self._pod_follower, POD)
        machine, instance = decoders(passed_over)
        self._machines = {
            VIRTUAL_MACHINE: self._kind(VIRTUAL_MACHINE, "virtualmachines", follower(VIRTUAL_MACHINE), machine),
            VIRTUAL_MACHINE_INSTANCE: self._kind(
                VIRTUAL_MACHINE_INSTANCE, "virtualmachineinstances", follower(VIRTUAL_MACHINE_INSTANCE), instance
            ),
        }
        self._migrating = MigrationFollower(ledger)
        self._migrations = self._kind(MIGRATION, "virtualmachineinstancemigrations", self._migrating, decode_migration)
        optional = [*self._machines.values(), self._migrations]
        self.presence = Presence(GroupDiscovery(client, KUBEVIRT), optional, readiness, clock)

    def start(self, keeper: Keeper) -> None:
        """Follow the cluster for as long as the keeper keeps it going."""
        keeper.keep("pods", self._pods.run)
        keeper.keep("rebuilding", self.rebuilder.run)
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
        yield Followed(POD, self._pod_follower.progress, CollectionRead(self._client, PODS), self._pods.relist)
        for kind, optional in self._machines.items():
            if optional.path is not None:
                newest = CollectionRead(self._client, Resource(optional.path))
                yield Followed(kind, optional.progress, newest, self._relist(optional))

    def _forget(self) -> None:
        """Nothing was seen."""
        self._migrating.forget()
        self.population.begin_anew()

    def _relists(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """By which everything is told again."""
        yield self._pods.relist
        for optional in (*self._machines.values(), self._migrations):
            yield optional.relist

    def _guarded(self, kind: str, listener: ForgivingListener[ItemT]) -> SettingAside[ItemT]:
        """A listener whose failures cost nothing but the object that it failed at."""
        return SettingAside(kind, listener, self.rebuilder.tear, self._trials, self._measures)

    def _kind(
        self,
        kind: str,
        plural: str,
        listener: Any,  # noqa: ANN401 (listener and decoder agree on what an item is)
        decode: Callable[[bytes], Decoded[Any]],
    ) -> OptionalKind:
        def watch(path: str) -> Watch:
            return self._reflector(Resource(path), decode, listener, kind)

        return OptionalKind(plural, listener, watch)

    def _reflector(
        self,
        resource: Resource,
        decode: Callable[[bytes], Decoded[Any]],
        listener: Any,  # noqa: ANN401 (listener and decoder agree on what an item is)
        kind: str,
    ) -> Reflector[Any]:
        def rewound(version: int, reason: str) -> None:
            self.population.ledger.rewind(kind, version)
            self.on_rewind(reason)

        reflector = Reflector(self._client, resource, decode, self._guarded(kind, listener))
        reflector.on_idle, reflector.on_rewind = listener.progress.idle, rewound
        return reflector

    def _relist(self, kind: OptionalKind) -> Callable[[], Awaitable[None]]:
        async def relist() -> None:
            await self.presence.look()
            await kind.relist()

        return relist
