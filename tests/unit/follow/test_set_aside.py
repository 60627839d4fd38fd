"""Bounds of what is remembered of objects that are set aside, and faults on top of faults."""

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import KeptMeasures, ManualClock

from kubemacpool.follow import set_aside
from kubemacpool.follow.set_aside import REBUILDS_AT_ONCE, SECONDS_A_REBUILD, SettingAside, Trials
from kubemacpool.wire.objects import ObjectIdentity


class Broken:
    """A listener for whom nothing goes well."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.passing_over_fails = False

    def present(self, identity: ObjectIdentity, item: str, resource_version: int) -> None:
        """Fails, unless the item is good."""
        self.told.append(f"present {identity.name} {resource_version}")
        if item != "good":
            raise ValueError(item)

    def gone(self, identity: ObjectIdentity) -> None:
        """Writes it down."""
        self.told.append(f"gone {identity.name}")

    def reached(self, resource_version: int) -> None:
        """Writes it down."""
        self.told.append(f"reached {resource_version}")

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """Writes it down."""
        self.told.append(f"unreadable {identity.name} {reason}")

    def pass_over(self, identity: ObjectIdentity, item: str) -> None:
        """Fails, if told to."""
        self.told.append(f"pass over {identity.name} {item}")
        if self.passing_over_fails:
            raise ZeroDivisionError


class Scene:
    """Somebody broken, and who stands before them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.measures = KeptMeasures()
        self.listener = Broken()
        self.torn = 0
        self.aside = SettingAside("Pod", self.listener, self._tear, Trials(self.clock), self.measures)

    def _tear(self) -> bool:
        self.torn += 1
        return True


def _pod(name: str, namespace: str = "ns") -> ObjectIdentity:
    return ObjectIdentity(namespace, name, f"uid-{name}")


def test_what_goes_well_is_passed_on() -> None:
    scene = Scene()
    scene.aside.present(_pod("a"), "good", 1)
    scene.aside.unreadable(_pod("b"), "why")
    scene.aside.reached(2)
    scene.aside.gone(_pod("a"))
    assert scene.listener.told == ["present a 1", "unreadable b why", "reached 2", "gone a"]
    assert scene.torn == 0
    assert scene.measures.aside == {}
    assert scene.aside._taken == {}


def test_an_object_is_logged_once_a_reason_with_its_traceback() -> None:
    scene = Scene()
    with capture_logs() as logs:
        for version, item in enumerate(("bad", "bad", "worse")):
            scene.aside.present(_pod("a"), item, version)
    assert [line["reason"] for line in logs] == ["ValueError: bad", "ValueError: worse"]
    assert isinstance(logs[0].pop("exc_info"), ValueError)
    assert logs[0] == {
        "event": "an object was set aside: it could not be taken in",
        "log_level": "error",
        "kind": "Pod",
        "namespace": "ns",
        "name": "a",
        "uid": "uid-a",
        "resource_version": 0,
        "reason": "ValueError: bad",
    }


def test_so_many_are_remembered_and_the_newest_push_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "MOST_SET_ASIDE", 2)
    scene = Scene()
    with capture_logs():
        for name in "abc":
            scene.aside.present(_pod(name, name), "bad", 1)
        scene.listener.told.clear()
        for name in "cba":
            scene.aside.present(_pod(name, name), "bad", 1)
    assert scene.measures.aside == {"Pod": 2}
    assert [line for line in scene.listener.told if line.startswith("present")] == ["present a 1"]


def test_a_fault_while_passing_over_tears_what_is_known_and_ends_nothing() -> None:
    scene = Scene()
    scene.listener.passing_over_fails = True
    with capture_logs() as logs:
        scene.aside.present(_pod("a"), "bad", 1)
    assert scene.torn == 2
    assert logs[-1]["event"] == "an object that is set aside could not be passed over"


def test_what_was_taken_in_as_it_is_may_be_taken_in_again_whatever_else_has_failed() -> None:
    scene = Scene()
    scene.aside.present(_pod("good"), "good", 1)
    with capture_logs():
        for number in range(REBUILDS_AT_ONCE):
            scene.aside.present(_pod(f"bad-{number}"), "bad", 1)
        scene.listener.told.clear()
        scene.aside.present(_pod("good"), "good", 1)
        scene.aside.present(_pod("good"), "good", 2)
        scene.clock.advance(SECONDS_A_REBUILD)
        scene.aside.present(_pod("good"), "good", 2)
    assert scene.listener.told == ["present good 1", "pass over good good", "present good 2"]


def test_namespaces_that_failed_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "NAMESPACES", 2)
    trials = Trials(ManualClock())
    for namespace in "aabbcccdd":
        trials.failed(namespace)
    assert [trials.may(namespace) for namespace in "acd"] == [True, False, True]
    assert list(trials._failures) == ["c", "d"]
