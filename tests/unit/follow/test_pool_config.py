import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import KeptEvents, KeptMeasures

from kubemacpool.follow.pool_config import RangeFollower
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Regarding
from kubemacpool.wire.config import RANGE_CONFIG_MAP
from kubemacpool.wire.objects import ObjectIdentity

if TYPE_CHECKING:
    from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import Exhausted

WHERE = f"ConfigMap kubemacpool-system/{RANGE_CONFIG_MAP}"
IDENTITY = ObjectIdentity("kubemacpool-system", RANGE_CONFIG_MAP, "u1")
REGARDING = Regarding("v1", "ConfigMap", "kubemacpool-system", RANGE_CONFIG_MAP, "u1")
FIRST = {"RANGE_START": "02:00:00:00:00:01", "RANGE_END": "02:00:00:00:00:0f"}
SAME = {"RANGE_START": "02-00-00-00-00-01", "RANGE_END": "02:00:00:00:00:0F"}
SECOND = {"RANGE_START": "0a:00:00:00:00:01", "RANGE_END": "0a:00:00:00:00:0f"}
SWAPPED = {"RANGE_START": "02:00:00:00:00:02", "RANGE_END": "02:00:00:00:00:01"}
SWAPPED_FAULT = "RANGE_START 02:00:00:00:00:02 is greater than RANGE_END 02:00:00:00:00:01; swap the two"
STAYS = ". The range in force stays 02:00:00:00:00:01-02:00:00:00:00:0f"


class Scene:
    """A follower and what it tells."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.measures = KeptMeasures()
        self.events = KeptEvents()
        self.pools: list[Pool] = []
        self.follower = RangeFollower(
            "kubemacpool-system", self.pools.append, self.readiness, self.measures, self.events
        )

    @property
    def messages(self) -> list[str]:
        """The warnings' texts."""
        return [message for _, _, message in self.events.warnings]


def started() -> Scene:
    """With the first range in force."""
    scene = Scene()
    scene.follower.present(IDENTITY, FIRST, 1)
    scene.follower.reached(1)
    return scene


async def test_the_first_good_range_is_what_to_start_with() -> None:
    scene = Scene()
    assert list(scene.readiness.obstacles) == [f"{WHERE} has not been read yet"]
    waiting = asyncio.create_task(scene.follower.first_pool())
    await asyncio.sleep(0)
    assert not waiting.done()
    scene.follower.present(IDENTITY, FIRST, 1)
    scene.follower.reached(1)
    pool = await waiting
    assert str(pool) == "02:00:00:00:00:01-02:00:00:00:00:0f"
    assert list(scene.readiness.obstacles) == []
    assert scene.measures.ranges == [True]
    assert scene.pools == [], "the first one replaces none"
    assert scene.events.warnings == []
    assert await scene.follower.first_pool() is pool


async def test_a_range_changed_before_anybody_took_the_first_one_is_not_lost() -> None:
    scene = Scene()
    waiting = asyncio.create_task(scene.follower.first_pool())
    await asyncio.sleep(0)
    scene.follower.present(IDENTITY, FIRST, 1)
    scene.follower.present(IDENTITY, SECOND, 1)
    assert str(await waiting) == "0a:00:00:00:00:01-0a:00:00:00:00:0f"


async def test_who_gave_up_waiting_for_the_first_range_does_not_stop_it_from_coming() -> None:
    scene = Scene()
    waiting = asyncio.create_task(scene.follower.first_pool())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    scene.follower.present(IDENTITY, FIRST, 1)
    assert list(scene.readiness.obstacles) == []


def test_another_range_is_taken_up() -> None:
    scene = started()
    scene.follower.present(IDENTITY, SECOND, 1)
    assert [str(pool) for pool in scene.pools] == ["0a:00:00:00:00:01-0a:00:00:00:00:0f"]
    assert scene.measures.ranges == [True, True]


@pytest.mark.parametrize("data", [FIRST, SAME, {**FIRST, "unknown": "x"}])
def test_the_same_range_again_changes_nothing(data: dict[str, str]) -> None:
    """The search would begin anew otherwise, and addresses be reused early."""
    scene = started()
    scene.follower.present(IDENTITY, data, 1)
    assert scene.pools == []


def test_a_bad_edit_keeps_the_range_in_force_and_says_so() -> None:
    scene = started()
    with capture_logs() as logs:
        scene.follower.present(IDENTITY, SWAPPED, 1)
    sentence = f"{WHERE}: {SWAPPED_FAULT}{STAYS}"
    assert scene.pools == []
    assert list(scene.readiness.obstacles) == []
    assert scene.measures.ranges == [True, False]
    assert scene.events.warnings == [(REGARDING, "InvalidRange", sentence)]
    assert logs == [{"event": "range not taken up", "log_level": "warning", "reason": sentence}]


def test_the_same_bad_edit_told_again_is_reported_once() -> None:
    """Every relist tells it again."""
    scene = started()
    for _ in range(3):
        scene.follower.present(IDENTITY, SWAPPED, 1)
        scene.follower.reached(2)
    assert len(scene.messages) == 1


def test_another_bad_edit_is_reported_as_well() -> None:
    scene = started()
    scene.follower.present(IDENTITY, SWAPPED, 1)
    scene.follower.present(IDENTITY, {}, 1)
    scene.follower.present(IDENTITY, SWAPPED, 1)
    assert len(scene.messages) == 3
    assert "RANGE_START is missing" in scene.messages[1]


