"""Filling addresses into manifests: the admissions say which, and the text gets them and nothing else."""

import copy
import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from kubemacpool.cli.manifest.documents import Document, ManifestError, ManifestFile, parse
from kubemacpool.cli.manifest.edits import Edit, apply, insert_into, json_insertions, replace, set_member
from kubemacpool.cli.manifest.workloads import Workload, as_mapping, as_scalar
from kubemacpool.cli.pool.desk import Desk, Json
from kubemacpool.core.addresses import format_address, parse_address
from kubemacpool.core.parties import POD, Holder, ObjectKey, Party
from kubemacpool.ports import RetryLaterError
from kubemacpool.wire.networks import NETWORKS_ANNOTATION, NetworksError, entries_of, parse_networks
from kubemacpool.wire.quoting import quoted
from kubemacpool.wire.review import ReviewError

MAC: Final = "macAddress"
ALIASED: Final = "what has its addresses stands in several places by means of an alias; write it out"

OldObject = Callable[[Workload], Awaitable[Json | None]]


class Fault(NamedTuple):
    """Something that has to be mended by a person.

    Attributes:
        place: file and line.
        message: what, and the remedy.
    """

    place: str
    message: str


class Filled(NamedTuple):
    """An address that was given.

    Attributes:
        place: file and line of the object.
        object: the object.
        interface: which one of it.
        address: the text that stands there now.
    """

    place: str
    object: str
    interface: str
    address: str


class Result(NamedTuple):
    """What came of it.

    Attributes:
        texts: by file, what it is to say.
        edits: by file, what is changed for that.
        filled: the addresses that were given.
        faults: what has to be mended first.
        notes: what was left alone, and why.
    """

    texts: dict[ManifestFile, str]
    edits: dict[ManifestFile, list[Edit]]
    filled: list[Filled]
    faults: list[Fault]
    notes: list[Fault]


class Books:
    """The manifests as a ledger: who holds what, and where that stands."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.workloads: dict[ObjectKey, list[Workload]] = {}

    def enter(self, workload: Workload) -> str:
        """Take an object in; says what of it cannot be read, or nothing."""
        desk, key = self.desk, workload.key
        known = self.workloads.setdefault(key, [])
        before = self.desk.ledger.holder(key)
        if workload not in known:
            known.append(workload)
        desk.faults.pop(key, None)
        try:
            holder = desk.observe(workload.judged, msgspec.json.encode(workload.stored), key)
        except (msgspec.MsgspecError, RecursionError) as error:
            return f"it cannot be read ({error}); correct it"
        if before is not None:  # it stands in several files, or in the cluster, each of which may have a part of it
            self._keep(before, holder)
        return desk.faults.get(key, "")

    def conflicts(self, workload: Workload) -> Iterator[Fault]:
        """Every address of an object that is somebody else's too."""
        ledger = self.desk.ledger
        holder = ledger.holder(workload.key)
        for address in () if holder is None else holder.addresses:
            other = ledger.other_holder(address, holder.party) if holder is not None else None
            if other is not None:
                text = format_address(address)
                yield Fault(
                    f"{workload.document.file.name}:{workload.line_of(text)}",
                    f"{workload.shown}: {text} is that of {self._told(other, text)} too; give one of them another, or "
                    "remove it from one of them to have a free one filled in",
                )

    def _told(self, party: Party, text: str) -> str:
        known = self.workloads.get(ObjectKey(party.kind, party.namespace, party.name))
        if not known:
            return f"{party} in the cluster"
        return f"{known[0].shown} ({known[0].document.file.name}:{known[0].line_of(text)})"

    def _keep(self, before: Holder, holder: Holder | None) -> None:
        addresses = (*before.addresses, *(holder.addresses if holder is not None else ()))
        self.desk.population.see((holder or before)._replace(addresses=tuple(dict.fromkeys(addresses))), None, 0.0, 1)


