"""The API server as one replica or another finds it on a bad day: a proxy in front of the real one.

What a fault does not concern is passed on as it is, watches too. Each replica has a port of its own, so that one of
them may fare otherwise than the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import aiohttp
import yaml
from aiohttp import web

from devcluster.loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

REPLICAS: Final = (0, 1)
REVISIONS: Final = range(1, 10)
"""Of one installation in one module of tests."""
KUBECONFIG: Final = "--kubeconfig={directory}/$(POD_NAME).kubeconfig"
_UNTOUCHED: Final = {"host", "content-length", "transfer-encoding", "connection"}


class Request(NamedTuple):
    """What a replica asks."""

    replica: int
    method: str
    path: str
    query: str


class Instead(NamedTuple):
    """An answer in place of the API server's; without a status, there is none, ever."""

    status: int | None
    body: str = ""


class FaultyApi:
    """Answers the replicas, through the real API server where no fault has something to say.

    Attributes:
        fault: looks at each request; None passes it on.
    """

    def __init__(self, control_plane: ControlPlane, directory: Path) -> None:
        self.fault: Callable[[Request], Instead | None] = lambda _: None
        self._control_plane = control_plane
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._runners: list[web.AppRunner] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def argument(self) -> str:
        """By which every replica finds its own port."""
        return KUBECONFIG.format(directory=self._directory)

    async def _start(self) -> None:
        tls = ssl.create_default_context(cafile=str(self._control_plane.ca_path))
        pki = self._control_plane.layout.pki
        tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
        )
        for replica in REPLICAS:
            app = web.Application(client_max_size=1 << 24)
            app.router.add_route("*", "/{path:.*}", self._handler(replica))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, HOST, 0)
            await site.start()
            self._runners.append(runner)
            self._write_kubeconfigs(replica, runner.addresses[0][1])

    async def _stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.2)  # connections that were closed are gone in the loop's next turns

    def _write_kubeconfigs(self, replica: int, port: int) -> None:
        for revision in REVISIONS:
            document = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "faulty", "cluster": {"server": f"http://{HOST}:{port}"}}],
                "users": [{"name": "user", "user": {}}],
                "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "user"}}],
                "current-context": "faulty",
            }
            path = self._directory / f"replica-{revision}-{replica}.kubeconfig"
            path.write_text(yaml.safe_dump(document), encoding="utf-8")

    def _handler(self, replica: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            instead = self.fault(Request(replica, request.method, request.path, request.query_string))
            if instead is None:
                return await self._pass_on(request)
            if instead.status is None:
                await asyncio.Event().wait()
            return web.Response(status=instead.status or 500, text=instead.body, content_type="application/json")

        return handle

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _UNTOUCHED}
        url = f"{self._control_plane.server_url}{request.path_qs}"
        body = await request.read()
        try:
            async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
                passed = {name: value for name, value in answer.headers.items() if name.lower() not in _UNTOUCHED}
                response = web.StreamResponse(status=answer.status, headers=passed)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, OSError) as error:
            with contextlib.suppress(AttributeError):
                request.transport.abort()  # type: ignore[union-attr]  # as the API server's end breaks off
            raise web.HTTPBadGateway(text=str(error)) from error
