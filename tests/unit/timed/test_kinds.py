"""Kinds that come and go while we run, and those who wait for somebody to look."""

import asyncio
from typing import Final

import pytest
from structlog.testing import capture_logs
from tests.unit.timed.kinds import V1, V2, Installation

from kubemacpool.follow.kinds import GONE_SECONDS, PAUSE_SECONDS, POLL_SECONDS, RETRY_SECONDS
from kubemacpool.ports import ClusterUnavailableError, OutsideError, RefusedError

UNKNOWN: Final = "it is not known yet whether KubeVirt is installed"


async def test_before_the_first_look_nobody_knows_whether_there_is_anything_to_follow() -> None:
    scene = Installation()
    assert list(scene.readiness.obstacles) == [UNKNOWN]
    scene.catalogue.let_go.clear()
    async with scene.running():
        assert list(scene.readiness.obstacles) == [UNKNOWN]
        scene.catalogue.let_go.set()
        await scene.pass_time(0.1)
        assert list(scene.readiness.obstacles) == []


async def test_a_kind_that_is_not_served_is_not_followed_and_hinders_nobody() -> None:
    scene = Installation()
    scene.catalogue.served = {"others": "/apis/example.org/v1/others"}
    async with scene.running():
        assert (scene.story, scene.readiness.obstacles, scene.kind.path) == ([], (), None)


async def test_a_kind_that_is_served_is_told_of_and_followed_where_it_is() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        assert scene.story == ["begin", "follow /apis/example.org/v1/machines"]
        assert scene.kind.path == "/apis/example.org/v1/machines"


async def test_everything_of_a_kind_is_known_from_its_first_list_until_it_is_gone() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        known = [scene.kind.complete]
        scene.listener.progress.reached(7)
        assert scene.kind.progress.resource_version == 7
        known.append(scene.kind.complete)
        await scene.remove()
        known.append(scene.kind.complete)
    assert known == [False, True, False]


async def test_a_kind_that_is_not_there_is_never_known_however_far_a_view_came() -> None:
    scene = Installation()
    scene.listener.progress.reached(7)
    assert not scene.kind.complete


async def test_a_kind_that_is_installed_later_is_found_by_itself() -> None:
    scene = Installation()
    async with scene.running():
        scene.catalogue.served = V1
        await scene.pass_time(POLL_SECONDS)
        assert scene.story == ["begin", "follow /apis/example.org/v1/machines"]
        await scene.pass_time(10 * POLL_SECONDS)
        assert scene.story == ["begin", "follow /apis/example.org/v1/machines"], "it is followed once"


async def test_whoever_has_reason_to_think_that_it_was_installed_has_it_found_at_once() -> None:
    scene = Installation()
    async with scene.running():
        scene.catalogue.served = V1
        scene.presence.look_soon()
        await scene.pass_time(0.1)
        assert scene.kind.path == "/apis/example.org/v1/machines"
        looks = len(scene.catalogue.looks)
        await scene.pass_time(POLL_SECONDS / 2)
        assert len(scene.catalogue.looks) == looks, "one question is one look"


async def test_a_kind_that_is_removed_is_left_forgotten_and_told_of_in_this_order() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.story.clear()
        await scene.remove()
        path = "/apis/example.org/v1/machines"
        assert scene.story == [f"leave {path}", f"forget {path}", "end"]
        assert scene.kind.path is None


async def test_a_kind_that_comes_back_is_followed_again() -> None:
    scene = Installation()
    async with scene.running():
        for _ in range(2):
            scene.catalogue.served = V1
            await scene.presence.look()
            await scene.remove()
        path = "/apis/example.org/v1/machines"
        assert scene.story == ["begin", f"follow {path}", f"leave {path}", f"forget {path}", "end"] * 2


async def test_a_kind_that_is_served_in_another_version_is_followed_there() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.story.clear()
        scene.catalogue.served = V2
        await scene.presence.look()
        await scene.pass_time(0.1)
        assert scene.story == [f"move to {V2['machines']}"], "what was seen stands until it was listed there"
        assert scene.kind.path == V2["machines"]


