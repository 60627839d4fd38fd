"""Listing afresh because somebody asks for it."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from tests.unit.kube.documents import Told, decode, page, thing

from kubemacpool.kube.reflector import Reflector, Surroundings
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import JSON
from kubemacpool.ports import ClusterUnavailableError


class Server:
    """Lists what the test says, when the test says it; its watches are silent (implements `Transport`)."""

    def __init__(self) -> None:
        self.lists = 0
        """How many were asked for."""
        self.paths: list[str] = []
        """Where they were asked for."""
        self.watches: list[str] = []
        """From which resourceVersion."""
        self.open_watches = 0
        self._answers: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def say(self, answer: bytes | Exception) -> None:
        """Answers one list, the one that waits or the next."""
        self._answers.put_nowait(answer)

    async def get(self, path: str, params: Mapping[str, str], *, accept: str = JSON) -> bytes:  # noqa: ARG002 (as the port has it)
        """A list."""
        self.lists += 1
        self.paths.append(path)
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stream(
        self,
        path: str,  # noqa: ARG002 (as the port has it)
        params: Mapping[str, str],
        hear: Callable[[bytes], None],  # noqa: ARG002
        *,
        accept: str,  # noqa: ARG002
        idle_seconds: float,  # noqa: ARG002
        total_seconds: float,  # noqa: ARG002
    ) -> None:
        """A watch."""
        self.watches.append(params["resourceVersion"])
        self.open_watches += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.open_watches -= 1


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Scene:
    """A reflector that runs."""

    def __init__(self) -> None:
        self.server = Server()
        self.told = Told()
        surroundings = Surroundings(now=lambda: 0.0, sleep=lambda _: asyncio.sleep(0))
        self.reflector = Reflector(self.server, Resource("/api/v1/pods"), decode, self.told, surroundings=surroundings)
        self.running = asyncio.create_task(self.reflector.run())

    def ask(self) -> asyncio.Task[None]:
        """Ask for a list."""
        return asyncio.create_task(self.reflector.relist())


async def _watching() -> Scene:
    scene = Scene()
    scene.server.say(page(7, thing("a", 1), thing("b", 2)))
    await _settle()
    assert (scene.server.lists, scene.server.watches) == (1, ["7"])
    scene.told.lines.clear()
    return scene


async def test_the_watch_is_left_for_a_list_and_goes_on_from_it() -> None:
    scene = await _watching()
    asked = scene.ask()
    await _settle()
    assert (scene.server.lists, scene.server.open_watches) == (2, 0)
    assert not asked.done()
    scene.server.say(page(9, thing("a", 1), thing("c", 8)))
    await _settle()
    assert asked.done()
    assert scene.told.lines == ["present ns/a uid-a", "present ns/c uid-c", "gone ns/b uid-b", "reached 9"]
    assert scene.server.watches == ["7", "9"]


async def test_a_list_that_had_begun_before_it_was_asked_for_is_followed_by_another_one() -> None:
    scene = Scene()
    await _settle()
    asked = scene.ask()
    await _settle()
    assert scene.server.lists == 1
    scene.server.say(page(7))
    await _settle()
    assert scene.server.lists == 2
    assert not asked.done()
    scene.server.say(page(8))
    await _settle()
    assert asked.done()
    assert scene.server.watches == ["8"]


async def test_a_list_that_fails_is_followed_by_another_one() -> None:
    scene = await _watching()
    asked = scene.ask()
    for _ in range(3):
        scene.server.say(ClusterUnavailableError("no connection"))
    await _settle()
    assert scene.server.lists == 5
    assert scene.server.watches == ["7"], "no watch meanwhile"
    assert not asked.done()
    scene.server.say(page(9))
    await _settle()
    assert asked.done()


async def test_those_who_ask_together_share_a_list() -> None:
    scene = await _watching()
    asked = [scene.ask() for _ in range(5)]
    scene.server.say(page(9))
    await _settle()
    assert all(task.done() for task in asked)
    assert scene.server.lists == 2


async def test_who_gave_up_waiting_does_not_stop_the_others() -> None:
    scene = await _watching()
    first, second = scene.ask(), scene.ask()
    await _settle()
    first.cancel()
    scene.server.say(page(9))
    await _settle()
    assert second.done()
    assert first.cancelled()
    assert not scene.running.done()


async def test_a_reflector_that_is_cancelled_leaves_no_watch_behind() -> None:
    scene = await _watching()
    assert scene.server.open_watches == 1
    scene.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scene.running
    assert scene.server.open_watches == 0


async def test_a_resource_that_moves_is_listed_at_its_new_place_and_what_was_told_stands_until_then() -> None:
    scene = await _watching()
    scene.reflector.move("/api/v2/pods")
    await _settle()
    assert scene.server.paths == ["/api/v1/pods", "/api/v2/pods"]
    assert scene.told.lines == []
    scene.server.say(page(9, thing("a", 1)))
    await _settle()
    assert scene.told.lines == ["present ns/a uid-a", "gone ns/b uid-b", "reached 9"]
