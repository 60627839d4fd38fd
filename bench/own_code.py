"""What a review costs in our own code, from its body to its answer: no socket, no TLS, no event loop.

The webhook of `bench.alone`, put together as in the program. Each pod is seen
a moment after it was answered, as the watch would tell it, outside the measured time. Beside it runs the floor of any
such program in Python: decoding the same body into plain structs and encoding the answer. Figures are medians of many
short slices that alternate between the two.

Run as `python -m bench.own_code`, with the options of `bench/frame.py`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from bench.alone import alone
from bench.frame import MICROSECONDS, script

from kubemacpool.server.routes import MUTATE_PODS
from kubemacpool.telemetry.logs import configure_logs
from kubemacpool.wire.review import encode_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

REVIEW: Final = Path(__file__).with_name("review.json")
PATCH: Final = b'[{"op":"replace","path":"/metadata/annotations/k8s.v1.cni.cncf.io~1networks","value":"[]"}]'
PATIENCE: Final = 10.0
"""Seconds, as the API server tells them."""

WARM_UP: Final = 3
SLICE: Final = 200
"""Reviews in one slice."""

SLICES: Final = 20
"""In a round of the comparison."""


class Figures(NamedTuple):
    """Microseconds of CPU a review, medians of slices.

    Attributes:
        ours: from body to answer.
        plain: decoding the body into structs, and encoding an answer with a patch.
        spread: of ours, from the first to the third quartile.
    """

    ours: float
    plain: float
    spread: tuple[float, float]


def bodies() -> Iterator[bytes]:
    """Reviews of pods with two networks, each pod another one."""
    template = json.dumps(json.loads(REVIEW.read_text()), separators=(",", ":"))
    for number in count():
        yield template.replace("############", f"{number:012d}").encode()


class _Metadata(msgspec.Struct):
    name: str = ""
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class _Pod(msgspec.Struct):
    metadata: _Metadata


class _Request(msgspec.Struct):
    uid: str
    object: _Pod


class _Review(msgspec.Struct):
    request: _Request


_plain = msgspec.json.Decoder(_Review)


async def measure(slices: int) -> Figures:
    """Measure so many slices of each."""
    parts = alone(at_once=False)
    webhook = parts.webhooks[MUTATE_PODS]
    source = bodies()
    ours: list[float] = []
    plain: list[float] = []
    for number in range(-WARM_UP, slices):
        reviews = list(islice(source, SLICE))
        begun = time.thread_time()
        for body in reviews:
            await webhook.answer(body, PATIENCE, forwarded=False)
        middle = time.thread_time()
        for body in reviews:
            encode_allowed(_plain.decode(body).request.uid, PATCH)
        ended = time.thread_time()
        if number >= 0:
            ours.append(1e6 * (middle - begun) / SLICE)
            plain.append(1e6 * (ended - middle) / SLICE)
        parts.allocator.observe()
        await asyncio.sleep(0)  # the Lease is written
    first, _, third = statistics.quantiles(ours, n=4)
    return Figures(statistics.median(ours), statistics.median(plain), (first, third))


def main() -> None:
    """Compare the two in turns."""
    configure_logs("info", "json")
    cases = {
        "plain structs": lambda: {MICROSECONDS: asyncio.run(measure(SLICES)).plain},
        "own code": lambda: {MICROSECONDS: asyncio.run(measure(SLICES)).ours},
    }
    script("A review of a pod with two networks, beside decoding it into plain structs and answering", cases)


if __name__ == "__main__":
    main()
