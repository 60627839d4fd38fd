import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.wire.strategies import ANNOTATIONS, OUR_KEYS, VALUES

from kubemacpool.wire import networks
from kubemacpool.wire.networks import (
    LARGEST_ANNOTATIONS,
    Given,
    NetworkSelections,
    NetworksError,
    Selection,
    describe_short_form,
    given_addresses,
    parse_networks,
)
from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.review import MAX_WARNING

MAC = "02:00:00:00:00:07"


def _parsed(value: str) -> NetworkSelections:
    selections = parse_networks(value)
    assert selections is not None
    return selections


def _filled(value: str) -> str | None:
    selections = _parsed(value)
    missing = (index for index, selection in enumerate(selections.selections) if not selection.mac)
    return selections.filled("ns", {index: f"02:00:00:00:00:{index + 1:02}" for index in missing})


FILLED = {
    "the promise of the README": (
        '[{"name":"ovs-conf"}]',
        '[{"name":"ovs-conf","namespace":"ns","mac":"02:00:00:00:00:01"}]',
    ),
    "each entry for itself": (
        '[{"name":"a","mac":"x"},{"name":"b","namespace":"other"}]',
        '[{"name":"a","mac":"x","namespace":"ns"},{"name":"b","namespace":"other","mac":"02:00:00:00:00:02"}]',
    ),
    "unknown keys, in their order": (
        '[{"ipam-claim-reference":"c","name":"a","zz":1,"interface":"i","aa":2}]',
        ('[{"ipam-claim-reference":"c","name":"a","zz":1,"interface":"i","aa":2,'
        '"namespace":"ns","mac":"02:00:00:00:00:01"}]'),
    ),
    "the spelling of numbers": (
        '[{"a":1e3,"b":1.0,"c":10000000000000000000001,"d":-0.10E-2}]',
        '[{"a":1e3,"b":1.0,"c":10000000000000000000001,"d":-0.10E-2,"namespace":"ns","mac":"02:00:00:00:00:01"}]',
    ),
    "blanks and escapes inside a value": (
        '[{"a":{ "b" : [1, 2 ] },"c":"\\u00e9\\/"}]',
        '[{"a":{ "b" : [1, 2 ] },"c":"\\u00e9\\/","namespace":"ns","mac":"02:00:00:00:00:01"}]',
    ),
    "null and empty are missing, and filled where they stand": (
        '[{"mac":null,"name":"a","namespace":""},{"namespace":null,"mac":"","name":"b"}]',
        ('[{"mac":"02:00:00:00:00:01","name":"a","namespace":"ns"},'
        '{"namespace":"ns","mac":"02:00:00:00:00:02","name":"b"}]'),
    ),
    "an empty field in another case is filled where it stands": (
        '[{"MAC":"","NameSpace":null}]',
        '[{"MAC":"02:00:00:00:00:01","NameSpace":"ns"}]',
    ),
    "of several empty spellings the last, which wins": (
        '[{"namespace":"x","mac":"","Mac":null}]',
        '[{"namespace":"x","Mac":"02:00:00:00:00:01"}]',
    ),
    "a field in several spellings, one of them repeated: written once, as it was read": (
        '[{"namespace":"x","mac":"A","MAC":"C","mac":"B"}]',
        '[{"namespace":"x","mac":"B"}]',
    ),
    "a null after a value, which stays": (
        '[{"namespace":"x","mac":"A","y":1,"mac":null}]',
        '[{"namespace":"x","mac":"A","y":1}]',
    ),
    "a name and a namespace repeated": (
        '[{"name":"a","name":"b","namespace":"x","NAMESPACE":"y","mac":"A"}]',
        '[{"name":"b","NAMESPACE":"y","mac":"A"}]',
    ),
    "arguments repeated: merged, as Go does": (
        '[{"namespace":"x","mac":"A","cni-args":{"a":1.0},"CNI-args":{"b":[2]}}]',
        '[{"namespace":"x","mac":"A","CNI-args":{"a":1.0,"b":[2]}}]',
    ),
    "arguments with an object in them": (
        '[{"namespace":"x","mac":"A","cni-args":{"a":{"b":{"c":1e3},"b":{"d":[{}]}}},"cni-args":{"e":-0}}]',
        '[{"namespace":"x","mac":"A","cni-args":{"a":{"b":{"d":[{}]}},"e":-0}}]',
    ),
    "arguments cleared": (
        '[{"namespace":"x","mac":"A","cni-args":{"mac":"B"},"cni-args":null}]',
        '[{"namespace":"x","mac":"A","cni-args":{}}]',
    ),
    "an address among the arguments that stands beside one of its own": (
        '[{"namespace":"x","cni-args":{"mac":"B"}}]',
        '[{"namespace":"x","cni-args":{"mac":"B"},"mac":"02:00:00:00:00:01"}]',
    ),
    "an empty object": ("[{}]", '[{"namespace":"ns","mac":"02:00:00:00:00:01"}]'),
    "blanks around it": (" \n[ { } ]\t", '[{"namespace":"ns","mac":"02:00:00:00:00:01"}]'),
    "a NUL and what is not ASCII, in values": (
        '[{"name":"\\u0000é😀"}]',
        '[{"name":"\\u0000é😀","namespace":"ns","mac":"02:00:00:00:00:01"}]',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), FILLED.values(), ids=FILLED)
