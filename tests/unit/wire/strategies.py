"""Annotations and reviews as people, other programs and nobody in their right mind would write them."""

import json

from hypothesis import strategies as st

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""What the API server keeps in an annotation: any text that is valid UTF-8."""

NUMBER_SPELLINGS = st.sampled_from(
    ["0", "-0", "1", "1.0", "1e3", "1E+3", "-1.50", "0.1e-7", "10000000000000000000001", "1" * 400]
)
BLANKS = st.text(" \t\r\n", max_size=2)

SCALARS = st.one_of(st.sampled_from(["null", "true", "false"]), NUMBER_SPELLINGS, TEXTS.map(json.dumps))


def _list(items: list[str]) -> str:
    return "[" + ",".join(items) + "]"


def _object(items: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in items) + "}"


def _children(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.tuples(BLANKS, values, BLANKS).map("".join)
    return st.lists(spaced, max_size=3).map(_list) | st.lists(st.tuples(TEXTS, spaced), max_size=3).map(_object)


VALUES = st.recursive(SCALARS, _children, max_leaves=8)
"""JSON values as text, in the spelling of whoever wrote them."""

OUR_KEYS = frozenset({"name", "namespace", "mac"})
UNKNOWN_KEYS = st.one_of(
    st.sampled_from(["ips", "interface", "cni-args", "ipam-claim-reference", "default-route", "macs", ""]),
    TEXTS.filter(lambda key: key.casefold() not in OUR_KEYS),
)


def _optional_text(filled: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(["null", '""']), filled.map(json.dumps))


@st.composite
def entries(draw: st.DrawFn) -> str:
    """One entry: any of our fields, each once and missing, null, empty or filled, among unknown ones."""
    items = draw(st.lists(st.tuples(UNKNOWN_KEYS, VALUES), max_size=4, unique_by=lambda item: item[0]))
    for key in draw(st.lists(st.sampled_from(sorted(OUR_KEYS)), unique=True)):
        spelling = draw(st.sampled_from([key, key, key.upper(), key.title()]))
        items.insert(draw(st.integers(0, len(items))), (spelling, draw(_optional_text(TEXTS))))
    return _object(items)


ANNOTATIONS = st.lists(st.tuples(BLANKS, entries(), BLANKS).map("".join), min_size=1, max_size=4).map(_list)
"""The JSON form, with at least one entry."""

REVIEW_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.sampled_from(["admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1, None]),
        "kind": st.sampled_from(["AdmissionReview", "Pod", None]),
        "request": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "uid": TEXTS | st.none(),
                "kind": st.fixed_dictionaries(
                    {}, optional={"group": st.sampled_from(["", "apps"]), "kind": st.sampled_from(["Pod", "Job", 1])}
                ),
                "operation": st.sampled_from(["CREATE", "UPDATE", None]),
                "namespace": TEXTS | st.none(),
                "name": TEXTS,
                "dryRun": st.none() | st.booleans() | st.integers(),
                "object": st.none()
                | st.fixed_dictionaries(
                    {},
                    optional={
                        "metadata": st.fixed_dictionaries(
                            {},
                            optional={
                                "name": st.none() | TEXTS,
                                "generateName": TEXTS,
                                "annotations": st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2),
                            },
                        )
                        | st.none()
                    },
                ),
            },
        ),
    },
)
"""AdmissionReviews with parts of them missing, null or of the wrong type."""

REVIEW_BODIES = st.one_of(
    st.binary(max_size=60), VALUES.map(str.encode), REVIEW_PARTS.map(lambda review: json.dumps(review).encode())
)

_KUBEVIRT_KEYS = st.sampled_from(
    [
        "template",
        "spec",
        "domain",
        "devices",
        "interfaces",
        "networks",
        "name",
        "macAddress",
        "state",
        "masquerade",
        "multus",
        "pod",
        "sendTo",
        "receive",
        "migrationID",
        "vmiName",
        "phase",
        "metadata",
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(_KUBEVIRT_KEYS | TEXTS, values, max_size=4),
    max_leaves=12,
)
"""Any JSON, with many of the keys by which KubeVirt's objects are read."""


@st.composite
def damaged(draw: st.DrawFn, document: Json) -> Json:
    """The document with one part of it, however deep, replaced by any JSON or left out."""
    if isinstance(document, dict) and document and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(document)))
        if draw(st.booleans()) and draw(st.booleans()):
            return {other: value for other, value in document.items() if other != key}
        return {**document, key: draw(damaged(document[key]))}
    if isinstance(document, list) and document and draw(st.booleans()):
        index = draw(st.integers(0, len(document) - 1))
        return [*document[:index], draw(damaged(document[index])), *document[index + 1 :]]
    return draw(JSON_VALUES)
