"""Doing to the replicas and the control plane what was drawn, and keeping a record of when."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from chaos.causes import Outage, Window
from chaos.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.cutter import Cutter

    from chaos.stage import Stage

POLL_SECONDS = 0.05
RESTART_SECONDS = 60.0
ROLL_SECONDS = 120.0
DELAYING = frozenset({Kind.CUT_DECIDER, Kind.SILENCE_DECIDER, Kind.RESTART_API_SERVER, Kind.COMPACT})
# Until a watch that was cut has gone on.
RESUMED_SECONDS = 3.0
DECIDER_KINDS = {Kind.KILL_DECIDER, Kind.PAUSE_DECIDER, Kind.CUT_DECIDER, Kind.SILENCE_DECIDER}


class Impossible(Exception):  # noqa: N818 (not an error: the fault has nobody to strike now)
    """There is no replica of that kind at this moment."""


class Inflicter:
    """Inflicts faults, and remembers what they explain."""

    def __init__(self, stage: Stage) -> None:
        """Have done nothing yet."""
        self.outages: list[Outage] = []
        self.downtimes: list[Window] = []
        self.delays: list[Window] = []
        """When watches of the leader could be behind."""
        self._stage = stage

    async def inflict(self, fault: Fault) -> None:
        """Do it, and return when it is over; what it has struck may still be recovering.

        Raises:
            Impossible: there is nobody to do it to.
        """
        delay = Window(time.monotonic())
        if fault.kind in DELAYING:
            self.delays.append(delay)
        try:
            await self._inflict(fault)
        finally:
            delay.ended = time.monotonic() + RESUMED_SECONDS

    async def _inflict(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.KILL_DECIDER | Kind.KILL_FOLLOWER:
                await self._kill(await self._victim(fault))
            case Kind.PAUSE_DECIDER | Kind.PAUSE_FOLLOWER:
                await self._pause(await self._victim(fault), fault.seconds)
            case Kind.ROLL:
                await self._roll()
            case Kind.CUT_PEERS:
                await _cut(self._stage.to_peers.values(), fault.seconds)
            case Kind.SILENCE_PEERS:
                await _silence(self._stage.to_peers.values(), fault.seconds)
            case Kind.CUT_DECIDER | Kind.CUT_FOLLOWER:
                await _cut([self._stage.to_api_server[await self._victim(fault)]], fault.seconds)
            case Kind.SILENCE_DECIDER | Kind.SILENCE_FOLLOWER:
                await _silence([self._stage.to_api_server[await self._victim(fault)]], fault.seconds)
            case Kind.RESTART_API_SERVER:
                await self._restart_api_server()
            case Kind.COMPACT:
                await asyncio.to_thread(self._stage.control_plane.etcd_compact)
                await _cut(self._stage.to_api_server.values(), 0.0)

    async def _victim(self, fault: Fault) -> int:
        """The webhook port of the replica that is meant."""
        leader = await self._stage.leader()
        ready = self._stage.ready_replicas()
        if fault.kind in DECIDER_KINDS:
            candidates = [port for port in ready if port == leader]
        else:
            candidates = sorted(port for port in ready if port != leader)
        if not candidates:
            raise Impossible
        return candidates[int(fault.draw * len(candidates))]

    async def _kill(self, port: int) -> None:
        process = self._stage.process(port)
        if process is None:
            raise Impossible
        outage = Outage(port, time.monotonic())
        self.outages.append(outage)
        process.send(signal.SIGKILL)
        async with asyncio.timeout(RESTART_SECONDS):
            while not self._replaced(port, process.pid):  # noqa: ASYNC110 (other processes set no event)
                await asyncio.sleep(POLL_SECONDS)
        outage.ended = time.monotonic()

    async def _pause(self, port: int, seconds: float) -> None:
        process = self._stage.process(port)
        if process is None:
            raise Impossible
        outage = Outage(port, time.monotonic())
        self.outages.append(outage)
        process.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            process.send(signal.SIGCONT)
            outage.ended = time.monotonic()

    def _replaced(self, port: int, pid: int) -> bool:
        replica = self._stage.ready_replicas().get(port)
        return replica is not None and replica.pid not in {None, pid}

    async def _roll(self) -> None:
        revision = self._stage.roll()
        async with asyncio.timeout(ROLL_SECONDS):
            while not self._stage.settled(revision):  # noqa: ASYNC110 (other processes set no event)
                await asyncio.sleep(POLL_SECONDS)

    async def _restart_api_server(self) -> None:
        downtime = Window(time.monotonic())
        self.downtimes.append(downtime)
        await asyncio.to_thread(self._stage.control_plane.stop_apiserver)
        await asyncio.to_thread(self._stage.control_plane.start_apiserver)
        downtime.ended = time.monotonic()


async def _cut(relays: Iterable[Cutter], seconds: float) -> None:
    ways = list(relays)
    try:
        for relay in ways:
            await relay.cut()
        await asyncio.sleep(seconds)
    finally:
        for relay in ways:
            relay.mend()


async def _silence(relays: Iterable[Cutter], seconds: float) -> None:
    ways = list(relays)
    for relay in ways:
        relay.silence()
    try:
        await asyncio.sleep(seconds)
    finally:
        for relay in ways:
            relay.mend()
