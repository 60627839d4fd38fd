"""What the API server serves: kinds come and go with their CustomResourceDefinitions."""

from collections.abc import Mapping
from typing import Protocol


class Catalogue(Protocol):
    """The resources of one API group."""

    async def resources(self) -> Mapping[str, str]:
        """By plural, the path of every resource of the group, in the version that the API server prefers.

        Empty while the group is not served at all.

        Raises:
            OutsideError: the API server did not say.
        """
        ...

    async def serves(self, path: str) -> bool:
        """Whether the collection of a path is there, as that says itself.

        Raises:
            OutsideError: the API server did not say.
        """
        ...
