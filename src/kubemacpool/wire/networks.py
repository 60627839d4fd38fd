"""The annotations by which a pod asks for networks, and for addresses in them.

Source: NPWG Kubernetes Network Custom Resource Definition De-facto Standard, section 4 ("Pod network attachment
selection annotation"). The value is a list of names separated by commas (short form), or a JSON list of objects.
Multus reads `v1.multus-cni.io/default-network`, which takes the place of the cluster's default network, in the same way
(pkg/k8sclient/k8sclient.go, tryLoadK8sPodDefaultNetwork).

Implementations of the standard read the JSON form with Go's encoding/json, which does not tell upper from lower case in
keys and goes through them in their order, so that the last of several equal ones wins. So do we: an address under "MAC"
is one that the interface will have. A null changes nothing there, wherever it stands.

An address may stand in two places. Multus hands `mac` to the plugin as the runtime configuration's, and puts what is in
`cni-args` into the network's configuration (pkg/types/conf.go: mergeCNIRuntimeConfig, injectCNIArgs); plugins such as
bridge and macvlan take `args.cni.mac` from there where the runtime gives none (containernetworking/plugins,
plugins/main/bridge/bridge.go, loadNetConf). Which of two that differ a plugin takes is for the plugin to say: both
count. `cni-args` is a map in Multus, whose keys keep their case, and is written anew with its keys in order; the plugin
then reads "mac" in any case, and the last one wins. Several `cni-args` are merged, and a null among them clears it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.quoting import quoted, quoted_json

NETWORKS_ANNOTATION: Final = "k8s.v1.cni.cncf.io/networks"

DEFAULT_NETWORK_ANNOTATION: Final = "v1.multus-cni.io/default-network"

LARGEST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all annotations of an object together, keys included (apimachinery's TotalAnnotationSizeLimitB). The API
server looks only after the webhooks have been asked; what is larger is not worth reading."""

LONGEST_SHORT_FORM: Final = 256
"""Characters that are looked at of a value in the short form: as many as a warning has."""

_JSON_MARKS: Final = frozenset('[{"')
"""Any of these makes the value JSON; none can be part of a name in the short form."""

_TEXTS: Final = ("name", "namespace", "mac", "interface")
_ARGS: Final = "cni-args"
_REQUIRED: Final = frozenset({"name", "namespace", "mac"})
"""Fields that have to be texts; another one that is none is for its reader to refuse."""

_OURS: Final = frozenset({*_TEXTS, _ARGS})
_OUR_KEY: Final = re.compile(rb'"(?:' + b"|".join(field.encode() for field in sorted(_OURS)) + rb')"', re.IGNORECASE)

_OUR_KEY_TEXT: Final = re.compile(r'"(?:' + "|".join(sorted(_OURS)) + r')"', re.IGNORECASE)

_Text = str | msgspec.UnsetType
_UNSET: Final = msgspec.UNSET


class _PlainEntry(msgspec.Struct, gc=False):
    """An entry as nearly all are: our fields in their own letters, each at most once, and texts."""

    name: _Text = _UNSET
    namespace: _Text = _UNSET
    mac: _Text = _UNSET
    interface: _Text = _UNSET


_Entry = dict[str, msgspec.Raw]
_plain_entries = msgspec.json.Decoder(list[_PlainEntry])
_whole_entries = msgspec.json.Decoder(list[_Entry])
_entries = msgspec.json.Decoder(list[msgspec.Raw])
_entry = msgspec.json.Decoder(_Entry)
_texts = msgspec.json.Decoder(str | None)
_objects = msgspec.json.Decoder(_Entry | None)


class _Object:
    """A JSON object with all its members, also those whose name is there several times."""

    __slots__ = ("members",)

    def __init__(self, members: list[tuple[str, object]]) -> None:
        self.members = members


def _as_dict(value: _Object) -> dict[str, object]:
    """What Go makes of an object for which it has no type: of equal names the last wins."""
    return dict(value.members)


_encoder = msgspec.json.Encoder(enc_hook=_as_dict)


class NetworksError(ValueError):
    """The annotation is not what the standard asks for; the message says where, and what would be."""


class Selection(NamedTuple):
    """One entry of the JSON form. An empty text stands for a field that is missing, null or empty.

    Attributes:
        name: of the network.
        namespace: where its definition is.
        mac: the address that the runtime is to ask for.
        interface: what it is to be called in the pod.
        args_mac: the address among the arguments for the plugin (`cni-args`).
    """

    name: str
    namespace: str
    mac: str
    interface: str = ""
    args_mac: str = ""


class Given(NamedTuple):
    """An address as a user wrote it, and what people call its place."""

    label: str
    text: str


