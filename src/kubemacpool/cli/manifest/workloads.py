"""What in manifests has addresses: pods, pod templates, virtual machines and their instances."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode

from kubemacpool.cli.manifest.documents import Document, at
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, ObjectKey
from kubemacpool.wire.networks import NETWORKS_ANNOTATION

Path = tuple[str | int, ...]
Json = dict[str, Any]

DEFAULT_NAMESPACE: Final = "default"
LIST: Final = "List"

_INSTANCE_SPEC: Final[dict[str, Path]] = {
    VIRTUAL_MACHINE: ("spec", "template", "spec"),
    VIRTUAL_MACHINE_INSTANCE: ("spec",),
}
_TEMPLATES: Final[dict[str, Path]] = {
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True, eq=False)
class Workload:
    """One object of a document, or its pod template.

    Attributes:
        document: where it stands.
        root: the way to the object in its document; longer than nothing within a List.
        kind: as the object says.
        judged: the kind that the webhook knows: Pod for templates.
        namespace: the object's, or the one that it would be created in.
        name: the object's.
        key: in whose place it counts.
        body: the way from the object to what the webhook is asked about.
        obstacle: why its addresses are not one object's alone; empty where they are.
    """

    document: Document
    root: Path
    kind: str
    judged: str
    namespace: str
    name: str
    key: ObjectKey
    body: Path
    obstacle: str = ""

    @property
    def content(self) -> Json:
        """What the webhook is asked about."""
        found: Any = self.document.value
        for step in (*self.root, *self.body):
            found = found[step]
        return {**found, "metadata": {**_mapping(found.get("metadata")), **self._metadata()}}

    def _metadata(self) -> Json:
        if self.body:
            return {"name": self.key.name, "namespace": self.namespace}
        return {"namespace": self.namespace}

    @property
    def stored(self) -> Json:
        """The same, as the API server would have it."""
        content = self.content
        metadata = {**content["metadata"], "name": self.key.name, "uid": f"of {self.place}", "resourceVersion": "1"}
        return {**content, "metadata": metadata}

    @property
    def place(self) -> str:
        """The file and the line where it begins."""
        *_, node = at(self.document.node, self.root)
        line = 1 if node is None else self.document.file.line_of(node.start_mark.index)
        return f"{self.document.file.name}:{line}"

    @property
    def shown(self) -> str:
        """The object, as people name it."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def interfaces(self) -> Path:
        """The way to what has the addresses: a list of interfaces, or the annotation."""
        if self.judged == POD:
            return (*self.root, *self.body, "metadata", "annotations", NETWORKS_ANNOTATION)
        return (*self.root, *_INSTANCE_SPEC[self.judged], "domain", "devices", "interfaces")

    def node_at(self, *path: str | int) -> Node | None:
        """What stands at a way from the document's root."""
        *_, found = at(self.document.node, path)
        return found

    def is_shared(self, *path: str | int) -> bool:
        """Whether anything on a way stands in several places."""
        return any(node is not None and id(node) in self.document.shared for node in at(self.document.node, path))

    def line_of(self, address_text: str) -> int:
        """The line where an address stands, as far as it can be told."""
        file = self.document.file
        node = self.node_at(*self.interfaces)
        if node is None:
            return file.line_of(0)
        begin, end = node.start_mark.index, node.end_mark.index
        found = file.text.lower().find(address_text.lower(), begin, end)
        return file.line_of(found if found >= 0 else begin)


class Found(NamedTuple):
    """What is in some documents.

    Attributes:
        workloads: everything that may have addresses.
        config_maps: data of ConfigMaps by name, with the document.
    """

    workloads: list[Workload]
    config_maps: dict[str, tuple[Document, Json]]


def find(documents: Iterable[Document], namespace: str = DEFAULT_NAMESPACE) -> Found:
    """Find what may have addresses.

    Args:
        documents: in their order.
        namespace: of objects that name none.
    """
    found = Found([], {})
    unnamed = 0
    for document in documents:
        for root, value in _objects(document.value, ()):
            kind, metadata = value.get("kind"), _mapping(value.get("metadata"))
            if kind == "ConfigMap":
                found.config_maps[str(metadata.get("name"))] = document, _mapping(value.get("data"))
                continue
            workload = _workload(document, root, value, namespace)
            if workload is None:
                continue
            if not _text(_mapping(value.get("metadata")).get("name")):  # each that is made of it has a name of its own
                unnamed += 1
                key = workload.key._replace(name=f"{workload.name}#{unnamed}")
                workload = replace(workload, key=key)
            found.workloads.append(workload)
    return found


def _objects(value: object, root: Path) -> Iterator[tuple[Path, Json]]:
    if not isinstance(value, dict):
        return
    if str(value.get("kind", "")).endswith(LIST) and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield from _objects(item, (*root, "items", index))
        return
    yield root, value


def _workload(document: Document, root: Path, value: Json, namespace: str) -> Workload | None:
    kind, metadata = str(value.get("kind")), _mapping(value.get("metadata"))
    namespace = _text(metadata.get("namespace")) or namespace
    name = _text(metadata.get("name")) or _text(metadata.get("generateName"))
    group = str(value.get("apiVersion", "")).rpartition("/")[0]
    if kind == POD and not group:
        return Workload(document, root, kind, POD, namespace, name, ObjectKey(POD, namespace, name), ())
    if kind in _INSTANCE_SPEC and group == "kubevirt.io":
        return Workload(document, root, kind, kind, namespace, name, ObjectKey(kind, namespace, name), ())
    path = _TEMPLATES.get(kind)
    if path is None:
        return None
    template: Any = value
    for step in path:
        template = _mapping(template).get(str(step))
    if not isinstance(template, dict):
        return None
    if NETWORKS_ANNOTATION not in _mapping(_mapping(template.get("metadata")).get("annotations")):
        return None
    # No pod can have the name of the second sort, so that none is taken for one of these.
    key = ObjectKey(POD, namespace, f"{name}-0" if kind == "StatefulSet" else f"{name} ({kind})")
    return Workload(document, root, kind, POD, namespace, name, key, path, _obstacle(kind, _mapping(value.get("spec"))))


def _obstacle(kind: str, spec: Json) -> str:
    """Why an address of the template would not be one pod's."""
    replicas = spec.get("replicas", 1)
    if kind not in {"StatefulSet", "Deployment"}:
        return f"the pods of a {kind} are several, or follow each other while the one before may still be there"
    if replicas != 1:
        return f"it has {replicas} replicas, which cannot have one address; leave the template to the webhook"
    strategy = _mapping(spec.get("strategy"))
    surge = _mapping(strategy.get("rollingUpdate")).get("maxSurge")
    if kind == "Deployment" and strategy.get("type") != "Recreate" and surge not in {0, "0", "0%"}:
        return "a rollout starts the new pod while the old one has the address; set spec.strategy.type to Recreate"
    return ""


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def as_mapping(node: Node | None) -> MappingNode | None:
    """A node that is a mapping."""
    return node if isinstance(node, MappingNode) else None


def as_scalar(node: Node | None) -> ScalarNode | None:
    """A node that is a scalar."""
    return node if isinstance(node, ScalarNode) else None
