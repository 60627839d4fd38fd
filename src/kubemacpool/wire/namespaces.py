"""Namespaces, as a watch on their metadata shows them: the rules of their own that stand in annotations."""

from typing import Final, NamedTuple

import msgspec

from kubemacpool.wire.objects import Decoded, StoredMetadata, identify

CONFLICT_POLICY: Final = "kubemacpool.io/conflict-policy"
ADDRESS_LIMIT: Final = "kubemacpool.io/address-limit"


class NamespaceRules(NamedTuple):
    """What a namespace has of its own, as it is written; None where it has that of the installation."""

    conflict_policy: str | None = None
    address_limit: str | None = None


class _Annotations(msgspec.Struct, gc=False):
    policy: str | None = msgspec.field(name=CONFLICT_POLICY, default=None)
    limit: str | None = msgspec.field(name=ADDRESS_LIMIT, default=None)


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


_objects: Final = msgspec.json.Decoder(_Object)


def decode_namespace(raw: bytes | msgspec.Raw) -> Decoded[NamespaceRules]:
    """Read the rules of a namespace; no item for one that has none of its own.

    Raises:
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    found = metadata.annotations
    rules = NamespaceRules() if found is None else NamespaceRules(found.policy, found.limit)
    return Decoded(*identify(metadata), rules if any(each is not None for each in rules) else None)
