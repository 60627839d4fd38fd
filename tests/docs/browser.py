"""A headless Chromium, told what to do by its debugging protocol."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_SECONDS: Final = 30


def found() -> str | None:
    """The Chromium of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab.

    Attributes:
        complaints: errors of the console, exceptions, and answers that are errors.
        asked: every URL that was asked for.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self.asked: list[str] = []

    async def listen(self) -> None:
        """Take in what the browser says, until it ends."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._event(said["method"], said.get("params", {}))

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Have the browser do something."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await self._answers[number]
        assert "error" not in said, said
        return dict(said["result"])

    async def visit(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._loaded.wait()

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401 (whatever the page says)
        """What an expression is, on the page."""
        said = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def _event(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.complaints.append(f"exception: {params['exceptionDetails'].get('text')}")
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(f"console: {[each.get('value') for each in params['args']]}")
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
            case "Network.responseReceived" if params["response"]["status"] >= 400:
                self.complaints.append(f"{params['response']['status']} for {params['response']['url']}")


@asynccontextmanager
async def tab(program: str, profile: Path) -> AsyncIterator[Tab]:
    """A tab of a browser of its own.

    Args:
        program: the Chromium.
        profile: where it keeps what it keeps.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--window-size=1280,900"),
        *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (page,) = [each for each in await answer.json() if each["type"] == "page"]
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                opened = Tab(socket)
                listening = asyncio.create_task(opened.listen())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await opened.call(f"{domain}.enable")
                yield opened
                listening.cancel()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its children are in its group
        await process.wait()


async def _port(file: Path) -> int:
    """Wait until the browser has said where it listens."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while (said := _read(file)).count("\n") < 1:  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(0.05)
    return int(said.splitlines()[0])


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""
