"""What is followed: one kind of object, all of it or a part."""

from dataclasses import dataclass

from kubemacpool.kube.transport import JSON, METADATA_OF_LIST, METADATA_OF_OBJECT


@dataclass(frozen=True)
class Resource:
    """One kind of object, all of it or a part.

    Attributes:
        path: of the collection over all namespaces, such as /api/v1/pods or /apis/kubevirt.io/v1/virtualmachines.
        namespace: only this one; None for all, and for kinds that have none.
        field_selector: such as status.phase!=Succeeded; objects that cease to match are gone.
        metadata_only: the API server leaves spec and status away.
    """

    path: str
    namespace: str | None = None
    field_selector: str = ""
    metadata_only: bool = False

    @property
    def plural(self) -> str:
        """The kind as the API spells it, such as pods."""
        return self.path.rpartition("/")[2]

    @property
    def collection(self) -> str:
        """The path to list and to watch."""
        if self.namespace is None:
            return self.path
        version, _, plural = self.path.rpartition("/")
        return f"{version}/namespaces/{self.namespace}/{plural}"

    @property
    def list_accept(self) -> str:
        """What to accept when listing."""
        return METADATA_OF_LIST if self.metadata_only else JSON

    @property
    def watch_accept(self) -> str:
        """What to accept when watching."""
        return METADATA_OF_OBJECT if self.metadata_only else JSON

    @property
    def selectors(self) -> dict[str, str]:
        """The selector as query parameters."""
        return {"fieldSelector": self.field_selector} if self.field_selector else {}
