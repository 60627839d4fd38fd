"""At a real terminal: completion, progress, Ctrl-C, colours and widths."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml
from tests.e2e.cli.conftest import PROGRAM
from tests.e2e.cli.terminal import Terminal
from tests.support.cluster_client import ClusterClient, pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.installed import Installed

CURSOR_SHOWN, OTHER_SCREEN, FIRST_SCREEN = "\x1b[?25h", "\x1b[?1049h", "\x1b[?1049l"
ONE = '[{"name":"one"}]'


@pytest.fixture
def environment(installed: Installed, tmp_path: Path) -> dict[str, str]:
    """What the program sees of its surroundings."""
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(installed.control_plane.kubeconfig)}


@pytest.fixture
async def slow(installed: Installed, tmp_path: Path) -> AsyncIterator[str]:
    """A kubeconfig of an API server that takes two seconds for its first word."""
    config = yaml.safe_load(installed.control_plane.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])

    relays: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.write_eof()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(server.hostname, server.port)
        try:
            await asyncio.sleep(2)
            await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))
        finally:
            for each in (writer, there_writer):
                each.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay(reader, writer))
        relays.add(task)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    cluster["server"] = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    path = tmp_path / "slow"
    path.write_text(yaml.safe_dump(config))
    yield str(path)
    listening.close()
    for task in relays:
        task.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
    await asyncio.sleep(0)  # connections that were aborted are closed in the loop's next turn


async def _at(command: list[str], environment: dict[str, str], *steps: tuple[str, str], columns: int = 80) -> Terminal:
    """Run a command at a terminal; when the first text of a step is shown, the second is typed."""

    def run() -> Terminal:
        with Terminal(command, environment, columns) as terminal:
            for text, typed in steps:
                terminal.until(text)
                terminal.send(typed)
        return terminal

    return await asyncio.to_thread(run)


async def test_a_read_that_takes_long_shows_its_progress_and_leaves_nothing_of_it(
    environment: dict[str, str], slow: str, cluster: ClusterClient, namespace: str
) -> None:
    await cluster.made(namespace, pod("web", ONE))
    ended = await _at([str(PROGRAM), "list", "-n", namespace, "--kubeconfig", slow], environment)
    assert ended.status == 0
    assert "reading Pods" in ended.shown
    assert ended.shown.rindex("reading") < ended.shown.rindex(CURSOR_SHOWN) < ended.shown.index("ADDRESS")


async def test_ctrl_c_while_reading_leaves_the_terminal_as_it_was(environment: dict[str, str], slow: str) -> None:
    ended = await _at([str(PROGRAM), "list", "-A", "--kubeconfig", slow], environment, ("reading Pods", "\x03"))
    assert ended.status == 130
    assert ended.shown.rindex(CURSOR_SHOWN) > ended.shown.rindex("reading Pods")
    assert "Traceback" not in ended.shown


async def test_ctrl_c_while_watching_gives_the_screen_back(environment: dict[str, str]) -> None:
    steps = (("Leader", "\x03"),)
    ended = await _at([str(PROGRAM), "status", "--watch", "--interval=0.2"], environment, *steps)
    assert ended.status == 130
    assert ended.shown.index(OTHER_SCREEN) < ended.shown.rindex(FIRST_SCREEN)
    assert ended.shown.rindex(CURSOR_SHOWN) > ended.shown.index(OTHER_SCREEN)
    assert "Traceback" not in ended.shown


async def test_colours_are_for_terminals_whose_user_wants_them(
    environment: dict[str, str], cluster: ClusterClient, namespace: str
) -> None:
    await cluster.made(namespace, pod("web", ONE))
    command = [str(PROGRAM), "list", "-n", namespace]
    assert "\x1b[1m" in (await _at(command, environment)).shown
    assert "\x1b[3" not in (await _at(command, environment | {"NO_COLOR": "1"})).shown


async def test_bash_completes_commands_and_namespaces_of_the_cluster(
    environment: dict[str, str], cluster: ClusterClient, namespace: str
) -> None:
    await cluster.namespace(f"{namespace}-other-end")
    bash = shutil.which("bash")
    assert bash is not None
    ended = await _at(
        [bash, "--norc", "--noprofile", "-i"],
        environment | {"PS1": "ready>", "INPUTRC": "/dev/null"},
        ("ready>", "source <(kubemacpool completion bash); echo loa''ded\n"),
        ("loaded", "kubemacpool docto\t"),
        ("kubemacpool doctor", "\x15"),
        ("doctor", f"kubemacpool list -n {namespace}-oth\t"),
        (f"{namespace}-other-end", "\x15exit\n"),
        columns=300,  # so that nothing is wrapped
    )
    assert ended.status == 0
