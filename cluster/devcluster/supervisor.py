"""The daemon that plays kubelet and kube-proxy for the replicas: it makes what runs match the plan.

It looks at the plan and at the replicas several times a second and takes the next step from there; it remembers no
steps. A plan that changes in the middle of an upgrade, or a supervisor that was killed, is therefore no special case.
It ends its replicas with itself, and itself when its state directory is gone.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from devcluster import kubeconfig
from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.deployment import LISTENERS, NAMESPACE, WEBHOOK, Forward, Plan
from devcluster.egress import write_table
from devcluster.errors import ClusterError
from devcluster.files import write_atomically
from devcluster.forwarder import Forwarder
from devcluster.installation import Status, read_plan, write_status
from devcluster.loopback import HOST
from devcluster.replica import Replica
from devcluster.rollout import next_step

if TYPE_CHECKING:
    from devcluster.connections import Backend

TICK_SECONDS = 0.1
# A kubelet's projected tokens live an hour; renewed well before, as a kubelet does.
TOKEN_SECONDS = 3600
TOKEN_RENEWAL_SECONDS = 600.0
TOKEN_RETRY_SECONDS = 2.0
LEFTOVER_GRACE_SECONDS = 5.0
PORTS_PER_REPLICA = len(LISTENERS)
FIRST_UNPRIVILEGED_PORT = 1024


class Supervisor:
    """The replicas and the forwarders of one cluster."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Name the cluster; nothing is started."""
        self._control_plane = control_plane
        self._layout = control_plane.layout
        self._replicas: dict[asyncio.Task[None], Replica] = {}
        self._forwarders: dict[Forward, Forwarder] = {}
        self._egress = control_plane.record().egress
        self._table: dict[str, list[Backend]] | None = None
        self._started = 0
        self._told: Status | None = None
        self._problem: str | None = None
        self._credentials_of: str | None = None

    async def run(self, ending: asyncio.Event) -> None:
        """Follow the plan until told to end, then end all replicas."""
        for leftover in self._layout.replicas():
            leftover.stop(LEFTOVER_GRACE_SECONDS)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            renewal = asyncio.create_task(self._keep_credentials())
            try:
                while not ending.is_set() and (plan := read_plan(self._layout)) is not None:
                    await self._step(plan, session)
                    await asyncio.sleep(TICK_SECONDS)
            finally:
                renewal.cancel()
                await self._end_all()

    async def _step(self, plan: Plan, session: aiohttp.ClientSession) -> None:
        for task in [task for task in self._replicas if task.done()]:
            replica = self._replicas.pop(task)
            # A replica has no way to fail but a fault of this program, which the log must show.
            task.result()
            print(f"{replica.name} has ended", flush=True)
        self._problem = None
        if self._credentials_of == plan.service_account:
            replicas = list(self._replicas.values())
            to_end, to_start = next_step(plan, replicas)
            for replica in to_end:
                print(f"{replica.name} is told to end", flush=True)
                replica.end()
            for _ in range(to_start):
                self._start(plan, session)
        else:
            self._problem = f"no token yet for ServiceAccount {NAMESPACE}/{plan.service_account}"
        await self._forward(plan)
        self._tell(plan)

    def _start(self, plan: Plan, session: aiohttp.ClientSession) -> None:
        record = self._control_plane.record()
        taken = {*record.ports.all(), *(port for replica in self._replicas.values() for port in replica.ports)}
        try:
            webhook, metrics, health = record.share.free_ports(PORTS_PER_REPLICA, taken)
        except ClusterError as error:
            self._problem = str(error)
            return
        replica = Replica(plan, self._started, (webhook, metrics, health), self._layout, self._kubeconfig)
        self._started += 1
        print(f"{replica.name} is started on {HOST}:{webhook}", flush=True)
        self._replicas[asyncio.create_task(replica.run(session))] = replica

    async def _forward(self, plan: Plan) -> None:
        wanted = set(plan.forwards)
        for forward in self._forwarders.keys() - wanted:
            await self._forwarders.pop(forward).close()
        table: dict[str, list[Backend]] = {}
        for forward in plan.forwards:
            forwarder = self._forwarders.setdefault(forward, Forwarder(forward.service, forward.address, forward.port))
            index = 0 if forward.listener == WEBHOOK else 1
            ready: list[Backend] = [
                (HOST, replica.ports[index]) for replica in self._replicas.values() if replica.ready
            ]
            table[f"{forward.address}:{forward.port}"] = ready
            if self._egress and forward.port < FIRST_UNPRIVILEGED_PORT:
                continue
            try:
                await forwarder.set_backends(ready)
            except ClusterError as error:
                self._problem = str(error)
        if self._egress and table != self._table:
            write_table(self._layout, table)
            self._table = table

    def _tell(self, plan: Plan) -> None:
        replicas = [replica.status() for replica in self._replicas.values()]
        status = Status(plan.revision, plan.replicas, replicas, self._problem)
        if status != self._told:
            write_status(self._layout, status)
            self._told = status

    async def _end_all(self) -> None:
        for forwarder in self._forwarders.values():
            await forwarder.set_backends(())
        for replica in self._replicas.values():
            replica.end()
        # Until they have ended, replicas may still answer what they were asked.
        await asyncio.gather(*self._replicas)
        for forwarder in self._forwarders.values():
            await forwarder.close()

    @property
    def _kubeconfig(self) -> Path:
        return self._layout.installation / "kubeconfig"

    async def _keep_credentials(self) -> None:
        """Keep a fresh token of the plan's ServiceAccount in the file that the replicas read."""
        while True:
            plan = read_plan(self._layout)
            if plan is None:
                return
            account = plan.service_account
            pause = TOKEN_RETRY_SECONDS
            try:
                await asyncio.to_thread(self._write_credentials, account)
            except (ClusterError, OSError) as error:
                print(f"no token for ServiceAccount {NAMESPACE}/{account}: {error}", flush=True)
            else:
                self._credentials_of = account
                pause = TOKEN_RENEWAL_SECONDS
            for _ in range(round(pause / TICK_SECONDS)):
                await asyncio.sleep(TICK_SECONDS)
                plan = read_plan(self._layout)
                if plan is not None and plan.service_account != account:
                    break

    def _write_credentials(self, account: str) -> None:
        token_file = self._layout.installation / "token"
        token = self._control_plane.service_account_token(NAMESPACE, account, TOKEN_SECONDS)
        write_atomically(token_file, token.encode())
        kubeconfig.write_with_token_file(
            self._kubeconfig, self._control_plane.server_url, self._control_plane.ca_path, token_file, NAMESPACE
        )


async def supervise(state_dir: Path) -> None:
    """Run the supervisor of the cluster in a state directory until SIGTERM."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ending.set)
    await Supervisor(ControlPlane(ControlPlaneSpec(state_dir))).run(ending)


if __name__ == "__main__":
    # Not uvloop: it may close a descriptor that is not its own when a replica that is probed ends during the handshake.
    asyncio.run(supervise(Path(sys.argv[1])))
