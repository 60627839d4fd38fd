"""Namespaces, as a watch on their metadata shows them: the conflict policy that stands in an annotation."""

from typing import Final

import msgspec

from kubemacpool.wire.objects import Decoded, StoredMetadata, identify

CONFLICT_POLICY: Final = "kubemacpool.io/conflict-policy"


class _Annotations(msgspec.Struct, gc=False):
    policy: str | None = msgspec.field(name=CONFLICT_POLICY, default=None)


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


_objects: Final = msgspec.json.Decoder(_Object)


def decode_namespace(raw: bytes | msgspec.Raw) -> Decoded[str]:
    """Read the conflict policy of a namespace; no item for one that has none of its own.

    Raises:
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    policy = metadata.annotations.policy if metadata.annotations is not None else None
    return Decoded(*identify(metadata), policy)
