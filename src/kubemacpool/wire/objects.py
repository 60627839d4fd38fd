"""What every Kubernetes object has, an identity and a resourceVersion; and how one that cannot be read is named."""

from typing import Generic, NamedTuple, TypeVar

ItemT = TypeVar("ItemT")


class ObjectIdentity(NamedTuple):
    """Which object: `uid` tells apart two that had the same name one after the other."""

    namespace: str
    name: str
    uid: str


class Decoded(NamedTuple, Generic[ItemT]):
    """One object as a watch reads it; `item` is None where it is of no interest."""

    identity: ObjectIdentity
    resource_version: int
    item: ItemT | None


class UnreadableObjectError(Exception):
    """An object whose identity could be read, but whose content is not of the expected shape."""

    def __init__(self, identity: ObjectIdentity, resource_version: int, reason: str) -> None:
        super().__init__(f"{identity.namespace}/{identity.name}: {reason}")
        self.identity = identity
        self.resource_version = resource_version
        self.reason = reason
