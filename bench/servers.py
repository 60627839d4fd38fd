"""HTTP servers side by side, all with the same handler, on one core: `make bench-servers`.

The first case is the floor, a webhook in Go that says yes; the others are compared with it round by round. Requests go
over TLS and keep-alive connections, as the API server's do.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.children import cores
from bench.frame import script
from bench.loading import Target, Volume, send
from bench.programs import Programs, built
from bench.webhook import FLOOR, OURS, REPOSITORY, floor, ours, review

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.frame import Case, Figures

OTHERS = ("aiohttp", "uvicorn", "granian")
SECONDS = 1.5


def _slice(programs: Programs, target: Target, body: Path) -> Figures:
    """Ask one server for a while over one connection, and then over sixteen."""
    figures: dict[str, float] = {}
    for connections in (1, 16):
        volume = Volume(connections=connections, seconds=SECONDS, warmup=SECONDS / 4)
        load = send(programs.load, target, body, volume, cores()[1])
        figures[f"requests/s at {connections}"] = load.requests_per_second
        figures[f"p99/p50 at {connections}"] = load.p99_us / load.p50_us
    return figures


def main() -> None:
    """Start all servers, and compare them."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-servers-")))
        body = directory / "review.json"
        body.write_bytes(review())
        programs = built(REPOSITORY / "_out" / "bench" / "bin", lambda line: print(line, file=sys.stderr))
        targets = {FLOOR: stack.enter_context(floor(programs, directory)).target}
        targets[OURS] = stack.enter_context(ours(directory)).target
        for name in OTHERS:
            module = ("bench.other_servers", name)
            targets[name] = stack.enter_context(ours(directory, name, module=module)).target
        cases: Mapping[str, Case] = {name: partial(_slice, programs, target, body) for name, target in targets.items()}
        script("HTTP servers with the same handler", cases)


if __name__ == "__main__":
    main()
