"""Objects of which only matters that they are there."""

import msgspec
import pytest

from kubemacpool.wire.objects import Decoded, ObjectIdentity, decode_stored


def test_of_any_object_its_identity_is_read() -> None:
    raw = b'{"metadata":{"name":"n","namespace":"s","uid":"u","resourceVersion":"7"},"data":{"tls.key":"c2VjcmV0"}}'
    assert decode_stored(raw) == Decoded(ObjectIdentity("s", "n", "u"), 7, "n")


def test_what_has_no_metadata_is_no_object() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_stored(b"{}")
