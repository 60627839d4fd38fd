"""Finding addresses that two pods carry at once, in all that the API server ever tells of pods. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Carrier(NamedTuple):
    """A pod as it is stored."""

    uid: str
    namespace: str
    name: str
    addresses: frozenset[str]

    @property
    def title(self) -> str:
        """As messages name it."""
        return f"Pod {self.namespace}/{self.name}"


class Duplicate(msgspec.Struct, frozen=True):
    """Two pods that carried one address at the same time."""

    address: str
    holders: tuple[str, ...]
    resource_version: int
    """From which on both did."""


class Auditor:
    """Follows every pod in the order of the resourceVersions, and remembers each duplicate, however short it lasted."""

    def __init__(self) -> None:
        self.live: dict[str, Carrier] = {}
        """By uid, in the order in which they came."""
        self.duplicates: list[Duplicate] = []
        self._carriers: dict[str, set[str]] = {}

    @property
    def addresses(self) -> int:
        """How many addresses are carried now."""
        return len(self._carriers)

    def present(self, pod: Carrier, resource_version: int) -> None:
        """A pod was created, or changed."""
        before = self.live.get(pod.uid)
        if before is not None:
            self._leave(before, before.addresses - pod.addresses)
        self.live[pod.uid] = pod
        for address in pod.addresses - (before.addresses if before is not None else frozenset()):
            carriers = self._carriers.setdefault(address, set())
            carriers.add(pod.uid)
            if len(carriers) > 1:
                holders = tuple(sorted(f"{self.live[uid].title} ({uid})" for uid in carriers))
                self.duplicates.append(Duplicate(address, holders, resource_version))

    def gone(self, uid: str) -> None:
        """A pod was deleted."""
        before = self.live.pop(uid, None)
        if before is not None:
            self._leave(before, before.addresses)

    def replace(self, pods: Iterable[Carrier], resource_version: int) -> None:
        """The watch missed something, and these are all there are: what is missing went before what is new came."""
        listed = {pod.uid: pod for pod in pods}
        for uid in self.live.keys() - listed.keys():
            self.gone(uid)
        for pod in listed.values():
            self.present(pod, resource_version)

    def _leave(self, pod: Carrier, addresses: Iterable[str]) -> None:
        for address in addresses:
            carriers = self._carriers[address]
            carriers.discard(pod.uid)
            if not carriers:
                del self._carriers[address]


def duplicates_in(pods: Iterable[Carrier], resource_version: int) -> list[Duplicate]:
    """Every address that two of these pods carry."""
    auditor = Auditor()
    auditor.replace(pods, resource_version)
    return auditor.duplicates
