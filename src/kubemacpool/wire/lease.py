"""The Lease `kubemacpool-leader`: lock, fencing token and the list of reserved addresses in one object.

Source: coordination.k8s.io/v1. Who holds it stands in the spec, as with every leader election; the rest stands in
annotations. `kubemacpool.io/format` says how those are to be read. A change that an earlier program would misread
raises it (the kinds that `seen` must cover are such a change); one that an earlier program may overlook does not.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.pool import AddressRange
from kubemacpool.wire.listing import expecting
from kubemacpool.wire.objects import Decoded, StoredMetadata, identify
from kubemacpool.wire.quoting import quoted

LEASE_NAME: Final = "kubemacpool-leader"

FORMAT: Final = 2
"""How this program writes the annotations, and the newest format that it understands.

1: `seen` covers pods only. 2: it covers virtual machines and their instances, too.
"""

_FORMAT: Final = "kubemacpool.io/format"
_RESERVED: Final = "kubemacpool.io/reserved"
_OBSERVED: Final = "kubemacpool.io/observed"
_LAST: Final = "kubemacpool.io/last-allocated"
_ENDPOINT: Final = "kubemacpool.io/endpoint"

MOST_LISTED: Final = 1 << 20
"""Addresses: what no leader of ours ever lists, and more than anybody should expand."""


class LeaseRecord(NamedTuple):
    """The Lease, read.

    Attributes:
        holder: identity of the leader; empty after an orderly release, and before the first leader.
        endpoint: host and port at which that replica's webhook is reached.
        transitions: how often the Lease changed hands.
        duration: seconds without a renewal after which the Lease may be acquired.
        reserved: every address that may have been allocated without having been seen.
        seen: by kind, the resourceVersion that a successor's view must have reached.
        last: the address that was given last to somebody who asked for any.
        resource_version: to be given with an update.
        fault: why the annotations cannot be read, so that nothing is known of `reserved`, `seen` and `last`; empty if
            they can. Who holds the Lease is known in any case.
    """

    holder: str
    endpoint: str
    transitions: int
    duration: int
    reserved: frozenset[int]
    seen: Mapping[str, int]
    last: int | None
    resource_version: str
    fault: str = ""


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    annotations: dict[str, str] | None = None


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


_leases: Final = msgspec.json.Decoder(_Lease)
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
"""As long as the largest resourceVersion, one of 64 bits."""


class _FaultError(ValueError):
    """An annotation that this program cannot read; the message says which, and why."""


def decode_lease(raw: bytes | msgspec.Raw) -> Decoded[LeaseRecord]:
    """Read a Lease as a watch brings it.

    Raises:
        msgspec.ValidationError: when it is no Lease.
    """
    lease = _leases.decode(raw)
    return Decoded(*identify(lease.metadata), _record(lease))


def read_lease(body: bytes) -> LeaseRecord:
    """Read a Lease as the API server answers it.

    Raises:
        UnexpectedAnswerError: when it is no Lease.
    """
    with expecting("a Lease"):
        lease = _leases.decode(body)
        identify(lease.metadata)
    return _record(lease)


def lease_patch(record: LeaseRecord, renewed: str, acquired: str | None) -> bytes:
    """A merge patch that makes the Lease say this, if it still has the record's resourceVersion.

    Args:
        record: what it is to say.
        renewed: the time of day, RFC 3339 with microseconds; for people, nobody's decisions depend on it.
        acquired: the same, where this write takes the Lease over.
    """
    spec: dict[str, object] = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.duration,
        "leaseTransitions": record.transitions,
        "renewTime": renewed,
    }
    if acquired is not None:
        spec["acquireTime"] = acquired
    metadata = {"resourceVersion": record.resource_version, "annotations": _annotations(record)}
    return msgspec.json.encode({"metadata": metadata, "spec": spec})


def new_lease(namespace: str) -> bytes:
    """A Lease that nobody holds yet."""
    metadata = {"name": LEASE_NAME, "namespace": namespace}
    return msgspec.json.encode({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata})


def _annotations(record: LeaseRecord) -> dict[str, str | None]:
    return {
        _FORMAT: str(FORMAT),
        _RESERVED: ",".join(map(_range_text, _ranges(record.reserved))),
        _OBSERVED: ",".join(f"{kind}={version}" for kind, version in sorted(record.seen.items())),
        _LAST: None if record.last is None else format_address(record.last),
        _ENDPOINT: record.endpoint,
    }


def _record(lease: _Lease) -> LeaseRecord:
    annotations = lease.metadata.annotations or {}
    spec = lease.spec
    record = LeaseRecord(
        spec.holder_identity or "",
        annotations.get(_ENDPOINT, ""),
        spec.lease_transitions or 0,
        spec.lease_duration_seconds or 0,
        frozenset(),
        {},
        None,
        lease.metadata.resource_version,
    )
    try:
        _check_format(annotations.get(_FORMAT, str(FORMAT)))
        last = annotations.get(_LAST)
        return record._replace(
            reserved=_reserved_of(annotations.get(_RESERVED, "")),
            seen=_observed_of(annotations.get(_OBSERVED, "")),
            last=None if last is None else _address(_LAST, last),
        )
    except _FaultError as error:
        return record._replace(fault=str(error))


def _check_format(text: str) -> None:
    if _NUMBER.fullmatch(text) is None:
        raise _FaultError(f"annotation {_FORMAT} is {quoted(text)}, which is not a number")
    if int(text) > FORMAT:
        raise _FaultError(f"annotation {_FORMAT} is {text}, and this program understands up to {FORMAT}")


def _reserved_of(text: str) -> frozenset[int]:
    found: list[range] = []
    size = 0
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        span = range(_address(_RESERVED, first), _address(_RESERVED, last or first) + 1)
        size += len(span)
        if size > MOST_LISTED or not span:
            raise _FaultError(f"annotation {_RESERVED} has {quoted(part)}, which names no or too many addresses")
        found.append(span)
    return frozenset(address for span in found for address in span)


def _observed_of(text: str) -> dict[str, int]:
    seen: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        kind, _, version = part.partition("=")
        if _NUMBER.fullmatch(version) is None:
            raise _FaultError(f"annotation {_OBSERVED} has {quoted(part)}, which is no resourceVersion")
        seen[kind] = int(version)
    return seen


def _address(annotation: str, text: str) -> int:
    try:
        return parse_address(text)
    except AddressError as error:
        raise _FaultError(f"annotation {annotation} has {quoted(text)}: {error}") from error


def _ranges(addresses: Collection[int]) -> list[AddressRange]:
    """Addresses as runs of neighbours, in ascending order."""
    runs: list[AddressRange] = []
    for address in sorted(addresses):
        if runs and address == runs[-1].last + 1:
            runs[-1] = AddressRange(runs[-1].first, address)
        else:
            runs.append(AddressRange(address, address))
    return runs


def _range_text(each: AddressRange) -> str:
    return format_address(each.first) if each.first == each.last else str(each)
