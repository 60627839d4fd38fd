"""The question whether a pod may be created."""

from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.wire.admission import Expected, Review, ReviewedMetadata, decode_review
from kubemacpool.wire.carrying import Reference, controller_of
from kubemacpool.wire.networks import NETWORKS_ANNOTATION

STICKY: Final = "kubemacpool.io/sticky"


class _Annotations(msgspec.Struct, gc=False):
    networks: str | None = msgspec.field(name=NETWORKS_ANNOTATION, default=None)
    sticky: str | None = msgspec.field(name=STICKY, default=None)


class _Metadata(ReviewedMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None
    owner_references: list[Reference] | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class PodReview(NamedTuple):
    """A pod about to be created.

    Attributes:
        uid: of the request, to be repeated in the answer. The API server asks again with the same one after a 503.
        namespace: the pod's; it may be missing in the object, so it is the request's.
        name: the pod's, or empty when the API server has yet to make one from `generate_name`.
        generate_name: the prefix of that name.
        networks: the network-selection annotation; None when the pod has none.
        dry_run: whether the pod will not be persisted.
        sticky: the annotation by which a pod asks for the same addresses each time; None when it has none.
        owner: the VirtualMachineInstance that it says it belongs to.
    """

    uid: str
    namespace: str
    name: str
    generate_name: str
    networks: str | None
    dry_run: bool
    sticky: str | None = None
    owner: OwnerReference | None = None


_EXPECTED: Final = Expected("", POD, ("CREATE",))
_reviews: Final = msgspec.json.Decoder(Review[_Pod])


def decode_pod_review(body: bytes) -> PodReview:
    """Read the question whether a pod may be created.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    request, pod = decode_review(body, _reviews, _EXPECTED)
    metadata = pod.metadata
    annotations = metadata.annotations
    return PodReview(
        request.uid,
        request.namespace,
        metadata.name or request.name,
        metadata.generate_name or "",
        annotations.networks if annotations is not None else None,
        bool(request.dry_run),
        annotations.sticky if annotations is not None else None,
        controller_of(metadata.owner_references, VIRTUAL_MACHINE_INSTANCE),
    )