async def test_one_look_that_finds_nothing_is_no_reason_to_forget_anything() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.listener.progress.reached(7)
        scene.story.clear()
        scene.catalogue.served = {}
        await scene.presence.look()
        assert (scene.kind.complete, scene.kind.in_doubt) == (False, True), "of machines nothing is decided meanwhile"
        await scene.pass_time(GONE_SECONDS - RETRY_SECONDS)
        scene.catalogue.served = V1
        await scene.presence.look()
        assert (scene.kind.complete, scene.kind.in_doubt) == (True, False)
        scene.catalogue.served = {}
        await scene.presence.look()
        await scene.pass_time(GONE_SECONDS - RETRY_SECONDS)
        assert (scene.story, scene.readiness.obstacles) == ([], ()), "what it said before counts no more"


async def test_while_it_is_in_doubt_whether_a_kind_is_there_it_is_looked_at_often() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.catalogue.served = {}
        await scene.presence.look()
        await scene.pass_time(GONE_SECONDS + 2 * RETRY_SECONDS)
        assert scene.kind.path is None


@pytest.mark.parametrize("partial", [{}, {"claims": V1["claims"]}], ids=["an empty answer", "a partial answer"])
async def test_a_kind_whose_own_list_is_answered_is_there_whatever_discovery_says(partial: dict[str, str]) -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.listener.progress.reached(7)
        scene.story.clear()
        scene.catalogue.served, scene.catalogue.lists = partial, [V1["machines"]]
        await scene.pass_time(3 * GONE_SECONDS)
        assert (scene.story, scene.kind.complete) == ([], True)


async def test_a_version_is_followed_only_when_its_own_list_is_answered() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.story.clear()
        scene.catalogue.served, scene.catalogue.lists = V2, [V1["machines"]]
        await scene.pass_time(3 * GONE_SECONDS)
        assert (scene.story, scene.kind.path) == ([], V1["machines"])


async def test_what_a_list_did_not_answer_leaves_everything_as_it_is() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        scene.story.clear()
        scene.catalogue.served = {}
        scene.catalogue.list_errors = [ClusterUnavailableError("no connection")] * 30
        with capture_logs() as logs:
            await scene.pass_time(2 * GONE_SECONDS)
        assert (scene.story, scene.kind.in_doubt) == ([], False)
        assert [line["error"] for line in logs] == ["no connection"]
        scene.catalogue.list_errors.clear()
        await scene.pass_time(GONE_SECONDS + 3 * RETRY_SECONDS)
        assert scene.kind.path is None, "it is really gone"


async def test_a_question_without_an_answer_changes_nothing_and_is_asked_again_soon() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        began = scene.catalogue.looks[-1]
        scene.catalogue.errors = [ClusterUnavailableError("no connection"), RefusedError("forbidden")]
        await scene.pass_time(POLL_SECONDS + 3 * RETRY_SECONDS)
        assert scene.story == ["begin", "follow /apis/example.org/v1/machines"]
        later = [look - began for look in scene.catalogue.looks[1:]]
        period = PAUSE_SECONDS + POLL_SECONDS
        assert later == pytest.approx([period + each * RETRY_SECONDS for each in range(3)])


async def test_until_the_first_answer_it_is_not_known_what_there_is() -> None:
    scene = Installation()
    scene.catalogue.errors = [ClusterUnavailableError("no connection")] * 3
    async with scene.running():
        await scene.pass_time(2 * RETRY_SECONDS)
        assert list(scene.readiness.obstacles) == [UNKNOWN]
        await scene.pass_time(2 * RETRY_SECONDS)
        assert list(scene.readiness.obstacles) == []