class NetworkSelections:
    """The JSON form, read; entries keep their unknown keys, the order of keys and the spelling of numbers.

    Attributes:
        value: the annotation.
        count: of its entries.
        selections: the first of them, as many as an object may have interfaces; the others are not read.
    """

    __slots__ = ("_entries", "_repeated", "count", "selections", "value")

    def __init__(
        self,
        value: str,
        count: int,
        selections: tuple[Selection, ...],
        entries: list[_Entry] | None = None,
        *,
        repeated: bool = False,
    ) -> None:
        """Keep what was read.

        Args:
            value: the annotation.
            count: of its entries.
            selections: what the first of them say.
            entries: these, with each of our fields once; None where they are so in the annotation.
            repeated: whether a field was there several times.
        """
        self.value = value
        self.count = count
        self.selections = selections
        self._entries = entries
        self._repeated = repeated

    def are_among(self, others: "NetworkSelections") -> bool:
        """Whether each entry is one of the others, as it was written there, be it read or not."""
        left = Counter(map(bytes, _entries.decode(others.value)))
        left.subtract(map(bytes, _entries.decode(self.value)))
        return min(left.values(), default=0) >= 0

    def filled(self, namespace: str, macs: Mapping[int, str]) -> str | None:
        """The annotation with every missing `namespace`, and these addresses, filled in; None when it is good as it is.

        An annotation in which a field is there several times is written anew in any case, each of them once: another
        reader could see another winner.

        Args:
            namespace: the pod's own.
            macs: by the index of the entry, whatever its `mac` was.
        """
        if not macs and not self._repeated and all(each.namespace for each in self.selections):
            return None
        entries = _whole_entries.decode(self.value) if self._entries is None else self._entries
        own = msgspec.Raw(_encoder.encode(namespace))
        changed = self._repeated
        for index, (entry, selection) in enumerate(zip(entries, self.selections, strict=True)):
            if not selection.namespace and namespace:
                entry[self._spelling(entry, "namespace")] = own
                changed = True
            if mac := macs.get(index):
                entry[self._spelling(entry, "mac")] = msgspec.Raw(_encoder.encode(mac))
                changed = True
        return _encoder.encode(entries).decode() if changed else None

    def _spelling(self, entry: _Entry, field: str) -> str:
        """The key under which an entry has a field already, or the field's own name."""
        if self._entries is None:
            return field
        return next((key for key in entry if key.casefold() == field), field)


def is_short_form(value: str) -> bool:
    """Whether the annotation has the short form, in which there is no place for an address."""
    return _JSON_MARKS.isdisjoint(value)


def parse_networks(value: str) -> NetworkSelections | None:
    """Read the annotation; None for the short form, in which there is no place for an address.

    Raises:
        NetworksError: when the value is meant to be JSON but is not a list of objects with texts where texts belong.
    """
    if len(value) > LARGEST_ANNOTATIONS:
        raise NetworksError(f"it has {len(value)} characters; an object may have {LARGEST_ANNOTATIONS} of annotations")
    if is_short_form(value):
        return None
    plain = _read_plain(value)
    if plain is not None:
        return NetworkSelections(value, len(plain), plain)
    try:
        entries = _entries.decode(value)
        read = [_read(index, entry) for index, entry in enumerate(entries[:MOST_INTERFACES])]
        repeated = any(each.repeated for each in read)
        selections = tuple(each.selection for each in read)
        return NetworkSelections(value, len(entries), selections, [each.entry for each in read], repeated=repeated)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NetworksError(f'not a JSON list of objects ({error}); write it like [{{"name":"my-network"}}]') from error


def entries_of(selections: NetworkSelections | None) -> tuple[Selection, ...]:
    """What was read of the entries of an annotation, which may be in the short form or not there."""
    return () if selections is None else selections.selections


def count_of(selections: NetworkSelections | None) -> int:
    """How many entries there are."""
    return 0 if selections is None else selections.count


def entry_label(index: int, selection: Selection) -> str:
    """One entry of the annotation, as people count and name it."""
    return f"entry {index} ({quoted(selection.name)})"


def given_addresses(selections: Iterable[Selection], of: str = "") -> Iterator[Given]:
    """Every address that stands in the annotation.

    Args:
        selections: its entries.
        of: the annotation, where that has to be told.
    """
    for index, selection in enumerate(selections):
        for text, where in ((selection.mac, ""), (selection.args_mac, f", {_ARGS}")):
            if text:
                yield Given(entry_label(index, selection) + where + (f" of {of}" if of else ""), text)


