"""A `Transport` that follows a script: each request takes the next step and is remembered.

For tests of whatever follows the cluster: what the network and the API server do is written down, step by step.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kubemacpool.kube.transport import JSON


class Request(NamedTuple):
    """One request as it was made; `idle_seconds` is None for one that is not a stream."""

    path: str
    params: Mapping[str, str]
    accept: str
    idle_seconds: float | None = None


@dataclass(frozen=True)
class Answer:
    """The body for a `get`."""

    body: bytes


@dataclass(frozen=True)
class Pieces:
    """What comes through a stream, piece by piece; an exception among them breaks it there. Then it ends."""

    pieces: Sequence[bytes | Exception]


Step = Answer | Pieces | Exception


class ScriptedTransport:
    """Answers by its script; once that is at its end, every further request waits for ever.

    Attributes:
        requests: made so far.
        finished: set when a request finds the script at its end.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self.requests: list[Request] = []
        self.finished = asyncio.Event()
        self._steps = list(steps)

    async def get(self, path: str, params: Mapping[str, str], *, accept: str = JSON) -> bytes:
        """Takes the next step, which has to be an Answer or an exception."""
        step = await self._next(Request(path, dict(params), accept))
        if not isinstance(step, Answer):
            raise AssertionError(f"the script has {step!r} where {path} is read")  # noqa: TRY004 - the test is wrong
        return step.body

    async def stream(
        self,
        path: str,
        params: Mapping[str, str],
        hear: Callable[[bytes], None],
        *,
        accept: str,
        idle_seconds: float,
        total_seconds: float,  # noqa: ARG002 - time stands still here
    ) -> None:
        """Takes the next step, which has to be Pieces or an exception."""
        step = await self._next(Request(path, dict(params), accept, idle_seconds))
        if not isinstance(step, Pieces):
            raise AssertionError(f"the script has {step!r} where {path} is watched")  # noqa: TRY004 - the test is wrong
        for piece in step.pieces:
            await asyncio.sleep(0)
            if isinstance(piece, Exception):
                raise piece
            hear(piece)
        await asyncio.sleep(0)

    async def _next(self, request: Request) -> Answer | Pieces:
        self.requests.append(request)
        if not self._steps:
            self.finished.set()
            await asyncio.Event().wait()
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step