def test_what_is_missing_is_filled_in_and_nothing_else_changes(value: str, expected: str) -> None:
    assert _filled(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        '[{"name":"a","namespace":"b","mac":"02-00-00-00-00-AA"}]',
        '[{"Name":"a","NAMESPACE":"b","MAC":"0200.0000.00aa", "x": 1e3}]',
        "[]",
        " [ ] ",
    ],
)
def test_an_annotation_that_lacks_nothing_is_left_alone(value: str) -> None:
    assert _filled(value) is None


FIELDS = {
    "as the standard spells them": ('[{"name":"a","namespace":"b","mac":"c"}]', Selection("a", "b", "c")),
    "missing": ("[{}]", Selection("", "", "")),
    "null": ('[{"name":null,"namespace":null,"mac":null}]', Selection("", "", "")),
    "in another case": ('[{"NAME":"a","NameSpace":"b","Mac":"c"}]', Selection("a", "b", "c")),
    "in letters that Go folds": ('[{"name\\u017fpace":"b"}]', Selection("", "b", "")),
    "the last of two spellings": ('[{"mac":"a","MAC":"b"}]', Selection("", "", "b")),
    "the last of two equal ones": ('[{"mac":"a","mac":"b"}]', Selection("", "", "b")),
    "null after a value": ('[{"mac":"a","MAC":null}]', Selection("", "", "a")),
    "empty after a value": ('[{"mac":"a","MAC":""}]', Selection("", "", "")),
    "the last of three, of which two are equal": ('[{"mac":"a","MAC":"b","mac":"c"}]', Selection("", "", "c")),
    "null after an equal one": ('[{"mac":"a","mac":null}]', Selection("", "", "a")),
    "an equal one, escaped": ('[{"mac":"a","MAC":"b","m\\u0061c":"c"}]', Selection("", "", "c")),
    "a value that looks like a field": ('[{"name":"mac","mac":"a"}]', Selection("mac", "", "a")),
    "an interface": ('[{"interface":"if0"}]', Selection("", "", "", "if0")),
    "an interface that is no text": ('[{"interface":5}]', Selection("", "", "")),
    "an address among the arguments": ('[{"cni-args":{"mac":"a"}}]', Selection("", "", "", "", "a")),
    "both": ('[{"mac":"a","cni-args":{"mac":"b"}}]', Selection("", "", "a", "", "b")),
    "arguments in another case": ('[{"CNI-Args":{"MAC":"a"}}]', Selection("", "", "", "", "a")),
    "of the arguments the one that comes last in their order": (
        '[{"cni-args":{"mac":"a","MAC":"b"}}]',
        Selection("", "", "", "", "a"),
    ),
    "null among the arguments": ('[{"cni-args":{"MAC":"b","mac":null}}]', Selection("", "", "", "", "b")),
    "a null for an equal argument": ('[{"cni-args":{"mac":"b","mac":null}}]', Selection("", "", "")),
    "no text among the arguments": ('[{"cni-args":{"MAC":"b","mac":5}}]', Selection("", "", "", "", "b")),
    "no arguments": ('[{"cni-args":null}]', Selection("", "", "")),
    "arguments that are a text": ('[{"cni-args":"x"}]', Selection("", "", "")),
    "arguments that are a list": ('[{"cni-args":[["mac","x"]]}]', Selection("", "", "")),
    "arguments that are none": ('[{"cni-args":"mac"}]', Selection("", "", "")),
    "arguments twice": ('[{"cni-args":{"mac":"a"},"cni-args":{"b":1}}]', Selection("", "", "", "", "a")),
    "arguments twice, the last a null": ('[{"cni-args":{"mac":"a"},"cni-args":null}]', Selection("", "", "")),
    "escaped": ('[{"m\\u0061c":"\\u0061"}]', Selection("", "", "a")),
}


