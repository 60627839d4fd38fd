"""The network-selection annotation of a pod.

Source: NPWG Kubernetes Network Custom Resource Definition De-facto Standard, section 4 ("Pod network attachment
selection annotation"). The value is a list of names separated by commas (short form), or a JSON list of objects.

Implementations of the standard read the JSON form with Go's encoding/json, which does not tell upper from lower case in
keys and lets the last of several equal ones win. So do we: an address under "MAC" is one that the interface will have.
A null changes nothing there, wherever it stands.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from kubemacpool.wire.quoting import quoted, quoted_json

NETWORKS_ANNOTATION: Final = "k8s.v1.cni.cncf.io/networks"

LARGEST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all annotations of an object together, keys included (apimachinery's TotalAnnotationSizeLimitB). The API
server looks only after the webhooks have been asked."""

LONGEST_SHORT_FORM: Final = 256
"""Characters that are looked at of a value in the short form: as many as a warning has."""

_JSON_MARKS: Final = frozenset('[{"')
"""Any of these makes the value JSON; none can be part of a name in the short form."""

_Entry = dict[str, msgspec.Raw]
_entries = msgspec.json.Decoder(list[_Entry])
_text = msgspec.json.Decoder(str | None)
_encoder = msgspec.json.Encoder()


class NetworksError(ValueError):
    """The annotation is not what the standard asks for; the message says where, and what would be."""


class Selection(NamedTuple):
    """One entry of the JSON form. An empty text stands for a field that is missing, null or empty."""

    name: str
    namespace: str
    mac: str


class NetworkSelections:
    """The JSON form, read; entries keep their unknown keys, the order of keys and the spelling of numbers."""

    __slots__ = ("_entries", "_repeated", "selections")

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries = entries
        read = [_selection(index, entry) for index, entry in enumerate(entries)]
        self.selections = tuple(selection for selection, _ in read)
        self._repeated = any(repeated for _, repeated in read)

    def filled(self, namespace: str, macs: Sequence[str]) -> str | None:
        """The annotation with every missing `namespace` and `mac` filled in; None when it is good as it is.

        An annotation in which a field is there in several seen is written anew in any case: when one of these is
        there several times, only the last of them was read here, so another reader could see another winner.

        Args:
            namespace: the pod's own.
            macs: one text an entry; used where the entry has no `mac`.
        """
        changed = self._repeated
        for entry, selection, mac in zip(self._entries, self.selections, macs, strict=True):
            for key, have, value in (("namespace", selection.namespace, namespace), ("mac", selection.mac, mac)):
                if not have:
                    entry[_spelling(entry, key)] = msgspec.Raw(_encoder.encode(value))
                    changed = True
        return _encoder.encode(self._entries).decode() if changed else None


def parse_networks(value: str) -> NetworkSelections | None:
    """Read the annotation; None for the short form, in which there is no place for an address.

    Raises:
        NetworksError: when the value is meant to be JSON but is not a list of objects with texts where texts belong.
    """
    if _JSON_MARKS.isdisjoint(value):
        return None
    try:
        return NetworkSelections(_entries.decode(value))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NetworksError(f'not a JSON list of objects ({error}); write it like [{{"name":"my-network"}}]') from error


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


def _selection(index: int, entry: _Entry) -> tuple[Selection, bool]:
    """What one entry says, and whether it has one of these fields in more than one spelling."""
    fields = {"name": "", "namespace": "", "mac": ""}
    seen: set[str] = set()
    repeated = False
    for key, raw in entry.items():
        field = key.casefold()
        if field in fields:
            repeated = repeated or field in seen
            seen.add(field)
            try:
                text = _text.decode(raw)
            except msgspec.ValidationError:
                value = quoted_json(bytes(raw))
                raise NetworksError(f"entry {index}: {quoted(key)} is {value[1:-1]}, which is not a text") from None
            if text is not None:
                fields[field] = text
    return Selection(fields["name"], fields["namespace"], fields["mac"]), repeated


def _spelling(entry: _Entry, field: str) -> str:
    """The key under which an entry has a field already (the last one wins), or the field's own name."""
    spelling = field
    for key in entry:
        if key.casefold() == field:
            spelling = key
    return spelling
