"""JSON patches (RFC 6902) as a mutating webhook answers them."""

from typing import Final

import msgspec

_encoder: Final = msgspec.json.Encoder()


def annotation_patch(annotation: str, value: str) -> bytes:
    """A patch that gives an annotation, which is there already, another value."""
    path = "/metadata/annotations/" + annotation.replace("~", "~0").replace("/", "~1")
    return _encoder.encode([{"op": "replace", "path": path, "value": value}])
