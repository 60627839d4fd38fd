"""Any object that is stored, of which nothing matters but that it is there and has changed."""

from typing import Final

import msgspec

from kubemacpool.wire.objects import Decoded, StoredMetadata, identify


class _Object(msgspec.Struct, gc=False):
    metadata: StoredMetadata


_objects: Final = msgspec.json.Decoder(_Object)


def decode_stored(raw: bytes) -> Decoded[str]:
    """Read which object it is; its name stands for the rest.

    Raises:
        msgspec.ValidationError: when it is not an object with metadata.
    """
    identity, version = identify(_objects.decode(raw).metadata)
    return Decoded(identity, version, identity.name)
