"""What says whether our webhooks are in effect: ClusterRoleBinding kubemacpool-serving, and the life of our namespace.

A matchCondition of each webhook asks whether our ServiceAccount has the role that this binding refers to. It stands
alone because nothing else of RBAC is read or written.
"""

from typing import Final

import msgspec

from kubemacpool.wire.listing import expecting
from kubemacpool.wire.objects import Decoded, StoredMetadata, identify

ACCOUNT: Final = "kubemacpool-sa"


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str = ""


class _Binding(msgspec.Struct):
    subjects: list[_Subject] | None = None


class _Mortal(
    StoredMetadata, rename={"deletion_timestamp": "deletionTimestamp", "resource_version": "resourceVersion"}
):
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct):
    metadata: _Mortal


_objects: Final = msgspec.json.Decoder(_Object)


def read_effect(body: bytes, namespace: str) -> bool:
    """Whether the ClusterRoleBinding binds our ServiceAccount.

    Raises:
        UnexpectedAnswerError: when the body is no ClusterRoleBinding.
    """
    with expecting("a ClusterRoleBinding"):
        subjects = msgspec.json.decode(body, type=_Binding).subjects or []
    return _Subject("ServiceAccount", ACCOUNT, namespace) in subjects


def effect_patch(namespace: str, *, in_effect: bool) -> bytes:
    """A merge patch that has the ClusterRoleBinding bind our ServiceAccount and nobody else, or nobody."""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    return msgspec.json.encode({"subjects": [subject] if in_effect else None})


def decode_leaving(raw: bytes) -> Decoded[bool]:
    """Read whether an object is being deleted.

    Raises:
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    identity, version = identify(metadata)
    return Decoded(identity, version, metadata.deletion_timestamp is not None)