@pytest.mark.parametrize(("value", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields_are_read_as_go_reads_them(value: str, expected: Selection) -> None:
    assert _parsed(value).selections == (expected,)


def _as_go_reads(entry: list[tuple[str, object]]) -> dict[str, object]:
    """The rule of encoding/json: keys in any case, in order, and null changes nothing."""
    fields: dict[str, object] = {}
    for key, value in entry:
        if key.casefold() in OUR_KEYS and value is not None:
            fields[key.casefold()] = value
    return fields


SPELLINGS = st.sampled_from(["mac", "MAC", "Mac", "m\u0061c", "namespace", "NAMESPACE", "name\u017fpace"])


@example([("namespace", "x"), ("mac", "A"), ("MAC", "B"), ("mac", "C")])
@example([("namespace", "x"), ("mac", "A"), ("mac", None)])
@example([("namespace", "x"), ("mac", "A"), ("MAC", "B"), ("MAC", None)])
@given(st.lists(st.tuples(SPELLINGS, st.sampled_from(["A", "B", "", None])), max_size=6))
def test_whoever_reads_the_answer_as_go_does_reads_the_address_that_was_judged(items: list[tuple[str, object]]) -> None:
    value = "[{" + ",".join(f"{json.dumps(key)}:{json.dumps(item)}" for key, item in items) + "}]"
    selections = _parsed(value)
    answer = selections.filled("ns", {} if selections.selections[0].mac else {0: MAC}) or value
    read = _as_go_reads(json.loads(answer, object_pairs_hook=list)[0])
    assert read["mac"] == (selections.selections[0].mac or MAC)
    assert (selections.selections[0].mac or None) == (_as_go_reads(items).get("mac") or None)
    assert len({key.casefold() for key in json.loads(answer)[0]}) == len(json.loads(answer, object_pairs_hook=list)[0])
    assert read["namespace"] == (selections.selections[0].namespace or "ns")


def _exact(value: str) -> list[list[tuple[str, object]]]:
    """Everything that a reader could tell: order, repetitions, spelling of numbers."""
    hook = "number {}".format
    read = json.loads(value, parse_float=hook, parse_int=hook, object_pairs_hook=list)
    assert isinstance(read, list)
    return read


@given(ANNOTATIONS)
def test_filling_changes_nothing_but_namespace_and_mac(value: str) -> None:
    selections = _parsed(value)
    missing = [index for index, selection in enumerate(selections.selections) if not selection.mac]
    answer = selections.filled("ns", dict.fromkeys(missing, MAC))
    before, after = _exact(value), _exact(answer or value)
    assert len(before) == len(after)
    for given_entry, entry in zip(before, after, strict=True):
        values: dict[str, object] = {}
        expected: list[tuple[str, object]] = []
        for key, item in given_entry:
            filling = {"namespace": "ns", "mac": MAC}.get(key.casefold())
            values[key.casefold()] = item or filling
            expected.append((key, item or filling if filling else item))
        expected += [(key, filling) for key, filling in (("namespace", "ns"), ("mac", MAC)) if key not in values]
        assert entry == expected
    assert (answer is None) == (before == after)


NOT_A_LIST = {
    "an object": "{}",
    "an object in place of a list": '{"name":"a"}',
    "a text": '"a"',
    "broken": '[{"name":"a"]',
    "not ended": '[{"name":"a"}',
    "ended twice": '[{"name":"a"}]]',
    "a trailing comma": '[{"name":"a"},]',
    "single quotes": "[{'name':'a'}]",
    "YAML": "[{name: a}]",
    "texts as entries": '["a","b"]',
    "null as an entry": "[null]",
    "a list as an entry": '[[{"name":"a"}]]',
    "a number with a leading zero": '[{"x":01}]',
    "not a number": '[{"x":NaN}]',
    "half a surrogate pair": '[{"x":"\\ud800"}]',
    "half a surrogate pair, unescaped": '[{"x":"\ud800"}]',
    "half a surrogate pair in a key": '[{"\\ud800":1}]',
    "a byte order mark": '\ufeff[{"name":"a"}]',
    "a NUL, unescaped": '[{"x":"\0"}]',
    "a list nested too deeply": "[" * 100_000,
    "a value nested too deeply": '[{"x":' + "[" * 100_000 + "]" * 100_000 + "}]",
    "an object nested too deeply": '[{"x":' + '{"a":' * 40_000 + "1" + "}" * 40_000 + "}]",
}


@pytest.mark.parametrize("value", NOT_A_LIST.values(), ids=NOT_A_LIST)
def test_what_is_meant_to_be_json_and_is_not_a_list_of_objects_is_named_with_the_remedy(value: str) -> None:
    with pytest.raises(
        NetworksError, match=r'not a JSON list of objects \(.*\); write it like \[{"name":"my-network"}\]'
    ):
        parse_networks(value)


@pytest.mark.parametrize(
    ("field", "raw"), [("mac", "5"), ("MAC", "true"), ("namespace", "[1, 2]"), ("name", '{"a":1}'), ("mac", "1e400")]
)
def test_a_field_that_is_not_a_text_is_named_with_its_entry(field: str, raw: str) -> None:
    with pytest.raises(NetworksError) as caught:
        parse_networks(f'[{{"name":"a"}},{{"{field}":{raw}}}]')
    assert str(caught.value) == f'entry 1: "{field}" is {raw}, which is not a text'


def test_a_message_quotes_only_the_beginning_of_a_huge_value() -> None:
    with pytest.raises(NetworksError) as caught:
        parse_networks('[{"mac":[' + "1," * 100_000 + "1]}]")
    assert len(str(caught.value)) < 150


def test_of_an_annotation_of_the_greatest_size_as_many_entries_are_read_as_an_object_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    real = networks._read

    def counting(index: int, raw: msgspec.Raw) -> object:
        read.append(index)
        return real(index, raw)

    monkeypatch.setattr(networks, "_read", counting)
    value = "[" + ",".join(["{}"] * ((LARGEST_ANNOTATIONS - 1) // 3)) + "]"
    selections = _parsed(value)
    assert selections.count > 87_000
    assert len(selections.selections) == len(read) == MOST_INTERFACES


@pytest.mark.parametrize("value", ["[" + "{}," * 100_000 + "{}]", "net," * 100_000])
def test_an_annotation_that_cannot_be_stored_is_not_read(value: str) -> None:
    with pytest.raises(NetworksError, match=r"^it has \d+ characters; an object may have 262144 of annotations$"):
        parse_networks(value)


def test_whether_entries_are_among_others_is_told_also_beyond_those_that_are_read() -> None:
    some = [f'{{"name":"n{number}"}}' for number in range(300)]
    every = _parsed(f"[{','.join(some)}]")
    assert _parsed(f"[{','.join(some[20:])}]").are_among(every)
    assert every.are_among(every)
    assert _parsed("[]").are_among(every)
    assert not _parsed(f"[{','.join([*some, some[0]])}]").are_among(every)
    assert not _parsed('[{"name":"other"}]').are_among(every)


@given(VALUES)
def test_no_json_raises_anything_but_the_errors_told(value: str) -> None:
    try:
        parse_networks(value)
    except NetworksError:
        return


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_the_errors_told(value: str) -> None:
    try:
        parse_networks(value)
    except NetworksError:
        return


SHORT_FORMS = {
    "net1": '[{"name":"net1"}]',
    "ns/net2@if0": '[{"name":"net2","namespace":"ns","interface":"if0"}]',
    "net1,ns/net2@if0": '[{"name":"net1"},{"name":"net2","namespace":"ns","interface":"if0"}]',
    " net1 ,\tnet2\n,, ": '[{"name":"net1"},{"name":"net2"}]',
    "net1@if0": '[{"name":"net1","interface":"if0"}]',
    "null": '[{"name":"null"}]',
    "": "[]",
    ",": "[]",
}


@pytest.mark.parametrize(("value", "described"), SHORT_FORMS.items())
def test_the_short_form_is_left_alone_and_has_a_json_form_to_show(value: str, described: str) -> None:
    assert parse_networks(value) is None
    assert describe_short_form(value) == described


def test_of_a_long_short_form_as_much_is_shown_as_a_warning_has_room_for() -> None:
    described = describe_short_form("net," * 50_000)
    assert MAX_WARNING < len(described) < 10 * MAX_WARNING


def test_every_address_is_told_with_its_place() -> None:
    selections = _parsed(
        '[{"name":"a","mac":"1","cni-args":{"mac":"2"}},{"name":"b"},{"cni-args":{"mac":"3"}}]'
    ).selections
    assert [*given_addresses(selections)] == [
        Given('entry 0 ("a")', "1"),
        Given('entry 0 ("a"), cni-args', "2"),
        Given('entry 2 (""), cni-args', "3"),
    ]
    assert [*given_addresses(selections[:1], "x/y")] == [
        Given('entry 0 ("a") of x/y', "1"),
        Given('entry 0 ("a"), cni-args of x/y', "2"),
    ]
