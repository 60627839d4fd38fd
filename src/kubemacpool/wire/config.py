"""What administrators write: the ConfigMap with the range, and the annotations of namespaces."""

import enum
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.pool import AddressRange, EmptyPoolError, Pool
from kubemacpool.wire.objects import Decoded, StoredMetadata, identify
from kubemacpool.wire.quoting import quoted

LONGEST: Final = 15
"""Digits: there are fewer addresses than a number of so many. What is longer is not read as a number to find out."""

EXPECTED: Final = "a whole number of at least 1"


def parse_limit(text: str) -> int | None:
    """The number; None where the text is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST:
        return None
    return int(text) or None


RANGE_CONFIG_MAP: Final = "kubemacpool-mac-range-config"
RANGE_START: Final = "RANGE_START"
RANGE_END: Final = "RANGE_END"
EXCLUDE: Final = "EXCLUDE"
START: Final = "START"
NAMESPACE_LIMIT: Final = "NAMESPACE_LIMIT"

MOST_EXCLUSIONS: Final = 10_000
"""A ConfigMap holds 1 MiB; a pool cut into more pieces than this helps nobody."""

LONGEST_EXCLUSION: Final = len("02:00:00:00:01:00-02:00:00:00:01:ff")
"""Characters: two addresses in their longest spelling. What is longer is neither, and not taken apart to find out."""

_SEPARATORS: Final = re.compile(r"[,\s]+")


class RangeError(ValueError):
    """The ConfigMap does not describe a pool; the message names the key, its value and the remedy."""


class _ConfigMap(msgspec.Struct, gc=False):
    metadata: StoredMetadata
    data: dict[str, str] | None = None


_config_maps: Final = msgspec.json.Decoder(_ConfigMap)


def decode_config_map(raw: bytes | msgspec.Raw) -> Decoded[Mapping[str, str]]:
    """Read a ConfigMap's data.

    Raises:
        msgspec.ValidationError: when it is not a ConfigMap.
    """
    config_map = _config_maps.decode(raw)
    return Decoded(*identify(config_map.metadata), config_map.data or {})


def parse_pool(data: Mapping[str, str], cluster_uid: str = "") -> Pool:
    """The pool that the ConfigMap's data describe.

    Args:
        data: keys and values.
        cluster_uid: tells this cluster from all others.

    Raises:
        RangeError: when a key is missing or wrong, or no address that may be handed out is left.
    """
    start = _address(data, RANGE_START)
    end = _address(data, RANGE_END)
    if start > end:
        raise RangeError(
            f"{RANGE_START} {format_address(start)} is greater than {RANGE_END} {format_address(end)}; swap the two"
        )
    excluded = _exclusions(data.get(EXCLUDE, ""))
    try:
        return Pool([AddressRange(start, end)], excluded, seed=_seed(data.get(START, ""), cluster_uid))
    except EmptyPoolError as error:
        raise RangeError(
            f"{RANGE_START} {format_address(start)} to {RANGE_END} {format_address(end)}: {error} "
            "(multicast addresses, whose first octet is odd, 00:00:00:00:00:00, 02:00:00:00:00:00 and those in "
            f"{EXCLUDE} are left out); "
            "choose a range with unicast addresses, such as 02:00:00:00:00:00 to 02:00:00:ff:ff:ff"
        ) from error


def parse_namespace_limit(data: Mapping[str, str]) -> int | None:
    """How many addresses a namespace may have by the ConfigMap's data; None for any number.

    Raises:
        RangeError: when it is no such number.
    """
    text = data.get(NAMESPACE_LIMIT, "").strip()
    limit = parse_limit(text)
    if text and limit is None:
        raise RangeError(
            f"{NAMESPACE_LIMIT} is {quoted(text)}; write {EXPECTED}, such as 500, or leave it out for no limit"
        )
    return limit


def _address(data: Mapping[str, str], key: str) -> int:
    text = data.get(key, "").strip()
    if not text:
        raise RangeError(f"{key} is missing; set it to an address such as 02:00:00:00:00:00")
    try:
        return parse_address(text)
    except AddressError as error:
        raise RangeError(f"{key} {quoted(text)} is {error}") from error


def _exclusions(text: str) -> tuple[AddressRange, ...]:
    """Addresses and ranges, separated by commas, blanks or lines."""
    parts = [part for part in _SEPARATORS.split(text) if part]
    if len(parts) > MOST_EXCLUSIONS:
        raise RangeError(
            f"{EXCLUDE} has {len(parts)} entries; give at most {MOST_EXCLUSIONS}, as ranges where possible"
        )
    return tuple(map(_exclusion, parts))


def _exclusion(text: str) -> AddressRange:
    """One address, or two with a hyphen between them; either may have hyphens of its own."""
    hyphens = (index for index, letter in enumerate(text) if letter == "-")
    for cut in (None, *hyphens) if len(text) <= LONGEST_EXCLUSION else ():
        try:
            first = parse_address(text[:cut])
            last = first if cut is None else parse_address(text[cut + 1 :])
        except AddressError:
            continue
        if first > last:
            raise RangeError(f"{EXCLUDE} {quoted(text)} ends before it begins; swap the two addresses")
        return AddressRange(first, last)
    raise RangeError(
        f"{EXCLUDE} {quoted(text)} is neither an address nor a range of two; "
        "write it like 02:00:00:00:00:10 or 02:00:00:00:01:00-02:00:00:00:01:ff"
    )


def _seed(start: str, cluster_uid: str) -> int:
    """Where the first search begins; two clusters with one range rarely begin at neighbouring places."""
    match start.strip():
        case "" | "range":
            return 0
        case "cluster":
            return int.from_bytes(sha256(cluster_uid.encode()).digest())
        case _:
            raise RangeError(
                f"{START} is {quoted(start)}; write range (from its beginning) or cluster (a place of its own)"
            )


CONFLICT_POLICY: Final = "kubemacpool.io/conflict-policy"
ADDRESS_LIMIT: Final = "kubemacpool.io/address-limit"


class ConflictPolicy(enum.Enum):
    """What is done about an address of another party: refuse it, or let it through with a warning, as a collision."""

    REJECT = "reject"
    WARN = "warn"


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
