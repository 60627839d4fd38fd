"""VirtualMachineInstanceMigrations as a watch shows them: the two sides of one that goes to another namespace.

Source: kubevirt.io/v1, decentralised live migration: spec.sendTo on the source's side and spec.receive on the target's
name the same migrationID. A migration within one namespace has neither, and needs nothing from us: source and target
are launcher pods of one instance.
"""

from typing import Final, NamedTuple

import msgspec

from kubemacpool.wire.machines import ENDED
from kubemacpool.wire.objects import Decoded, StoredMetadata, UnreadableObjectError, identify


class Migration(NamedTuple):
    """One side of a migration.

    Attributes:
        id: what both sides call it.
        vmi: name of the VirtualMachineInstance on this side.
        sends: whether this is the source's side.
    """

    id: str
    vmi: str
    sends: bool


class _End(msgspec.Struct, gc=False, rename={"migration_id": "migrationID"}):
    migration_id: str = ""


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    vmi_name: str = ""
    send_to: _End | None = None
    receive: _End | None = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None


class _Stored(msgspec.Struct, gc=False):
    metadata: StoredMetadata


class _Migration(msgspec.Struct, gc=False):
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status | None = None


_stored: Final = msgspec.json.Decoder(_Stored)
_migrations: Final = msgspec.json.Decoder(_Migration)


def decode_migration(raw: bytes | msgspec.Raw) -> Decoded[Migration]:
    """Read one side of a migration to another namespace; no item for any other one, or one that has ended.

    Raises:
        UnreadableObjectError: when it is not of the expected shape.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    identity, version = identify(_stored.decode(raw).metadata)
    try:
        migration = _migrations.decode(raw)
    except msgspec.ValidationError as error:
        raise UnreadableObjectError(identity, version, str(error)) from error
    ended = migration.status is not None and migration.status.phase in ENDED
    return Decoded(identity, version, None if ended else _side(migration.spec))


def _side(spec: _Spec) -> Migration | None:
    """Which side it is on; None for a migration within one namespace."""
    for end, sends in ((spec.send_to, True), (spec.receive, False)):
        if end is not None and end.migration_id and spec.vmi_name:
            return Migration(end.migration_id, spec.vmi_name, sends)
    return None
