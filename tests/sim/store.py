"""What the simulated API server keeps: objects and the history of their changes, under one growing resourceVersion.

Objects are plain JSON and never changed in place, so a state of the past stays what it was.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

Object = dict[str, Any]

FIRST_VERSION: Final = 1_000


class Place(NamedTuple):
    """Where an object is: its collection (`pods`, `leases`, ...), namespace and name."""

    plural: str
    namespace: str
    name: str


class ApiError(Exception):
    """An answer that is no success.

    Attributes:
        code: the HTTP status.
        body: the Status, as JSON.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = msgspec.json.encode({"kind": "Status", "code": code, "reason": reason, "message": message})


class Change(NamedTuple):
    """One write: the object before and after it, None where there was or is none."""

    version: int
    place: Place
    before: Object | None
    after: Object | None


class Selection(NamedTuple):
    """What a list or a watch is about: a collection, of one namespace or all, and a field selector."""

    plural: str
    namespace: str | None = None
    field_selector: str = ""

    def matches(self, place: Place, content: Object) -> bool:
        """Whether the object is of interest."""
        if place.plural != self.plural or self.namespace not in {None, place.namespace}:
            return False
        for transitions in filter(None, self.field_selector.split(",")):
            field, _, value = transitions.partition("=")
            if field.endswith("!"):
                if _field(content, field[:-1]) == value:
                    return False
            elif _field(content, field) != value:
                return False
        return True

    def event(self, change: Change) -> tuple[str, Object] | None:
        """What a watch tells of a change: an object that ceases to be of interest is told as deleted, as it was."""
        before = change.before if change.before and self.matches(change.place, change.before) else None
        after = change.after if change.after and self.matches(change.place, change.after) else None
        if after is not None:
            return "MODIFIED" if before is not None else "ADDED", after
        if before is None:
            return None
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(change.version)}}
        return "DELETED", last


class Backup(NamedTuple):
    """All objects at one moment, and the version of the newest write by then."""

    version: int
    objects: Mapping[Place, Object]


class Store:
    """The objects as they are, and how they came to be so.

    Attributes:
        version: of the newest write.
        watching: called with every write, after it.
    """

    def __init__(self) -> None:
        self.version = FIRST_VERSION
        self.watching: list[Callable[[Change], None]] = []
        self._objects: dict[Place, Object] = {}
        self._history: list[Change] = []
        self._oldest = FIRST_VERSION
        self._created = 0

    def get(self, place: Place) -> Object:
        """The object as it is now.

        Raises:
            ApiError: there is none (404).
        """
        found = self._objects.get(place)
        if found is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", f'{place.plural} "{place.name}" not found')
        return found

    def find(self, place: Place) -> Object | None:
        """The object as it is now, if it is there."""
        return self._objects.get(place)

    def objects(self, selection: Selection) -> Iterator[tuple[Place, Object]]:
        """What is there now, in the order of etcd's keys."""
        return (
            (place, self._objects[place])
            for place in sorted(self._objects)
            if selection.matches(place, self._objects[place])
        )

    def create(self, place: Place, content: Object) -> Object:
        """Keep a new object.

        Raises:
            ApiError: there is one of that name (409).
        """
        if place in self._objects:
            raise ApiError(HTTPStatus.CONFLICT, "AlreadyExists", f'{place.plural} "{place.name}" already exists')
        self._created += 1
        identity = {"name": place.name, "namespace": place.namespace, "uid": f"uid-{self._created}"}
        return self._write(place, None, {**content, "metadata": {**content.get("metadata", {}), **identity}})

    def patch(self, place: Place, patch: Object) -> Object:
        """Change an object by a JSON merge patch (RFC 7386).

        Raises:
            ApiError: there is none (404), or the patch has another resourceVersion than the object (409).
        """
        before = self.get(place)
        expected = patch.get("metadata", {}).get("resourceVersion")
        if expected is not None and expected != before["metadata"]["resourceVersion"]:
            text = f'Operation cannot be fulfilled on {place.plural} "{place.name}": the object has been modified'
            raise ApiError(HTTPStatus.CONFLICT, "Conflict", text)
        after = _merged(before, patch)
        return before if after == before else self._write(place, before, after)

    def delete(self, place: Place) -> None:
        """Remove an object.

        Raises:
            ApiError: there is none (404).
        """
        self._write(place, self.get(place), None)

    def since(self, version: int) -> list[Change]:
        """Every change after this version, oldest first.

        Raises:
            ApiError: not all of them are remembered any more (410).
        """
        if version < self._oldest:
            raise ApiError(HTTPStatus.GONE, "Expired", f"too old resource version: {version} ({self._oldest})")
        return [change for change in self._history if change.version > version]

    def forget_history(self) -> None:
        """From now on only later changes are remembered (a compaction, a restart of the API server)."""
        self._oldest = self.version
        self._history.clear()

    def back_up(self) -> Backup:
        """Everything as it is now."""
        return Backup(self.version, dict(self._objects))

    def restore(self, backup: Backup) -> None:
        """Everything is as it was then, versions too; nobody is told."""
        self.version, self._objects = backup.version, dict(backup.objects)
        self.forget_history()

    def _write(self, place: Place, before: Object | None, after: Object | None) -> Object:
        self.version += 1
        if after is None:
            del self._objects[place]
        else:
            after = {**after, "metadata": {**after["metadata"], "resourceVersion": str(self.version)}}
            self._objects[place] = after
        change = Change(self.version, place, before, after)
        self._history.append(change)
        for tell in tuple(self.watching):
            tell(change)
        return after or {}


def _field(content: Mapping[str, Any], path: str) -> str:
    found: Any = content
    for key in path.split("."):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, str) else ""


def _merged(target: Object, patch: Object) -> Object:
    merged = copy.copy(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = _merged(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged
