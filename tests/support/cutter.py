"""A wire between a client and the API server that can be cut, let hang, and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self


class Cutter:
    """Forwards TCP to a port of this machine as long as it is whole.

    Args:
        target: the port to forward to.

    Attributes:
        port: where clients connect.
        connections: accepted so far, those that were dropped at once included.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.connections = 0
        self._target = target
        self._whole = True
        self._hanging = asyncio.Event()
        self._left: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Drops every connection, and every new one until mended."""
        self._whole = False
        for writer in self._writers:
            writer.transport.abort()

    def cut_after(self, count: int) -> None:
        """Lets so many more bytes through from the API server, then drops that connection; later ones are whole."""
        self._left = count

    def hang(self) -> None:
        """Lets nothing more through on the connections that there are, and keeps them open; new ones are whole."""
        self._hanging.set()
        self._hanging = asyncio.Event()

    def mend(self) -> None:
        """Lets new connections through."""
        self._whole = True

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self._whole:
            writer.transport.abort()
            return
        self._writers.add(writer)  # now: a task that is cancelled before it begins closes nothing
        task = asyncio.create_task(self._carry(reader, writer, self._hanging))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hanging: asyncio.Event) -> None:
        """One connection, from its beginning until both of its ends are closed."""
        async with self._kept(writer):
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            except OSError:
                return
            async with self._kept(far_writer):
                if self._whole:
                    await asyncio.gather(
                        self._forward(reader, far_writer, hanging, from_server=False),
                        self._forward(far_reader, writer, hanging, from_server=True),
                    )

    @asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Within reach of whoever cuts, until it is closed: a transport that outlives its loop is never closed."""
        self._writers.add(writer)
        try:
            yield
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hanging: asyncio.Event,
        *,
        from_server: bool,
    ) -> None:
        try:
            while (piece := await reader.read(4096)) and not hanging.is_set():
                if from_server and self._left is not None:
                    piece = piece[: self._left]
                    self._left -= len(piece)
                writer.write(piece)
                await writer.drain()
                if from_server and self._left == 0:
                    self._left = None
                    break
            if hanging.is_set():
                await asyncio.Event().wait()
        except OSError:
            pass
        finally:
            writer.close()
