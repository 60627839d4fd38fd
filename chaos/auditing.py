"""Finding addresses that two pods carry at once, in all that the API server ever tells of pods. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


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
    """Follows every pod in the order of the resourceVersions, and remembers each duplicate, however short it lasted.

    Args:
        sharing: namespaces whose pods may share addresses among themselves, and with nobody else.
    """

    def __init__(self, sharing: Collection[str] = ()) -> None:
        self.live: dict[str, Carrier] = {}
        """By uid, in the order in which they came: the pods that share with nobody."""
        self.sharing: dict[str, Carrier] = {}
        """The others, with what their interfaces are reported to have, whatever their annotation says."""
        self.duplicates: list[Duplicate] = []
        self._namespaces = frozenset(sharing)
        self._plugged: dict[str, frozenset[str]] = {}
        self._carriers: dict[str, set[str]] = {}

    @property
    def addresses(self) -> int:
        """How many addresses are carried now."""
        return len(self._carriers)

    @property
    def everybody(self) -> dict[str, Carrier]:
        """Every pod that there is, by uid."""
        return {**self.live, **self.sharing}

    def interfaces(self) -> list[str]:
        """The addresses of running pods which may share, whether their annotation says so still or not."""
        return [address for uid, pod in self.sharing.items() if uid in self._plugged for address in pod.addresses]

    def plug(self, uid: str, addresses: Iterable[str], resource_version: int) -> None:
        """A running pod has interfaces with these addresses, until it ends, whatever its annotation says later.

        What its annotation says beside was never reported to be an interface's: it counts for as long as it is said.
        """
        self._plugged[uid] = self._plugged.get(uid, frozenset()).union(addresses)
        pod = self.everybody.get(uid)
        if pod is not None:
            self.present(pod, resource_version)

    def present(self, pod: Carrier, resource_version: int) -> None:
        """A pod was created, or changed."""
        known = self.sharing if pod.namespace in self._namespaces else self.live
        before = known.get(pod.uid)
        had = frozenset() if before is None else before.addresses
        pod = pod._replace(addresses=pod.addresses | self._plugged.get(pod.uid, frozenset()))
        if before is not None:
            self._leave(before, had - pod.addresses)
        known[pod.uid] = pod
        for address in pod.addresses - had:
            carriers = self._carriers.setdefault(address, set())
            carriers.add(pod.uid)
            if len(carriers) > 1 and not carriers <= self.sharing.keys():
                everybody = self.everybody
                holders = tuple(sorted(f"{everybody[uid].title} ({uid})" for uid in carriers))
                self.duplicates.append(Duplicate(address, holders, resource_version))

    def gone(self, uid: str) -> None:
        """A pod was deleted."""
        self._plugged.pop(uid, None)
        before = self.live.pop(uid, None) or self.sharing.pop(uid, None)
        if before is not None:
            self._leave(before, before.addresses)

    def replace(self, pods: Iterable[Carrier], resource_version: int) -> None:
        """The watch missed something, and these are all there are: what is missing went before what is new came."""
        listed = {pod.uid: pod for pod in pods}
        for uid in self.everybody.keys() - listed.keys():
            self.gone(uid)
        for pod in listed.values():
            self.present(pod, resource_version)

    def _leave(self, pod: Carrier, addresses: Iterable[str]) -> None:
        for address in addresses:
            carriers = self._carriers[address]
            carriers.discard(pod.uid)
            if not carriers:
                del self._carriers[address]


def duplicates_in(pods: Iterable[Carrier], resource_version: int, sharing: Collection[str] = ()) -> list[Duplicate]:
    """Every address that two of these pods carry, unless both are in a namespace whose pods may share."""
    auditor = Auditor(sharing)
    auditor.replace(pods, resource_version)
    return auditor.duplicates