def in_place_of(books: Books, workload: Workload) -> Workload:
    """A workload in the place of the pod that the cluster has of it, whose name is not told by a Deployment."""
    if workload.kind != "Deployment":
        return workload
    pattern = re.compile(rf"{re.escape(workload.name)}-[a-z0-9]+-[a-z0-9]+")
    pods = [
        holder.key
        for holder in books.desk.ledger.holders()
        if (holder.key.kind, holder.key.namespace) == (POD, workload.namespace) and pattern.fullmatch(holder.key.name)
    ]
    return dataclasses.replace(workload, key=pods[0]) if len(pods) == 1 else workload


async def fill(books: Books, workloads: Sequence[Workload], old: OldObject) -> Result:
    """Give every interface without an address one.

    Args:
        books: who holds what beside these objects; they are entered there.
        workloads: in their order.
        old: what an object is in the cluster, which keeps the addresses that it has there.
    """
    faults: list[Fault] = []
    notes: list[Fault] = []
    for workload in workloads:
        others = books.workloads.get(workload.key)
        if others:
            also = f"{workload.shown} stands in {others[0].place} too, and is taken for the same object"
            notes.append(Fault(workload.place, also))
        if fault := books.enter(workload):
            faults.append(Fault(workload.place, f"{workload.shown}: {fault}"))
    for workload in workloads:
        faults += books.conflicts(workload)
    edits: dict[ManifestFile, list[Edit]] = {}
    expected: dict[Document, Any] = {}
    filled: list[Filled] = []
    if not faults:
        for workload in workloads:
            await _fill_one(books, workload, old, _Found(edits, expected, filled, faults, notes))
    texts = {} if faults else {file: _edited(file, each, expected) for file, each in edits.items()}
    return Result(texts, edits, filled, faults, notes)


class _Found(NamedTuple):
    """What `fill` collects."""

    edits: dict[ManifestFile, list[Edit]]
    expected: dict[Document, Any]
    filled: list[Filled]
    faults: list[Fault]
    notes: list[Fault]


async def _fill_one(books: Books, workload: Workload, old: OldObject, found: _Found) -> None:
    content = workload.content
    first = books.workloads[workload.key][0]
    before = await old(workload)
    if before is None and first is not workload:
        before = _with(first, found.expected)
    try:
        judged = await books.desk.judge(workload.judged, workload.namespace, content, before)
    except (ReviewError, RetryLaterError) as error:
        found.faults.append(Fault(workload.place, f"{workload.shown}: {error}"))
        return
    if not judged.allowed:
        found.faults.append(Fault(workload.place, judged.message.replace(str(Party(*workload.key)), workload.shown, 1)))
        return
    found.notes.extend(Fault(workload.place, f"{workload.shown}: {_plain(text)}") for text in judged.warnings)
    given = dict(_given(workload, judged.patch, content))
    if not given:
        return
    if workload.obstacle:
        found.notes.append(Fault(workload.place, f"{workload.shown}: left alone: {workload.obstacle}"))
        return
    document = workload.document
    expected = found.expected.get(document)
    if expected is None:
        expected = found.expected[document] = copy.deepcopy(document.value)
    try:
        made = list(_edits(workload, given, judged.patch, expected))
    except _CannotEditError as error:
        found.faults.append(Fault(workload.place, f"{workload.shown}: {error}"))
        return
    found.edits.setdefault(document.file, []).extend(made)
    found.filled.extend(
        Filled(workload.place, workload.shown, label, address) for label, address in _labelled(workload, given)
    )
    _hold(books, workload, given.values())


class _CannotEditError(Exception):
    """There is no place for an address; the message says why."""


def _hold(books: Books, workload: Workload, texts: Iterable[str]) -> None:
    """What was given is the object's from now on."""
    before = books.desk.ledger.holder(workload.key)
    had = before.addresses if before is not None else ()
    addresses = tuple(dict.fromkeys((*had, *map(parse_address, texts))))
    holder = Holder(workload.key, f"of {workload.place}", Party(*workload.key), addresses)
    books.desk.population.see(holder, None, 0.0, 1)


