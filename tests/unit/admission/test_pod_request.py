"""What a pod asks for, beside what it had."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemacpool.admission.pod_request import Asked, AskingError, Wish, read_asked
from kubemacpool.wire.pod_review import NetworkAnnotations

M1, M2, M3 = (f"02:00:00:00:00:0{number}" for number in (1, 2, 3))
A1, A2, A3 = (0x020000000000 + number for number in (1, 2, 3))
NETWORKS = "annotation k8s.v1.cni.cncf.io/networks"
DEFAULT = "v1.multus-cni.io/default-network"


def _entry(name: str, mac: str = "", **more: str) -> str:
    fields = {"name": name} | ({"mac": mac} if mac else {}) | more
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in fields.items()) + "}"


def _list(*entries: str) -> str:
    return f"[{','.join(entries)}]"


def _asked(
    new: str | None, old: str | None = None, *, default: str | None = None, old_default: str | None = None
) -> Asked:
    return read_asked(NetworkAnnotations(new, default), NetworkAnnotations(old, old_default), "ns")


def _filled(index: int) -> Wish:
    return Wish("", None, entry=index)


def test_a_new_pod_has_everything_to_be_decided() -> None:
    asked = read_asked(NetworkAnnotations(_list(_entry("a", M1), _entry("b"))), None, "ns")
    assert asked.wishes == [Wish('entry 0 ("a")', A1, M1), _filled(1)]
    assert (asked.kept, asked.written, asked.carried, asked.where, asked.interfaces) == (
        {},
        {},
        frozenset(),
        NETWORKS,
        2,
    )


ENTRIES = st.builds(
    _entry,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", M1, M2, "no address"]),
    interface=st.sampled_from(["", "if0"]),
)
ARGUMENTS = _list(f'{{"mac":"{M1}","cni-args":{{"mac":"{M3}"}}}}', f'{{"cni-args":{{"mac":"{M2}"}}}}')
VALUES = st.sampled_from([None, "", " ", "net1", "[", ARGUMENTS]) | st.lists(ENTRIES, max_size=4).map(
    lambda entries: _list(*entries)
)


@given(VALUES, VALUES)
def test_a_new_pod_asks_for_what_one_does_that_had_nothing_before(networks: str | None, default: str | None) -> None:
    new = NetworkAnnotations(networks, default)
    found: list[object] = []
    for old in (None, NetworkAnnotations()):
        try:
            asked = read_asked(new, old, "ns")
        except AskingError as error:
            found.append((error.where, str(error)))
        else:
            written = asked.selections and asked.selections.value
            found.append((*asked._replace(selections=None), written))
    assert found[0] == found[1]


@pytest.mark.parametrize("networks", [None, "", " \n", "net1", "[]"])
def test_a_pod_without_networks_in_the_json_form_asks_for_nothing(networks: str | None) -> None:
    assert read_asked(NetworkAnnotations(networks), None, "ns").wishes == []


UNCHANGED = {
    "as it was": (_list(_entry("a", M1), _entry("b", M2)), _list(_entry("a", M1), _entry("b", M2))),
    "one removed": (_list(_entry("b", M2)), _list(_entry("a", M1), _entry("b", M2))),
    "all removed": (None, _list(_entry("a", M1))),
    "another spelling": (_list(_entry("a", M1.replace(":", "-"))), _list(_entry("a", M1))),
    "the addresses exchanged": (_list(_entry("a", M2), _entry("b", M1)), _list(_entry("a", M1), _entry("b", M2))),
    "one that is none": (_list(_entry("a", "zz"), _entry("b", M1)), _list(_entry("b", M1), _entry("a", "zz"))),
    "the same twice": (_list(_entry("a", M1), _entry("b", M1)), _list(_entry("a", M1), _entry("b", M1))),
    "without an address": (_list(_entry("a"), _entry("b")), _list(_entry("b"), _entry("a"))),
    "unreadable": ("[broken", "[broken"),
    "the namespace written out": (_list(_entry("a", namespace="ns")), _list(_entry("a"))),
    "lost what was none": (_list(_entry("a")), _list(_entry("a", "zz"))),
}


@pytest.mark.parametrize(("new", "old"), UNCHANGED.values(), ids=UNCHANGED)
def test_what_was_there_before_is_not_judged_anew(new: str | None, old: str) -> None:
    asked = _asked(new, old)
    assert (asked.wishes, asked.written) == ([], {})


NEW = {
    "an entry": (_list(_entry("a", M1), _entry("b")), _list(_entry("a", M1)), [_filled(1)]),
    "an entry with an address": (
        _list(_entry("a", M1), _entry("b", M2)),
        _list(_entry("a", M1)),
        [Wish('entry 1 ("b")', A2, M2)],
    ),
    "another address": (_list(_entry("a", M2)), _list(_entry("a", M1)), [Wish('entry 0 ("a")', A2, M2)]),
    "one more of a network": (_list(_entry("a"), _entry("a")), _list(_entry("a")), [_filled(1)]),
    "one more with an address of the same network": (
        _list(_entry("a", M1), _entry("a")),
        _list(_entry("a", M1)),
        [_filled(1)],
    ),
    "another interface of a network": (
        _list(_entry("a", interface="x")),
        _list(_entry("a", interface="y")),
        [_filled(0)],
    ),
    "the same network of another namespace": (_list(_entry("a", namespace="x")), _list(_entry("a")), [_filled(0)]),
    "the same address once more": (
        _list(_entry("a", M1), _entry("b", M1)),
        _list(_entry("a", M1)),
        [Wish('entry 1 ("b")', A1, M1)],
    ),
    "an entry where there was no annotation": (_list(_entry("a")), None, [_filled(0)]),
    "an entry where nothing could be read": (_list(_entry("a")), "[broken", [_filled(0)]),
    "an entry where there was the short form": (_list(_entry("a")), "a", [_filled(0)]),
    "an address that moved while its entry got none": (
        _list(_entry("b", M1), _entry("a")),
        _list(_entry("a", M1)),
        [_filled(1)],
    ),
}


@pytest.mark.parametrize(("new", "old", "wishes"), NEW.values(), ids=NEW)
def test_what_is_new_is_to_be_decided(new: str, old: str | None, wishes: list[Wish]) -> None:
    asked = _asked(new, old)
    assert (asked.wishes, asked.written) == (wishes, {})


def test_an_entry_that_has_lost_its_address_gets_it_back() -> None:
    asked = _asked(_list(_entry("b"), _entry("a"), _entry("c")), _list(_entry("a", M1), _entry("b", M2)))
    assert asked.written == {0: A2, 1: A1}
    assert asked.wishes == [_filled(2)]
    assert asked.kept == {A2: 'entry 0 ("b")', A1: 'entry 1 ("a")'}
    assert asked.carried == {A1, A2}


def test_an_entry_that_has_lost_the_address_among_its_arguments_gets_it_back() -> None:
    asked = _asked('[{"name":"a"}]', f'[{{"name":"a","cni-args":{{"mac":"{M1}"}}}}]')
    assert (asked.written, asked.wishes) == ({0: A1}, [])


def test_of_two_entries_of_a_network_each_gets_its_address_back() -> None:
    asked = _asked(_list(_entry("a"), _entry("a", M1), _entry("a")), _list(_entry("a", M1), _entry("a", M2)))
    assert (asked.written, asked.wishes) == ({0: A2}, [_filled(2)])


def test_two_addresses_of_one_interface_are_both_decided_about() -> None:
    asked = _asked(f'[{{"name":"a","mac":"{M1}","cni-args":{{"mac":"{M2}"}}}}]')
    assert asked.wishes == [Wish('entry 0 ("a")', A1, M1), Wish('entry 0 ("a"), cni-args', A2, M2)]
    assert asked.interfaces == 2


def test_an_entry_with_an_address_among_its_arguments_gets_no_other() -> None:
    asked = _asked(f'[{{"name":"a","cni-args":{{"mac":"{M1}"}}}}]')
    assert asked.wishes == [Wish('entry 0 ("a"), cni-args', A1, M1)]


def test_an_address_in_the_default_network_is_decided_about_and_none_is_given_there() -> None:
    asked = _asked(None, default=_list(_entry("x"), _entry("y", M1)))
    assert asked.wishes == [Wish(f'entry 1 ("y") of {DEFAULT}', A1, M1)]
    assert (asked.where, asked.interfaces, asked.selections) == (f"annotation {DEFAULT}", 2, None)
    asked = _asked(_list(_entry("a")), default=_list(_entry("y", M1)))
    assert asked.where == f"annotations k8s.v1.cni.cncf.io/networks and {DEFAULT}"
    assert _asked(None, default=_list(_entry("y", M1)), old_default=_list(_entry("z", M1))).wishes == []


@pytest.mark.parametrize(
    ("new", "default", "where", "message"),
    [
        ("[broken", None, NETWORKS, "not a JSON list of objects"),
        (None, "[broken", f"annotation {DEFAULT}", "not a JSON list of objects"),
        (_list(_entry("a", "zz")), None, NETWORKS, 'entry 0 ("a"): mac "zz" is not a MAC address'),
        (None, _list(_entry("a", "zz")), f"annotation {DEFAULT}", f'entry 0 ("a") of {DEFAULT}: mac "zz" is not'),
    ],
)
def test_what_is_new_and_cannot_be_read_is_told(new: str | None, default: str | None, where: str, message: str) -> None:
    with pytest.raises(AskingError) as caught:
        _asked(new, _list(_entry("b", "yy")), default=default)
    assert caught.value.where == where
    assert str(caught.value).startswith(message)
