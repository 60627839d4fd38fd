"""One replica, from its first line to its last."""

import asyncio
import contextlib
import os
import signal
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog
import uvloop

from kubemacpool.certs.callers import Callers
from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.files import AuthorityFile, ServingFiles
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.issue import KeyPair, service_names
from kubemacpool.certs.renewal import Renewal
from kubemacpool.certs.rotation import Bootstrap
from kubemacpool.certs.scrapers import ScraperTls
from kubemacpool.effect import EffectKeeper, effect_watches, take_over
from kubemacpool.election.elector import Member
from kubemacpool.expiry import Expiry, corrected
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.access_reviews import AccessReviews
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.effect import ServingBinding
from kubemacpool.kube.events import TELL_SECONDS, EventRecorder
from kubemacpool.kube.kubeconfig import ClusterConfig, load_in_cluster, load_kubeconfig
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError
from kubemacpool.kube.published_authority import PublishedAuthority
from kubemacpool.kube.tls import RenewedTls
from kubemacpool.kube.writes import WebhookConfiguration
from kubemacpool.memory import Collector, Heap
from kubemacpool.ports import Importance
from kubemacpool.provision import (
    SERVICES,
    bootstrap_for,
    establish_credentials,
    establish_given,
    learn_cluster_uid,
    replica_name,
)
from kubemacpool.runtime import DescriptorsError, Loop, MonotonicClock, Room, raise_limit, room_in
from kubemacpool.server import limits
from kubemacpool.server.access import Access, restricted
from kubemacpool.server.connections import Handler
from kubemacpool.server.debug import Inside, debug_routes
from kubemacpool.server.https import Route, Server
from kubemacpool.server.peers import PeerClient
from kubemacpool.server.routes import METRICS, guarded, health_routes, metrics_routes, webhook_routes
from kubemacpool.settings import IN_FLIGHT_FLOOR, Settings
from kubemacpool.supervision import Supervisor
from kubemacpool.telemetry.logs import Levels, LineRation, configure_logs
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.telemetry.profiles import Profiles
from kubemacpool.trust import WEBHOOK_CONFIGURATION, Observers, TrustKeeper, watches_for
from kubemacpool.wiring import Core, Outside, Replica, new_webhooks

DRAIN_SECONDS = 10.0
"""For admissions under way when the port is closed; the webhook's time-out as shipped."""

HEALTH: Final = "health"
"""The server for probes, among those of this process."""

_log = structlog.get_logger(__name__)


LAST_WORD_SECONDS = 10.0
"""For a replica that ends for a fault of its own to release the Lease: twice the Lease's duration, after which another
replica acquires it all the same."""


class StartError(Exception):
    """The program cannot start; the message says why and what to do."""


class ReplicaFailedError(Exception):
    """The program has ended for a fault of its own; the message says which, and has been logged."""


def run_manager(settings: Settings) -> None:
    """Run one replica until SIGTERM or SIGINT.

    Raises:
        StartError: when it cannot start for a reason that waiting does not mend.
        ReplicaFailedError: when it has ended for a fault of its own, having released the Lease.
    """
    Heap().keep_little()
    ration = configure_logs(settings.log_level, settings.log_format)
    clock = MonotonicClock()
    try:
        room = room_in(raise_limit())
    except DescriptorsError as error:
        raise StartError(str(error)) from error
    try:
        client = _client_of(settings.kubeconfig, clock)
    except ClusterConfigError as error:
        raise StartError(f"{error} (setting: --kubeconfig or KUBECONFIG)") from error
    uvloop.run(Process(settings, client, clock, ration, room).run(), loop_factory=Loop)


