"""Secrets: where keys and certificates are kept so that every replica has the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class StoredSecret:
    """A Secret as it is stored. Its content is never part of its text form.

    Attributes:
        data: the content by key, decoded.
        resource_version: to be given with an update.
    """

    data: Mapping[str, bytes] = field(repr=False)
    resource_version: str


class Secrets(Protocol):
    """The Secrets of our namespace. Every method raises the errors of `kubemacpool.ports.errors`."""

    async def read(self, name: str) -> StoredSecret:
        """The Secret of that name.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        """A new Secret of type kubernetes.io/tls, which has to have the keys tls.crt and tls.key.

        Raises:
            ConflictError: there is one of that name; read it, then judge.
        """
        ...

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Sets these keys; whatever else the Secret has is kept.

        Raises:
            ConflictError: it has been changed since `resource_version` was read.
            NotFoundError: it has been deleted.
        """
        ...
