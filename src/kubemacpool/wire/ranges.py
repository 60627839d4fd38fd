"""The range as users write it: ConfigMap `kubemacpool-mac-range-config`, keys RANGE_START and RANGE_END."""

from collections.abc import Mapping
from typing import Final

import msgspec

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.pool import AddressRange, EmptyPoolError, Pool
from kubemacpool.wire.objects import Decoded, ObjectIdentity
from kubemacpool.wire.quoting import quoted

RANGE_CONFIG_MAP: Final = "kubemacpool-mac-range-config"
RANGE_START: Final = "RANGE_START"
RANGE_END: Final = "RANGE_END"


class RangeError(ValueError):
    """The ConfigMap does not describe a pool; the message names the key, its value and the remedy."""


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    uid: str
    resource_version: str
    namespace: str = ""


class _ConfigMap(msgspec.Struct, gc=False):
    metadata: _Metadata
    data: dict[str, str] | None = None


_config_maps: Final = msgspec.json.Decoder(_ConfigMap)


def decode_config_map(raw: bytes | msgspec.Raw) -> Decoded[Mapping[str, str]]:
    """Read a ConfigMap's data.

    Raises:
        msgspec.ValidationError: when it is not a ConfigMap.
    """
    config_map = _config_maps.decode(raw)
    metadata = config_map.metadata
    identity = ObjectIdentity(metadata.namespace, metadata.name, metadata.uid)
    return Decoded(identity, int(metadata.resource_version), config_map.data or {})


def parse_pool(data: Mapping[str, str]) -> Pool:
    """The pool that the ConfigMap's data describe.

    Raises:
        RangeError: when a key is missing or no unicast-capable range of 6-byte addresses comes out.
    """
    start = _address(data, RANGE_START)
    end = _address(data, RANGE_END)
    if start > end:
        raise RangeError(
            f"{RANGE_START} {format_address(start)} is greater than {RANGE_END} {format_address(end)}; swap the two"
        )
    try:
        return Pool([AddressRange(start, end)])
    except EmptyPoolError as error:
        raise RangeError(
            f"{RANGE_START} {format_address(start)} to {RANGE_END} {format_address(end)}: {error} "
            "(multicast addresses, whose first octet is odd, 00:00:00:00:00:00 and 02:00:00:00:00:00 are left out); "
            "choose a range with unicast addresses, such as 02:00:00:00:00:00 to 02:00:00:ff:ff:ff"
        ) from error


def _address(data: Mapping[str, str], key: str) -> int:
    text = data.get(key, "").strip()
    if not text:
        raise RangeError(f"{key} is missing; set it to an address such as 02:00:00:00:00:00")
    try:
        return parse_address(text)
    except AddressError as error:
        raise RangeError(f"{key} {quoted(text)} is {error}") from error