class Process:
    """Everything that one process does, and the order in which it begins and ends."""

    def __init__(
        self, settings: Settings, client: ApiClient, clock: MonotonicClock, ration: LineRation, room: Room
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._ration = ration
        self._room = room
        self._failed = ""  # why this replica ends, where nobody told it to
        self._stopping = asyncio.Event()
        self._metrics = Metrics()
        self._readiness = Readiness()
        self._trusted = Readiness()
        """What keeps the API server from trusting us. It hinders all replicas alike: no reason not to decide."""
        self._replica: Replica | None = None
        self._servers: dict[str, Server] = {}

    async def run(self) -> None:
        """Serve until SIGTERM, then release the Lease and drain.

        Raises:
            StartError: when an address to listen on cannot be used.
            ReplicaFailedError: when something has failed that cannot be started again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._change_level)
        _log.info("starting", version=version("kubemacpool"), server=self._client.server, **self._room._asdict())
        if self._settings.wait_time < IN_FLIGHT_FLOOR:
            _log.warning(
                "the wait time is shorter than an admission may take: an address could be given twice",
                wait_time=self._settings.wait_time,
                at_least=IN_FLIGHT_FLOOR,
            )
        async with self._client as client:
            serving = asyncio.create_task(self._serve(client))
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not serving.done():
                await self._drain()
                serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        if self._failed:
            _log.error("ended for a fault of its own", reason=self._failed)
            raise ReplicaFailedError(self._failed)
        _log.info("stopped")

    async def _serve(self, client: ApiClient) -> None:
        """Answer, follow the cluster and report, until cancelled."""
        settings = self._settings
        effect = EffectKeeper(ServingBinding(client, settings.namespace), self._trusted, self._metrics, self._clock)
        probed = self._as_before_stopping(effect.telling(self._obstacles))
        health = health_routes(probed, lambda: self._trusted.remarks)
        await self._listen(HEALTH, _small_server(health, None), settings.health_port)
        events = EventRecorder(client, self._metrics)
        bootstrap = bootstrap_for(client, settings.namespace, settings.intervals)
        identity, files = await self._identity(bootstrap, client)
        service_name = service_names(SERVICES, settings.namespace)[0]
        flag = "--client-ca-file (KUBEMACPOOL_CLIENT_CA_FILE)"
        authority_files = [_authority_file("client authority", flag, settings.client_ca_file, identity.admit_clients)]
        callers = Callers(lambda: identity.authorities.trusted, service_name, settings.client_names)
        await take_over(client, settings.namespace)
        webhooks = new_webhooks(self._readiness, self._metrics, self._clock)
        answers = {path: each.answer for path, each in webhooks.items()}
        routes = webhook_routes(answers, self._obstacles, lambda: self._trusted.remarks)
        guard = guarded(routes, callers.refusal, lambda: identity.handshakes)
        webhook = Server(guard, identity.webhook, self._room.connections, self._room.backlog)
        port = await self._listen("webhook", webhook, settings.webhook_port)
        authority_files.append(await self._listen_for_scrapers(client, identity))
        trust = self._trust(client, bootstrap, identity, files)
        peers = PeerClient(lambda: identity.peers, replica_name(settings.namespace), trust.alarm.ring)
        async with peers, asyncio.TaskGroup() as tasks:
            supervisor = Supervisor(tasks, self._readiness, self._metrics)
            tasks.create_task(self._end_when_given_up(supervisor))
            for name, server in self._servers.items():
                supervisor.keep(f"sweep {name}", server.sweep, Importance.USEFUL)
            collector = Collector(serving=lambda: not self._readiness.obstacles)
            supervisor.keep("collector", collector.run, Importance.USEFUL)
            supervisor.keep("log", self._tell_of_lines_left_out, Importance.USEFUL)
            supervisor.keep("events", events.run, Importance.USEFUL)
            supervisor.keep("trust", trust.run, Importance.USEFUL)
            for name, watch in watches_for(trust.alarm, client, settings.namespace).items():
                supervisor.keep(f"watch {name}", watch.run, Importance.USEFUL)
                self._metrics.follow(name, watch)
            supervisor.keep("effect", effect.run, Importance.USEFUL)
            for name, effect_watch in effect_watches(effect, client, settings.namespace).items():
                supervisor.keep(f"watch {name}", effect_watch.run, Importance.USEFUL)
                self._metrics.follow(name, effect_watch)
            if files is None:
                published = PublishedAuthority(client, settings.namespace, lambda: identity.authorities.bundle)
                supervisor.keep("published authority", published.run, Importance.USEFUL)
            else:
                supervisor.keep("given certificate", files.run, Importance.USEFUL)
            for authority_file in filter(None, authority_files):
                supervisor.keep(authority_file.what, authority_file.run, Importance.USEFUL)
            uid = await learn_cluster_uid(client)
            member = Member(f"{os.uname().nodename}_{uuid.uuid4()}", _endpoint(settings.advertised, port))
            outside = Outside(client, peers, events, self._metrics, self._clock, self._readiness, uid, webhooks)
            self._replica = Replica(member, settings, outside)
            core = await self._replica.start(supervisor)
            self._metrics.show_ledger(core.ledger)
            self._metrics.show_election(core.elector, core.allocator)

    async def _listen_for_scrapers(self, client: ApiClient, identity: Identity) -> AuthorityFile | None:
        """Open the port for metrics, and for support; gives the file with the authority of clients, if there is one."""
        scrapers = ScraperTls(lambda: identity.shown, self._server_tls)
        flag = "--metrics-client-ca-file (KUBEMACPOOL_METRICS_CLIENT_CA_FILE)"
        path = self._settings.metrics_client_ca_file
        authority = _authority_file("authority of scrapers", flag, path, scrapers.admit_clients)
        access = Access(AccessReviews(client), self._clock, {METRICS})
        inside = {**metrics_routes(self._metrics.exposition), **debug_routes(self._inside(), self._clock)}
        server = _small_server(restricted(inside, access, scrapers.current), scrapers.listener())
        await self._listen("metrics", server, self._settings.metrics_port)
        return authority

    def _inside(self) -> Inside:
        """What support may look at, and set."""
        profiles = Profiles()
        return Inside(
            ledger=lambda: None if self._core is None else self._core.ledger,
            leads=lambda: self._leads,
            level=lambda: Levels.current,
            set_level=Levels.change,
            cpu=profiles.cpu,
            memory=profiles.memory,
        )

    @property
    def _core(self) -> Core | None:
        """The part that decides, once it is there."""
        return None if self._replica is None else self._replica.core

    def _change_level(self) -> None:
        """Write lines for debugging from now on, or none of them any more."""
        configured = self._settings.log_level
        usual = "info" if configured == "debug" else configured
        Levels.change(usual if Levels.current == "debug" else "debug")

    def _trust(
        self, client: ApiClient, bootstrap: Bootstrap, identity: Identity, files: ServingFiles | None
    ) -> TrustKeeper:
        """What keeps Secrets, caBundles and what is served in step."""
        settings = self._settings
        given_fault = (lambda: "") if files is None else (lambda: files.fault)
        expiry = Expiry(settings.intervals, self._trusted, self._metrics, lambda: client.clock_skew, given_fault)
        service_name = service_names(SERVICES, settings.namespace)[0]
        observers = Observers(self._trusted, self._metrics, expiry, service_name)
        renewal = Renewal(bootstrap, self._clock, lambda: self._leads)
        configuration = WebhookConfiguration(client, WEBHOOK_CONFIGURATION)
        trust = TrustKeeper(renewal, configuration, identity, observers, self._clock)
        if files is not None:
            files.changed = trust.alarm.ring
        return trust

    async def _identity(self, bootstrap: Bootstrap, client: ApiClient) -> tuple[Identity, ServingFiles | None]:
        """What this replica proves itself by, once there is something; and the files with it, where these are given."""
        settings = self._settings
        credentials = await establish_credentials(bootstrap, self._trusted)
        among_replicas = replica_name(settings.namespace)
        identity = Identity(credentials, self._server_tls, policy=settings.tls, replica_name=among_replicas)
        if settings.tls_cert_file is None or settings.tls_private_key_file is None:
            return identity, None
        certificate, key = settings.tls_cert_file, settings.tls_private_key_file
        files = ServingFiles(certificate, key, identity, lambda: corrected(client.clock_skew))
        await establish_given(files, self._trusted)
        return identity, files

    def _server_tls(self, pair: KeyPair, client_authorities: bytes | None) -> ssl.SSLContext:
        return server_context(pair.certificate_pem, pair.key_pem, client_authorities, self._settings.tls)

    async def _listen(self, name: str, server: Server, port: int) -> int:
        """Open a port, which is drained when we end; gives its number.

        Raises:
            StartError: when the address cannot be used.
        """
        try:
            opened = await server.start(self._settings.bind_address, port)
        except OSError as error:
            raise StartError(f"{error.strerror}; choose another --bind-address or --{name}-port") from error
        self._servers[name] = server
        _log.info("listening", what=name, address=self._settings.bind_address, port=opened)
        return opened

    async def _end_when_given_up(self, supervisor: Supervisor) -> None:
        """What cannot be restarted makes this replica release the Lease and end."""
        self._failed = await supervisor.given_up()
        _log.error("this replica hands over and ends", reason=self._failed)
        self._stopping.set()

    async def _tell_of_lines_left_out(self) -> None:
        """Once a minute, how many lines were not written of what is not written about any more."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            for message, lines in self._ration.left_out():
                _log.warning("lines were left out: there are too many", message=message, lines=lines)

    @property
    def _leads(self) -> bool:
        return self._core is not None and self._core.elector.leading

    def _obstacles(self) -> tuple[str, ...]:
        """Why no traffic should come here."""
        if self._stopping.is_set():
            return ("this replica is shutting down",)
        found = self._readiness.obstacles + self._trusted.obstacles
        if (self._replica is None or self._replica.core is None) and not found:
            return ("this replica has just started",)
        return found

    def _as_before_stopping(self, obstacles: Callable[[], Sequence[str]]) -> Callable[[], Sequence[str]]:
        """The same obstacles as the kubelet asks for them, which takes a pod that ends out of the Service anyway.

        Until then it is served, and a probe that fails meanwhile is no more than an Event at each rollout.
        """
        last = obstacles()

        def told() -> Sequence[str]:
            nonlocal last
            if not self._stopping.is_set():
                last = obstacles()
            return last

        return told

    async def _drain(self) -> None:
        """Release the Lease, let the Service route around us, finish what is under way, and close the ports.

        The one for probes is the last: the kubelet asks until the process has ended.
        """
        _log.info("draining", delay=self._settings.drain_delay)
        for server in self._servers.values():
            server.begin_draining()
        if "webhook" in self._servers:
            await asyncio.gather(self._hand_over(), asyncio.sleep(self._settings.drain_delay))
        served = [server for name, server in self._servers.items() if name != HEALTH]
        await asyncio.gather(*(server.drain(DRAIN_SECONDS) for server in served))
        if HEALTH in self._servers:
            await self._servers[HEALTH].drain(DRAIN_SECONDS)

    async def _hand_over(self) -> None:
        """Let another replica decide; what still arrives here is handed to it."""
        replica = self._replica
        if replica is None or replica.core is None or replica.election is None:
            return
        elector = replica.core.elector
        if not self._failed:
            elector.resign()
            await asyncio.wait({replica.election})
            return
        # The election may be what has failed, or may wait for what has; what is left of it is the release.
        replica.election.cancel()
        await asyncio.wait({replica.election})
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                elector.resign()
                await elector.run()
        except Exception:  # noqa: BLE001 (it ends all the same)
            _log.exception("could not release the Lease: another replica acquires it when it expires")


def _endpoint(address: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _small_server(routes: Mapping[Route, Handler], tls: ssl.SSLContext | None) -> Server:
    return Server(routes, tls, limits.FEW_CONNECTIONS, limits.FEW_CONNECTIONS)


def _authority_file(what: str, flag: str, path: Path | None, take_up: Callable[[bytes], None]) -> AuthorityFile | None:
    """A file with the authority of clients, taken up, where one is given.

    Args:
        what: whose authority it is, as the log calls it.
        flag: which names the file.
        path: the file.
        take_up: makes handshakes go by what it holds.

    Raises:
        StartError: it cannot be used.
    """
    if path is None:
        return None
    authority = AuthorityFile(what, path, take_up)
    if fault := authority.look():
        raise StartError(f"{flag} is {path}; {fault}")
    return authority


def _client_of(kubeconfig: Path | None, clock: MonotonicClock) -> ApiClient:
    """The client of the API server that the settings name.

    Raises:
        ClusterConfigError: the settings cannot be followed.
    """

    def read() -> ClusterConfig:
        return load_in_cluster(clock) if kubeconfig is None else load_kubeconfig(kubeconfig, clock)

    config = read()
    if not config.server.startswith("https:"):
        return ApiClient(config, None)
    return ApiClient(config, RenewedTls(config, read, _client_tls, clock).context)


def _client_tls(config: ClusterConfig) -> ssl.SSLContext:
    return client_context(config.ca_pem, verify=config.verify, identity=config.identity)
