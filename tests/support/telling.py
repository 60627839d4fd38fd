"""What people are told of collisions: the gauge, and Events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


class Concerned(msgspec.Struct, rename="camel", frozen=True):
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Event(msgspec.Struct, rename="camel"):
    """What kubectl shows of an Event."""

    involved_object: Concerned
    reason: str
    type: str
    message: str
    count: int


class _EventList(msgspec.Struct):
    items: list[Event]


async def events_of(cluster: ClusterClient, *namespaces: str) -> list[Event]:
    """The Events of collisions in some namespaces."""
    found: list[Event] = []
    for namespace in namespaces:
        path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason=MACCollision"
        found += (await cluster.get(path, _EventList)).items
    return found


async def until_told(cluster: ClusterClient, message: str, *objects: tuple[str, str, str]) -> list[Event]:
    """Wait until an Event with this message is on each of these objects: kind, namespace and name. Gives all of them.

    There is none on any other object of their namespaces.
    """
    found: list[Event] = []

    async def told() -> bool:
        events = await events_of(cluster, *sorted({namespace for _, namespace, _ in objects}))
        found[:] = [event for event in events if event.message == message]
        concerned = {(each.kind, each.namespace, each.name) for each in (event.involved_object for event in found)}
        assert concerned <= set(objects)
        return concerned == set(objects)

    await eventually(told, f"Events on {objects} say: {message}")
    return found


async def until_shared(installed: Installed, mac: str, count: int | None) -> None:
    """Wait until the gauge of every replica says that so many objects share an address; None for no series at all."""
    series = f"kmp_mac_collisions{{mac={mac}}}"

    async def so() -> bool:
        figures = [await installed.figures(replica) for replica in installed.replicas]
        return all(each and each.get(series) == count for each in figures)

    await eventually(so, f"the gauge says that {count} objects share {mac}")


def collision(mac: str, *objects: str) -> str:
    """What the Events of a collision say."""
    return f"MAC {mac}: Collision between {', '.join(sorted(objects))}"