def test_a_bad_edit_mended_to_what_it_was_is_good_again_and_a_later_one_is_reported() -> None:
    scene = started()
    scene.follower.present(IDENTITY, SWAPPED, 1)
    with capture_logs() as logs:
        scene.follower.present(IDENTITY, FIRST, 1)
        scene.follower.present(IDENTITY, FIRST, 1)
    assert scene.measures.ranges == [True, False, True, True]
    assert [line["event"] for line in logs] == ["range in force is good again"]
    scene.follower.present(IDENTITY, SWAPPED, 1)
    assert len(scene.messages) == 2


def test_a_deleted_config_map_keeps_the_range_in_force() -> None:
    scene = started()
    scene.follower.gone(IDENTITY)
    assert scene.pools == []
    assert list(scene.readiness.obstacles) == []
    assert scene.measures.ranges == [True, False]
    assert scene.events.warnings == [
        (
            REGARDING,
            "InvalidRange",
            f"{WHERE}: it was deleted; apply the release manifest again to bring it back{STAYS}",
        )
    ]


def test_one_created_again_with_another_range_is_taken_up() -> None:
    scene = started()
    scene.follower.gone(IDENTITY)
    scene.follower.present(IDENTITY._replace(uid="u2"), SECOND, 1)
    assert len(scene.pools) == 1
    assert scene.measures.ranges == [True, False, True]


def test_the_same_mistake_in_one_created_again_is_reported_on_that_one() -> None:
    scene = started()
    scene.follower.present(IDENTITY, SWAPPED, 1)
    scene.follower.present(IDENTITY._replace(uid="u2"), SWAPPED, 1)
    assert [regarding.uid for regarding, _, _ in scene.events.warnings] == ["u1", "u2"]


async def test_started_without_a_config_map_it_waits_and_says_so_once() -> None:
    scene = Scene()
    waiting = asyncio.create_task(scene.follower.first_pool())
    for version in (1, 2, 3):
        scene.follower.reached(version)
    sentence = f"{WHERE}: it does not exist; create it with RANGE_START and RANGE_END"
    assert list(scene.readiness.obstacles) == [sentence]
    assert scene.events.warnings == [(REGARDING._replace(uid=""), "InvalidRange", sentence)]
    assert scene.measures.ranges == [False]
    scene.follower.present(IDENTITY, FIRST, 1)
    assert (await waiting).size == 15
    assert list(scene.readiness.obstacles) == []


def test_started_with_a_bad_one_it_waits_and_says_what_is_wrong() -> None:
    scene = Scene()
    scene.follower.present(IDENTITY, SWAPPED, 1)
    scene.follower.reached(1)
    assert list(scene.readiness.obstacles) == [f"{WHERE}: {SWAPPED_FAULT}"]
    assert scene.messages == [f"{WHERE}: {SWAPPED_FAULT}"]
    scene.follower.gone(IDENTITY)
    assert list(scene.readiness.obstacles) == [
        f"{WHERE}: it was deleted; apply the release manifest again to bring it back"
    ]
    scene.follower.present(IDENTITY, FIRST, 1)
    assert list(scene.readiness.obstacles) == []


def test_one_that_cannot_be_read_keeps_the_range_in_force() -> None:
    scene = started()
    scene.follower.unreadable(IDENTITY, "Expected `str`, got `int` - at `$.data[...]`")
    assert scene.messages == [f"{WHERE}: Expected `str`, got `int` - at `$.data[...]`{STAYS}"]
    assert scene.measures.ranges == [True, False]


def test_the_limit_of_namespaces_is_taken_up_with_the_range_and_is_told_once() -> None:
    scene = started()
    with capture_logs() as logs:
        for limit in ("5", "5", "7"):
            scene.follower.present(IDENTITY, {**FIRST, "NAMESPACE_LIMIT": limit}, 2)
    assert [(each["event"], each["limit"]) for each in logs] == [
        ("limit of namespaces taken up", 5),
        ("limit of namespaces taken up", 7),
    ]
    assert scene.follower.namespace_limit == 7
    assert scene.pools == []


def test_a_limit_that_is_none_leaves_the_one_before_in_force() -> None:
    scene = started()
    scene.follower.present(IDENTITY, {**FIRST, "NAMESPACE_LIMIT": "5"}, 2)
    scene.follower.present(IDENTITY, {**SECOND, "NAMESPACE_LIMIT": "0"}, 3)
    fault = 'NAMESPACE_LIMIT is "0"; write a whole number of at least 1, such as 500, or leave it out for no limit'
    assert scene.messages == [f"{WHERE}: {fault}{STAYS}, with NAMESPACE_LIMIT 5"]
    assert (scene.follower.namespace_limit, scene.pools) == (5, [])
    scene.follower.present(IDENTITY, FIRST, 4)
    assert scene.follower.namespace_limit is None


def test_a_range_at_which_we_failed_is_reported_and_the_one_in_force_stays() -> None:
    scene = started()
    scene.follower.pass_over(IDENTITY, SECOND)
    assert scene.messages == [f"{WHERE}: it could not be taken up; see the log{STAYS}"]
    assert scene.measures.ranges[-1] is False


def test_that_the_pool_is_full_is_reported_on_the_config_map_in_words_that_say_nothing_of_the_object() -> None:
    scene = started()
    for needed in (1, 2):
        scene.follower.exhausted(Exhausted("02:00:00:00:00:01-02:00:00:00:00:0f", 15, needed, 1, 0))
    sentence = (
        "ConfigMap kubemacpool-system/kubemacpool-mac-range-config: the pool 02:00:00:00:00:01-02:00:00:00:00:0f is "
        "exhausted, and objects that need an address of it are refused: delete pods that are no longer needed, or "
        "widen the range (RANGE_START, RANGE_END)"
    )
    assert scene.events.warnings == [(REGARDING, "PoolExhausted", sentence)] * 2