async def test_that_there_is_no_answer_is_said_once_for_each_outage() -> None:
    scene = Installation()
    outage: list[OutsideError] = [ClusterUnavailableError("one"), ClusterUnavailableError("two")]
    with capture_logs() as logs:
        scene.catalogue.errors = list(outage)
        async with scene.running():
            await scene.presence.look()
            scene.catalogue.errors = list(outage)
            await scene.presence.look()
    assert [(line["log_level"], line["error"]) for line in logs] == [("warning", "one"), ("warning", "one")]


async def test_a_look_is_one_that_began_after_it_was_asked_for() -> None:
    """What was asked before may have been answered before the kind was installed."""
    scene = Installation()
    scene.catalogue.let_go.clear()
    async with scene.running():
        scene.catalogue.served = V1
        looking = asyncio.create_task(scene.presence.look())
        await scene.pass_time(0.1)
        assert len(scene.catalogue.looks) == 1
        scene.catalogue.let_go.set()
        await looking
        assert len(scene.catalogue.looks) == 2
        assert scene.kind.path == V1["machines"]


async def test_many_reasons_to_look_are_no_more_looks_than_the_api_server_can_bear() -> None:
    """While ten thousand machines are being listed, every review of one is a reason."""
    scene = Installation()
    async with scene.running():
        before = len(scene.catalogue.looks)
        for _ in range(1000):
            scene.presence.look_soon()
            await scene.pass_time(0.001)
        assert len(scene.catalogue.looks) - before <= 1.0 / PAUSE_SECONDS + 1


async def test_those_who_want_a_look_together_share_it() -> None:
    scene = Installation()
    async with scene.running():
        before = len(scene.catalogue.looks)
        await asyncio.gather(*(scene.presence.look() for _ in range(50)))
        assert len(scene.catalogue.looks) == before + 1


async def test_whoever_waits_for_a_look_waits_until_there_is_an_answer() -> None:
    scene = Installation()
    async with scene.running():
        scene.catalogue.served = V1
        scene.catalogue.errors = [ClusterUnavailableError("no connection")] * 2
        began = asyncio.get_running_loop().time()
        await scene.presence.look()
        assert asyncio.get_running_loop().time() == pytest.approx(began + 2 * RETRY_SECONDS)
        assert scene.kind.path == V1["machines"]


async def test_whoever_gives_up_waiting_is_not_remembered() -> None:
    scene = Installation()
    scene.catalogue.let_go.clear()
    async with scene.running():
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(scene.presence.look(), 1.0)
        assert scene.presence._looking == []
        scene.catalogue.let_go.set()
        await scene.presence.look()
        assert scene.presence._looking == []


async def test_nobody_waits_for_a_look_when_nobody_looks_any_more() -> None:
    scene = Installation()
    async with scene.running() as running:
        scene.catalogue.let_go.clear()
        looking = asyncio.create_task(scene.presence.look())
        await scene.pass_time(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking


async def test_an_end_while_a_kind_is_being_left_is_an_end() -> None:
    """Both are told by the same exception: taken for the other one, the process would never stop."""
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running() as running:
        scene.watches[0].ends_slowly = True
        scene.catalogue.served = {}
        await scene.presence.look()
        await scene.pass_time(GONE_SECONDS)
        scene.presence.look_soon()
        await scene.pass_time(RETRY_SECONDS)
        running.cancel()
        await asyncio.wait({running}, timeout=2 * POLL_SECONDS)
        assert running.cancelled()


async def test_what_follows_a_kind_ends_with_everything_else() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    async with scene.running():
        pass
    assert scene.story[-1] == "leave /apis/example.org/v1/machines"


async def test_a_fault_in_what_follows_a_kind_is_not_passed_over() -> None:
    scene = Installation()
    scene.catalogue.served = V1
    fault = ValueError("a fault of ours")

    async def follow() -> None:
        async with scene.running():
            scene.watches[0].end.set_exception(fault)
            await scene.pass_time(0.1)

    with pytest.raises(ExceptionGroup) as caught:
        await follow()
    assert caught.value.exceptions == (fault,)
