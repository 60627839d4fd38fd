"""What the cluster must know of us stays right while we run: our Secrets, and the caBundles of our webhooks.

::

    a watch brings a change, or time passes
          │
          ▼
    the Secrets are good, or are made good ──▶ our authorities are trusted here ──▶ each caBundle holds them, and nobody
                                                                                    else; or it is written
                                                                                          │ it has done so for a while
                                                                                          ▼
                                                                             the certificate of the Secret is served

Level-based: each look reads what is and mends one thing after the other, so any number of replicas may do it at once.
First trusted, then served: no API server and no replica is shown a certificate that it cannot have heard of.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import structlog

from kubemacpool.certs.authority import Authorities, fault_of_bundle
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.issue import ServerNames, service_names
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Bootstrap, Credentials
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import read_cluster_uid
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.writes import ClusterSecrets
from kubemacpool.pacing import Backoff, Restraint
from kubemacpool.ports import Clock, ConflictError, NotFoundError, OutsideError, WebhookTrust
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.api_objects import CONFIGURATIONS
from kubemacpool.wire.objects import ObjectIdentity, decode_stored

SERVICES = ("kubemacpool-service", "kubemacpool-metrics-service")

ResultT = TypeVar("ResultT")

_log = structlog.get_logger(__name__)


def bootstrap_for(client: ApiClient, namespace: str) -> Bootstrap:
    """What keeps the certificates of this installation."""
    return Bootstrap(ClusterSecrets(client, namespace), ServerNames(service_names(SERVICES, namespace)))


async def establish_credentials(bootstrap: Bootstrap) -> Credentials:
    """Get the certificate from its Secrets, or issue it; try until it is done."""
    return await _persevere(bootstrap.ensure_certificates, "no certificate yet, trying again")


async def learn_cluster_uid(client: ApiClient) -> str:
    """Ask which cluster this is; try until it is known."""
    return await _persevere(lambda: read_cluster_uid(client), "the cluster's uid is not known yet, trying again")


async def _persevere(attempt: Callable[[], Awaitable[ResultT]], complaint: str) -> ResultT:
    backoff = Backoff()
    while True:
        try:
            return await attempt()
        except OutsideError as error:
            _log.warning(complaint, error=str(error))
        await asyncio.sleep(backoff.next_delay(random.random()))  # noqa: S311 (keeps replicas apart, hides nothing)


WEBHOOK_CONFIGURATION: Final = "kubemacpool-mutator"

PERIOD_SECONDS: Final = 30.0
"""Between two looks when no event comes: for what time alone brings about, and where the watch is not allowed."""

PACE_SECONDS: Final = 0.1
"""Between two looks when many events come: three reads each."""

SETTLED_SECONDS: Final = 2.0
"""For which a new authority is in the caBundles before a certificate of it is served. API servers follow their
configuration by a watch, within milliseconds where they are well; the other replicas follow the Secrets likewise."""

_OBSTACLE: Final = "trust"
_UNKNOWN: Final = f"MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION} has not been read yet"


class Alarm:
    """Rings when a watch brings anything (implements `WatchListener[str]`)."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when it has rung since the last time, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()

    def present(self, identity: ObjectIdentity, item: str, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """An object is there, or has changed."""
        self._rung.set()

    def gone(self, identity: ObjectIdentity) -> None:  # noqa: ARG002 (the listener's signature)
        """An object was deleted."""
        self._rung.set()

    def reached(self, resource_version: int) -> None:
        """Nothing that would have to be looked at."""

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:  # noqa: ARG002 (the listener's signature)
        """An object is there that is not understood here; the look may understand it."""
        self._rung.set()


class TrustKeeper:
    """Keeps Secrets, caBundles and what this replica serves with in step, for as long as `run` runs."""

    def __init__(
        self,
        bootstrap: Bootstrap,
        webhooks: WebhookTrust,
        identity: Identity,
        readiness: Readiness,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Begin with what is served; nothing is looked at yet.

        Args:
            bootstrap: keeps the Secrets good.
            webhooks: the caBundles.
            identity: what this replica serves with and whom it trusts.
            readiness: hindered while the API server does not trust us. Not that of the election: no other replica
                would be trusted either.
            metrics: learns whether it does.
            clock: the process's own.
        """
        self.alarm = Alarm()
        self._bootstrap = bootstrap
        self._webhooks = webhooks
        self._identity = identity
        self._readiness = readiness
        self._metrics = metrics
        self._clock = clock
        self._issuing = Restraint(clock)
        self._writing = Restraint(clock)
        self._failures = Backoff()
        self._trouble = ""
        self._said = ""
        self._credentials = Credentials(identity.authorities, identity.serving)
        self._settled: tuple[Authorities, float] | None = None
        """Whom everybody trusts who asks us, and since when."""
        readiness.hinder(_OBSTACLE, _UNKNOWN)
        metrics.ca_bundle_judged(valid=False)

    async def run(self) -> None:
        """Look whenever a watch brings something, and now and then; goes on until cancelled."""
        while True:
            await self.alarm.wait(await self.look())
            await asyncio.sleep(PACE_SECONDS)

    async def look(self) -> float:
        """Look once and mend what may be mended now; gives the seconds after which to look again in any case."""
        try:
            waits = [PERIOD_SECONDS, *await self._mend()]
        except Exception as error:  # noqa: BLE001 (whatever somebody has put into a Secret, it ends no replica)
            if str(error) != self._trouble:
                unforeseen = not isinstance(error, OutsideError)
                _log.warning("certificates cannot be looked after, trying again", error=str(error), exc_info=unforeseen)
            self._trouble = str(error)
            return self._failures.next_delay(random.random())  # noqa: S311 (keeps replicas apart, hides nothing)
        if self._trouble:
            _log.info("certificates are looked after again")
        self._trouble = ""
        self._failures.succeeded()
        return min(waits)

    async def _mend(self) -> list[float]:
        """One thing after the other; gives the seconds after which there is more to do."""
        waits = []
        if (pause := self._issuing.pause) == 0:
            self._credentials = await self._bootstrap.ensure_certificates(self._identity.served_under)
            if self._credentials.issued:
                self._issuing.written()
        else:
            waits.append(pause)
        self._identity.trust(self._credentials.authorities)
        waits.append(await self._mend_bundles(self._credentials.authorities))
        waits.append(self._take_up(self._credentials))
        return waits

    async def _mend_bundles(self, ours: Authorities) -> float:
        """Have every caBundle hold our authorities; gives the seconds after which to look again."""
        try:
            found = await self._webhooks.read()
            faults = {
                place: fault
                for place, bundle in enumerate(found.bundles)
                if (fault := fault_of_bundle(bundle.content, ours))
            }
            if not faults:
                self._settle(ours)
                self._judge("")
                return PERIOD_SECONDS
            self._settled = None
            place, fault = next(iter(faults.items()))
            self._judge(f"has a caBundle that {fault}, at webhook {found.bundles[place].webhook}")
            if (pause := self._writing.pause) > 0:
                return pause
            await self._webhooks.write(found, tuple(faults), ours.bundle)
        except NotFoundError:
            self._settle(ours)  # nobody asks us, so nobody has to be told first
            self._judge("does not exist; apply the release manifest again to bring it back")
            return PERIOD_SECONDS
        except ConflictError:  # somebody was faster, another replica perhaps: look again
            return 0.0
        self._writing.written()
        _log.info("the certificate authority is installed", webhook_configuration=WEBHOOK_CONFIGURATION)
        self._settle(ours)
        self._judge("")
        return PERIOD_SECONDS

    def _judge(self, fault: str) -> None:
        """Tell whether the API server trusts us."""
        self._metrics.ca_bundle_judged(valid=not fault)
        if not fault:
            self._said = ""
            self._readiness.clear(_OBSTACLE)
            return
        sentence = f"MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION} {fault}"
        if self._writing.undone:
            sentence += (
                "; somebody else has undone it time and again: have them leave clientConfig.caBundle alone, "
                "which KubeMacPool writes"
            )
        if sentence != self._said:
            _log.warning("the API server does not trust this replica", reason=sentence)
        self._said = sentence
        self._readiness.hinder(_OBSTACLE, sentence)

    def _settle(self, ours: Authorities) -> None:
        """Nobody who asks us can be without these authorities, from now on at the latest."""
        if self._settled is None or self._settled[0] != ours:
            self._settled = (ours, self._clock.now())

    def _take_up(self, credentials: Credentials) -> float:
        """Serve with what the Secret holds, once it may be trusted; gives the seconds until then."""
        if credentials.serving == self._identity.serving:
            return PERIOD_SECONDS
        under = self._identity.served_under
        kept = under in credentials.authorities.former
        if kept:  # what is served now is trusted, so there is time
            since = self._clock.now() if self._settled is None else self._settled[1]
            left = since + SETTLED_SECONDS - self._clock.now()
            if left > 0:
                return left
        self._identity.take_up(credentials)
        _log.info("a new certificate is served", new_authority=under != credentials.authorities.current)
        return PERIOD_SECONDS


def watches_for(alarm: Alarm, client: ApiClient, namespace: str) -> Mapping[str, Reflector[str]]:
    """What watches for changes, by the object's name: of metadata only, so that no key travels."""
    paths = {
        WEBHOOK_CONFIGURATION: (CONFIGURATIONS, None),
        AUTHORITY_SECRET: ("/api/v1/secrets", namespace),
        SERVING_SECRET: ("/api/v1/secrets", namespace),
    }
    resources = {
        name: Resource(path, within, field_selector=f"metadata.name={name}", metadata_only=True)
        for name, (path, within) in paths.items()
    }
    return {name: Reflector(client, resource, decode_stored, alarm) for name, resource in resources.items()}