def describe_short_form(value: str) -> str:
    """The JSON form of a value in the short form, for people to copy; of a long one, its beginning.

    The JSON form of a beginning is longer than that, so nothing is missing that a warning would have room for.
    """
    entries: list[dict[str, str]] = []
    for item in filter(None, (part.strip() for part in value[:LONGEST_SHORT_FORM].split(","))):
        network, _, interface = item.partition("@")
        namespace, _, name = network.rpartition("/")
        entry = {"name": name, "namespace": namespace, "interface": interface}
        entries.append({key: text for key, text in entry.items() if text})
    return _encoder.encode(entries).decode()


def _read_plain(value: str) -> tuple[Selection, ...] | None:
    """The entries, where nothing about them is odd; None where the careful way has to be taken.

    Every text between quotation marks that is one of our keys, in whatever letters, has to be one of the fields that
    were found: then none is there twice, in other letters, or deeper down.
    """
    if not value.isascii() or "\\" in value:
        return None
    try:
        entries = _plain_entries.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    fields = 0
    found: list[Selection] = []
    for entry in entries:
        name, namespace, mac, interface = entry.name, entry.namespace, entry.mac, entry.interface
        fields += (name is not _UNSET) + (namespace is not _UNSET) + (mac is not _UNSET) + (interface is not _UNSET)
        found.append(Selection(name or "", namespace or "", mac or "", interface or ""))
    if len(entries) > MOST_INTERFACES or len(_OUR_KEY_TEXT.findall(value)) != fields:
        return None
    return tuple(found)


class _Careful(NamedTuple):
    """What one entry says; the entry with each of our fields once; and whether one was there several times."""

    selection: Selection
    entry: _Entry
    repeated: bool


def _read(index: int, raw: msgspec.Raw) -> _Careful:
    """Read an entry as Go would, whatever it has."""
    entry = _entry.decode(raw)
    texts = dict.fromkeys(_TEXTS, "")
    arguments: dict[str, object] = {}
    spellings: dict[str, list[str]] = {}
    for key, field, value in _our_members(raw, entry):
        spellings.setdefault(field, []).append(key)
        if field == _ARGS:
            arguments = _merged(arguments, value)
        elif isinstance(value, str):
            texts[field] = value
        elif value is not None and field in _REQUIRED:
            written = quoted_json(bytes(entry[key]))[1:-1]
            raise NetworksError(f"entry {index}: {quoted(key)} is {written}, which is not a text")
    selection = Selection(**texts, args_mac=_mac_among(arguments) if arguments else "")
    repeated = [field for field, keys in spellings.items() if len(keys) > 1]
    for field in repeated:
        won = arguments if field == _ARGS else texts[field]
        *others, last = spellings[field]
        entry[last] = msgspec.Raw(_encoder.encode(won))
        for key in {*others} - {last}:
            del entry[key]
    return _Careful(selection, entry, bool(repeated))


def _our_members(raw: msgspec.Raw, entry: _Entry) -> Iterator[tuple[str, str, object]]:
    """The members of an entry that are ours, as Go goes through them: their names, their fields and their values."""
    ours = [(key, field) for key in entry if (field := key.casefold()) in _OURS]
    written = bytes(raw)
    plain = written.isascii() and b"\\" not in written  # else a field may be there in letters that are not its own
    if plain and len(_OUR_KEY.findall(written)) <= len(ours):
        for key, field in ours:
            yield key, field, (_arguments if field == _ARGS else _text)(entry[key])
        return
    # Slower, and it knows of names that are there several times.
    read = json.loads(written, object_pairs_hook=_Object, parse_int=_number, parse_float=_number)
    for key, value in read.members:
        if (field := key.casefold()) in _OURS:
            yield key, field, dict(value.members) if isinstance(value, _Object) else value


def _number(spelling: str) -> msgspec.Raw:
    return msgspec.Raw(spelling.encode())


def _text(raw: msgspec.Raw) -> object:
    """The text, None for a null, or the value as it was written."""
    try:
        return _texts.decode(raw)
    except msgspec.ValidationError:
        return raw


def _arguments(raw: msgspec.Raw) -> object:
    """The members of an object, None for a null, or the value as it was written."""
    try:
        return _objects.decode(raw)
    except msgspec.ValidationError:
        return raw


def _merged(arguments: dict[str, object], value: object) -> dict[str, object]:
    """What Go makes of one more value for the same map; what is no map has no address in it."""
    if value is None:
        return {}
    return arguments | value if isinstance(value, dict) else arguments


def _mac_among(arguments: Mapping[str, object]) -> str:
    """The address that a plugin finds among its arguments; what is no text is for the plugin to refuse."""
    found = ""
    for key in sorted(key for key in arguments if key.casefold() == "mac"):
        value = arguments[key]
        text = _text(value) if isinstance(value, msgspec.Raw) else value
        if isinstance(text, str):
            found = text
    return found
