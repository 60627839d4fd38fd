"""The reference of annotations, labels and other names in objects that the program reads or writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kubemacpool.wire import config, machine_review, networks, pod_review, pods
from references.tables import FOLDER, code, table

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = FOLDER / "annotations.md"

READ: Final[Sequence[tuple[str, str, str, str]]] = (
    (
        networks.NETWORKS_ANNOTATION,
        "Pod",
        "networks, in JSON",
        "Each entry without `mac` is given one, and `namespace` is filled in. The short form is left alone.",
    ),
    (
        networks.DEFAULT_NETWORK_ANNOTATION,
        "Pod",
        "a network, in JSON",
        "An address in it counts; none is filled in.",
    ),
    (
        pods.STATUS_ANNOTATION,
        "Pod",
        "written by Multus",
        "An interface that was listed and is no more has lost its address.",
    ),
    (pod_review.STICKY, "Pod", "`true`", "The same address each time a pod of this name is created, where it is free."),
    (
        machine_review.MAC_POLICY,
        "VirtualMachine",
        "`keep`, `reassign`",
        "At creation: whether addresses that others have are refused, or replaced.",
    ),
    (
        config.CONFLICT_POLICY,
        "Namespace",
        "`reject`, `warn`",
        "Whether an address that somebody else has is refused, or admitted with a warning.",
    ),
    (config.ADDRESS_LIMIT, "Namespace", "a whole number", "How many addresses the namespace may have."),
)
"""Annotations that people and other programs write: their names, on what, what they hold, and what they say."""

LABELS: Final[Sequence[tuple[str, str, str]]] = (
    ("mutatepods.kubemacpool.io", "`ignore`, `allocate`", "Leave out, or ask for, pods."),
    (
        "mutatevirtualmachines.kubemacpool.io",
        "`ignore`, `allocate`",
        "Leave out, or ask for, virtual machines and their instances.",
    ),
    ("runlevel", "`0`, `1`", "Left out."),
    ("openshift.io/run-level", "`0`, `1`", "Left out."),
)
"""Labels of namespaces that the webhook configuration selects by."""

WRITTEN: Final[Sequence[tuple[str, str]]] = (
    ("kubemacpool.io/format", "How the others are to be read."),
    ("kubemacpool.io/reserved", "The addresses that may be allocated without having been observed."),
    ("kubemacpool.io/observed", "The newest resourceVersions by which addresses have left the list."),
    ("kubemacpool.io/last-allocated", "Where the search of the pool goes on."),
    ("kubemacpool.io/endpoint", "Where the leader is reached by the other replicas."),
)
"""Annotations of the Lease: they are the replicas' own."""

FINALIZERS: Final[Sequence[tuple[str, str]]] = (
    (
        machine_review.OLD_FINALIZER,
        "Of early versions of the Go implementation: taken away from a machine that is deleted.",
    ),
)


def text() -> str:
    """Return the page as it is to be."""
    return "\n".join(
        [
            "# Annotations and labels\n",
            "Made from the code by `make references`.\n",
            "## Annotations that are read\n",
            table(("annotation", "of", "holds", "meaning"), [(code(name), *told) for name, *told in READ]),
            "## Labels of namespaces\n",
            table(("label", "values", "meaning"), [(code(name), *told) for name, *told in LABELS]),
            "## Annotations of the Lease `kubemacpool-leader`\n\nThe replicas write them; nobody else should.\n",
            table(("annotation", "meaning"), [(code(name), told) for name, told in WRITTEN]),
            "## Finalizers\n",
            table(("finalizer", "meaning"), [(code(name), told) for name, told in FINALIZERS]),
        ]
    )
