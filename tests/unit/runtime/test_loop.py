"""A connection that fails must not close the descriptor of another one later."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest

from kubemacpool.runtime import Loop

RESET = struct.pack("ii", 1, 0)


def connected(*, reset: bool) -> socket.socket:
    """A client whose server has gone before TLS was established."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with server:
            if reset:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return client


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "ended"])
def test_a_socket_whose_tls_handshake_failed_does_not_claim_its_descriptor_any_more(*, reset: bool) -> None:
    async def connect() -> None:
        client = connected(reset=reset)
        with pytest.raises(OSError):  # noqa: PT011 (which one is uvloop's matter)
            await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=client, ssl=ssl.create_default_context(), server_hostname="replica"
            )
        assert client.fileno() == -1  # whoever is given the number next keeps it

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(connect())


def test_a_connection_that_works_works_as_on_every_loop() -> None:
    async def exchange() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(100))
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            client = socket.create_connection(server.sockets[0].getsockname())
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"hello")
            heard = await reader.read(100)
            writer.close()
            await writer.wait_closed()
        return heard

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(exchange()) == b"hello"
