"""The event loop: uvloop's, less a fault of it by which one connection may close another."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import uvloop


class Loop(uvloop.Loop):
    """A loop on which a connection that fails closes its own descriptor and no other.

    Given a connected socket, as aiohttp does, uvloop 0.23 closes its descriptor when the other side resets it or ends
    it before TLS is established, but leaves the socket object believe that it owns that number. Whenever the object is
    collected it closes the number again, and by then it may be that of the watch on the cluster, or of the webhook's
    port: requests fail with "File descriptor 12 is used by transport", or libuv ends the process. Seen while an API
    server was restarted. (MagicStack/uvloop#738 is the same for a connection that was cancelled.)
    """

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *args: object,
        sock: socket.socket | None = None,
        **kwargs: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, as every loop does; a socket that was handed over is the loop's, also when that fails."""
        connect = cast(
            "Callable[..., asyncio.Future[tuple[asyncio.Transport, asyncio.BaseProtocol]]]", super().create_connection
        )
        try:
            return await connect(protocol_factory, *args, sock=sock, **kwargs)
        except BaseException:
            if sock is not None:
                sock.detach()
            raise
