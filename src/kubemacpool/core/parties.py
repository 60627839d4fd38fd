"""Who holds an address: the objects seen in the cluster, and the parties that they belong to."""

from typing import Final, NamedTuple

POD: Final = "Pod"
VIRTUAL_MACHINE: Final = "VirtualMachine"
VIRTUAL_MACHINE_INSTANCE: Final = "VirtualMachineInstance"

MAX_GENERATE_NAME: Final = 58
"""How much of `generateName` comes before the five random characters.

Source: the API server's name generator cuts the base so that the whole fits in 63 characters.
"""


class ObjectKey(NamedTuple):
    """The place of an object: the API server keeps at most one of a kind, namespace and name at a time."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Party(NamedTuple):
    """Who may hold an address together.

    Objects of one kind, namespace and name, one after the other, are one party (rule 9). An object that the API server
    has yet to name (`generateName`) is a party of its own: `request` is the uid of its admission request.
    """

    kind: str
    namespace: str
    name: str
    generate_name: str = ""
    request: str = ""

    def owns(self, key: ObjectKey) -> bool:
        """Whether an object is the one that this party was allocated an address for."""
        if key.kind != self.kind or key.namespace != self.namespace:
            return False
        if self.name:
            return key.name == self.name
        return key.name.startswith(self.generate_name[:MAX_GENERATE_NAME])

    def as_machine(self) -> "Party":
        """The VirtualMachine of an instance's name, where this is an instance."""
        return self._replace(kind=VIRTUAL_MACHINE) if self.kind == VIRTUAL_MACHINE_INSTANCE else self

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name or self.generate_name + '*'}"


class Holder(NamedTuple):
    """An object seen in the cluster.

    Attributes:
        key: its place.
        uid: tells it from those that have had the place before.
        party: whose addresses it carries.
        addresses: what its annotation, or its spec, says that it carries; each once, in its own order.
        owned: whether it names a controller to whose party it belongs, be that seen or not.
        attached: what its secondary interfaces are reported to have (a pod's network-status), each once; None where
            nothing is reported, or nothing that can be read: then what was reported before stands.
    """

    key: ObjectKey
    uid: str
    party: Party
    addresses: tuple[int, ...]
    owned: bool = False
    attached: tuple[int, ...] | None = None
