"""Discovery: which resources an API group has, and in which version the API server prefers to serve them.

Source: APIGroup and APIResourceList (meta/v1).
"""

import msgspec

from kubemacpool.wire.listing import expecting


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class _Resource(msgspec.Struct):
    name: str


class _ResourceList(msgspec.Struct):
    resources: list[_Resource]


def read_preferred_version(body: bytes) -> str:
    """The version that the API server prefers.

    Raises:
        UnexpectedAnswerError: when the body is no APIGroup.
    """
    with expecting("an APIGroup"):
        return msgspec.json.decode(body, type=_Group).preferred_version.version


def read_plurals(body: bytes) -> frozenset[str]:
    """The resources by their plural; subresources are left out.

    Raises:
        UnexpectedAnswerError: when the body is no APIResourceList.
    """
    with expecting("an APIResourceList"):
        found = msgspec.json.decode(body, type=_ResourceList).resources
    return frozenset(resource.name for resource in found if "/" not in resource.name)
