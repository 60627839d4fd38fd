"""A TLS handshake over loopback, as both sides see it."""

import asyncio
import ssl
from typing import NamedTuple


class Handshake(NamedTuple):
    """What each side was shown by the other, DER; None where nothing was."""

    server: bytes | None
    client: bytes | None


async def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Handshake:
    """Connect once, with whatever loop is running.

    Raises:
        OSError: when one side does not accept the other.
    """
    shown: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.set_result(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.write(b"x")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server) as listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        try:
            # In TLS 1.3 a client learns with the first read whether its own certificate was accepted.
            if await reader.read(1) != b"x":
                raise ConnectionError("the server has ended the connection")
            return Handshake(writer.get_extra_info("ssl_object").getpeercert(binary_form=True), await shown)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)
