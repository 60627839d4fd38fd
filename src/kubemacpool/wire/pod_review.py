"""The question whether a pod may be created, or its annotations be changed."""

from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.wire.machines import ENDED
from kubemacpool.wire.networks import DEFAULT_NETWORK_ANNOTATION, NETWORKS_ANNOTATION
from kubemacpool.wire.objects import Reference, controller_of
from kubemacpool.wire.review import Expected, Review, ReviewedMetadata, decode_review

STICKY: Final = "kubemacpool.io/sticky"


class _Annotations(msgspec.Struct, gc=False):
    networks: str | None = msgspec.field(name=NETWORKS_ANNOTATION, default=None)
    default_network: str | None = msgspec.field(name=DEFAULT_NETWORK_ANNOTATION, default=None)
    sticky: str | None = msgspec.field(name=STICKY, default=None)


class _Metadata(ReviewedMetadata, gc=False, rename="camel"):
    uid: str | None = None
    annotations: _Annotations | None = None
    owner_references: list[Reference] | None = None
    deletion_timestamp: str | None = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status | None = None


class NetworkAnnotations(NamedTuple):
    """What a pod's annotations say of its networks; None for one that it does not have.

    Attributes:
        networks: the network-selection annotation.
        default: the one about the network in the place of the cluster's default one.
    """

    networks: str | None = None
    default: str | None = None


class PodReview(NamedTuple):
    """A pod about to be created or changed.

    Attributes:
        uid: of the request, to be repeated in the answer. The API server asks again with the same one after a 503.
        namespace: the pod's; it may be missing in the object, so it is the request's.
        name: the pod's, or empty when the API server has yet to make one from `generate_name`.
        generate_name: the prefix of that name.
        annotations: which networks it asks for.
        dry_run: whether nothing will be persisted.
        sticky: the annotation by which a pod asks for the same addresses each time; None when it has none.
        owner: the VirtualMachineInstance that it says it belongs to.
        old: which networks it asked for before an update; None at a creation.
        object_uid: the pod's; empty at a creation.
        ending: whether it is being deleted, or has ended, so that it makes no interface any more.
    """

    uid: str
    namespace: str
    name: str
    generate_name: str
    annotations: NetworkAnnotations
    dry_run: bool
    sticky: str | None = None
    owner: OwnerReference | None = None
    old: NetworkAnnotations | None = None
    object_uid: str = ""
    ending: bool = False


_EXPECTED: Final = Expected("", POD, ("CREATE", "UPDATE"))
_reviews: Final = msgspec.json.Decoder(Review[_Pod])


def decode_pod_review(body: bytes) -> PodReview:
    """Read the question whether a pod may be created or changed.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    request, pod = decode_review(body, _reviews, _EXPECTED)
    metadata = pod.metadata
    annotations = metadata.annotations or _Annotations()
    old = request.old_object if request.operation == "UPDATE" else None
    return PodReview(
        request.uid,
        request.namespace,
        metadata.name or request.name,
        metadata.generate_name or "",
        _networks(annotations),
        bool(request.dry_run),
        annotations.sticky,
        controller_of(metadata.owner_references, VIRTUAL_MACHINE_INSTANCE),
        None if old is None else _networks(old.metadata.annotations or _Annotations()),
        (metadata.uid or "") if old is not None else "",
        metadata.deletion_timestamp is not None or (pod.status is not None and pod.status.phase in ENDED),
    )


def _networks(annotations: _Annotations) -> NetworkAnnotations:
    return NetworkAnnotations(annotations.networks, annotations.default_network)
