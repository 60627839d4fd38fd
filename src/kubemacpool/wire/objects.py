"""What every Kubernetes object has, an identity and a resourceVersion; and how one that cannot be read is named."""

import re
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from kubemacpool.wire.quoting import quoted

ItemT = TypeVar("ItemT")


class ObjectIdentity(NamedTuple):
    """Which object: `uid` tells apart two that had the same name one after the other."""

    namespace: str
    name: str
    uid: str


class StoredMetadata(msgspec.Struct, gc=False, rename="camel"):
    """What of `metadata` tells which object it is, once it is stored (ObjectMeta of meta/v1)."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""


class Decoded(NamedTuple, Generic[ItemT]):
    """One object as a watch reads it.

    Attributes:
        identity: which object.
        resource_version: of the object as it was read.
        item: what was read of it; None where it is of no interest.
        remnant: what is told instead of an object that was of interest before and is so no longer, though it exists
            still; None where it is as good as gone.
    """

    identity: ObjectIdentity
    resource_version: int
    item: ItemT | None
    remnant: ItemT | None = None


class UnreadableObjectError(Exception):
    """An object whose identity could be read, but whose content is not of the expected shape."""

    def __init__(self, identity: ObjectIdentity, resource_version: int, reason: str) -> None:
        super().__init__(f"{identity.namespace}/{identity.name}: {reason}")
        self.identity = identity
        self.resource_version = resource_version
        self.reason = reason


_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
"""As long as the largest resourceVersion, one of 64 bits."""


def read_resource_version(text: str) -> int | None:
    """A resourceVersion as a number, which KEP-5504 promises it to be; None for anything else."""
    return int(text) if _NUMBER.fullmatch(text) is not None else None


def identify(metadata: StoredMetadata) -> tuple[ObjectIdentity, int]:
    """Which object it is, and its resourceVersion.

    Raises:
        msgspec.ValidationError: when that is no number.
    """
    version = read_resource_version(metadata.resource_version)
    if version is None:
        raise msgspec.ValidationError(f"resourceVersion is {quoted(metadata.resource_version)}, which is no number")
    return ObjectIdentity(metadata.namespace, metadata.name, metadata.uid), version