def _with(workload: Workload, expected: dict[Document, Any]) -> Json:
    """An object as it is by now."""
    value: Any = expected.get(workload.document, workload.document.value)
    for step in (*workload.root, *workload.body):
        value = value[step]
    return {**value, "metadata": {**value.get("metadata", {}), "namespace": workload.namespace}}


def _given(workload: Workload, patch: list[Json], content: Json) -> Iterator[tuple[int, str]]:
    """By interface or entry that has none, the address that it is given."""
    if workload.judged != POD:
        for each in patch:
            if each["path"].endswith(f"/{MAC}"):
                yield int(each["path"].split("/")[-2]), each["value"]
        return
    if patch:
        had = entries_of(_networks(str(_annotation(content))))
        for index, (before, now) in enumerate(zip(had, entries_of(_networks(patch[0]["value"])), strict=True)):
            if now.mac and not before.mac:
                yield index, now.mac


def _labelled(workload: Workload, given: dict[int, str]) -> Iterator[tuple[str, str]]:
    if workload.judged == POD:
        selections = entries_of(_networks(str(_annotation(workload.content))))
        for index, address in given.items():
            yield f"entry {index} ({quoted(selections[index].name)})", address
        return
    node = workload.content
    for step in workload.interfaces[len(workload.root) :]:
        node = node[str(step)]
    for index, address in given.items():
        yield f"interface {quoted(str(node[index].get('name', '')))}", address  # type: ignore[index]  # a list


def _edits(workload: Workload, given: dict[int, str], patch: list[Json], expected: Any) -> Iterator[Edit]:  # noqa: ANN401 (a document is anything)
    file, path = workload.document.file, workload.interfaces
    if workload.judged == POD:
        node = as_scalar(workload.node_at(*path))
        if node is None:
            raise _CannotEditError(
                "the annotation does not stand here itself, but is merged from elsewhere; write it out"
            )
        if workload.is_shared(*path):
            raise _CannotEditError(ALIASED)
        value = node.value
        insertions = json_insertions(value, given)
        edits = None if insertions is None else insert_into(file, node, insertions)
        if insertions is None or edits is None:
            written = patch[0]["value"] if insertions is None else _inserted(value, insertions)
            yield replace(file, node, written)
        else:
            yield from edits
            written = _inserted(value, insertions)
        _set(expected, path, written)
        return
    for index, address in given.items():
        mapping = as_mapping(workload.node_at(*path, index))
        if mapping is None:
            raise _CannotEditError(
                "its interfaces do not stand here themselves, but are merged from elsewhere; write them out"
            )
        if workload.is_shared(*path, index):
            raise _CannotEditError(ALIASED)
        yield set_member(file, mapping, MAC, address, after="name")
        _set(expected, (*path, index, MAC), address)


def _edited(file: ManifestFile, edits: list[Edit], expected: dict[Document, Any]) -> str:
    """The new text, which says what the old one did and the additions, and nothing else.

    Raises:
        ManifestError: it would not; the file is left as it is.
    """
    text = apply(file.text, edits)
    wanted = [expected.get(document, document.value) for document in file.documents]
    try:
        found = [document.value for document in parse(file.name, text.encode()).documents]
    except ManifestError:
        found = []
    if found != wanted:
        raise ManifestError(
            f"{file.name}: it is written in a way in which no address can be added safely; write its lists of "
            "interfaces and annotations in the usual way, a member a line"
        )
    return text


def _annotation(content: Json) -> object:
    return content["metadata"]["annotations"][NETWORKS_ANNOTATION]


def _networks(value: str) -> Any:  # noqa: ANN401 (NetworkSelections or None)
    try:
        return parse_networks(value)
    except NetworksError:
        return None


def _inserted(value: str, insertions: dict[int, str]) -> str:
    return apply(value, [Edit(index, index, text) for index, text in insertions.items()])


def _set(expected: Any, path: tuple[str | int, ...], value: str) -> None:  # noqa: ANN401 (a document is anything)
    for step in path[:-1]:
        expected = expected[step]
    expected[path[-1]] = value


def _plain(warning: str) -> str:
    return warning.removeprefix("kubemacpool: ")
