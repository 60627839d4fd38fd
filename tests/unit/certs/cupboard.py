"""Secrets in memory."""

from collections.abc import Mapping

from kubemacpool.ports import ConflictError, NotFoundError, RefusedError, StoredSecret


class Cupboard:
    """Secrets in memory, with the conflicts of the real ones."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredSecret] = {}
        self.writes: list[str] = []
        self.rehearsed: list[str] = []
        self.refuses = ""
        """Why writes are refused; empty where they are not."""

    @classmethod
    def over(cls, other: "Cupboard") -> "Cupboard":
        """The same Secrets, read and written by somebody else."""
        same = cls()
        same.stored, same.writes = other.stored, other.writes
        return same

    async def read(self, name: str) -> StoredSecret:
        """The Secret, if it is there."""
        if name not in self.stored:
            raise NotFoundError(name)
        return self.stored[name]

    async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        """A new one."""
        if name in self.stored:
            raise ConflictError(name)
        return self._put(name, data)

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Another content, if it is still the same."""
        if (await self.read(name)).resource_version != resource_version:
            raise ConflictError(name)
        return self._put(name, {**self.stored[name].data, **data})

    async def rehearse(self, name: str, resource_version: str) -> None:
        """As an update would be judged."""
        self.rehearsed.append(name)
        if (await self.read(name)).resource_version != resource_version:
            raise ConflictError(name)
        if self.refuses:
            raise RefusedError(self.refuses)

    def _put(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        self.writes.append(name)
        self.stored[name] = StoredSecret(dict(data), str(len(self.writes)))
        return self.stored[name]
