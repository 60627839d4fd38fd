"""What the cluster must know of us stays right while we run: our Secrets, and the caBundles of our webhooks.

::

    a watch brings a change, or time passes
          │
          ▼
    the Secrets are good, or are made good ──▶ our authorities are trusted here, and the certificate of the Secret is
                                               served
                                                 │
                                                 ▼
                                               each caBundle holds our authorities, and nobody else; or it is written

Level-based: each look reads what is and mends one thing after the other, so any number of replicas may do it at once.
First trusted, then issued under (`certs/renewal.py`): no API server and no replica is shown a certificate that it
cannot have heard of.

Where cert-manager writes the caBundles, or the certificate is given as files, a caBundle is never written: what it
holds is tried on what is served, and readiness tells.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from kubemacpool.certs.authority import Authorities, certificates_in, fault_of_bundle
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.rehearsal import Rehearsal
from kubemacpool.certs.renewal import Renewal
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Credentials
from kubemacpool.certs.trial import fault_of_trust
from kubemacpool.expiry import Expiry
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.pacing import Backoff, Restraint
from kubemacpool.ports import Clock, ConflictError, NotFoundError, OutsideError, RefusedError, WebhookTrust
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.api_objects import CONFIGURATIONS, WebhookBundles
from kubemacpool.wire.objects import ObjectIdentity, decode_stored

_log = structlog.get_logger(__name__)

WEBHOOK_CONFIGURATION: Final = "kubemacpool-mutator"

PERIOD_SECONDS: Final = 30.0
"""Between two looks when no event comes: for what time alone brings about, and where the watch is not allowed."""

PACE_SECONDS: Final = 0.1
"""Between two looks when many events come: three reads each."""

OBSTACLE: Final = "trust"
_LOOKING: Final = "looking after certificates"
UNKNOWN: Final = f"MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION} has not been read yet"


class Alarm:
    """Rings when a watch brings anything (implements `WatchListener[str]`)."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Somebody has noticed that something is wrong."""
        self._rung.set()

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


class Observers(NamedTuple):
    """Who learns what the keeper finds.

    Attributes:
        readiness: hindered while the API server does not trust us. Not that of the election: no other replica would be
            trusted either.
        metrics: learns whether it does.
        expiry: tells when the certificates end.
        server_name: by which the API server asks for us.
    """

    readiness: Readiness
    metrics: Metrics
    expiry: Expiry
    server_name: str


class TrustKeeper:
    """Keeps Secrets, caBundles and what this replica serves with in step, for as long as `run` runs."""

    def __init__(
        self,
        renewal: Renewal,
        webhooks: WebhookTrust,
        identity: Identity,
        observers: Observers,
        clock: Clock,
    ) -> None:
        """Begin with what is served; nothing is looked at yet.

        Args:
            renewal: reads the Secrets, and writes them.
            webhooks: the caBundles.
            identity: what this replica serves with and whom it trusts.
            observers: who learns what is found.
            clock: the process's own.
        """
        self.alarm = Alarm()
        self._renewal = renewal
        self._rehearsal = Rehearsal(renewal.bootstrap, webhooks, clock)
        self._webhooks = webhooks
        self._identity = identity
        self._observers = observers
        self._writing = Restraint(clock)
        self._failures = Backoff()
        self._trouble = ""
        self._said = ""
        self._installed: Authorities | None = None
        """What the caBundles held when they were right the last time: who changes that undoes it."""
        observers.readiness.hinder(OBSTACLE, UNKNOWN)
        observers.metrics.ca_bundle_judged(valid=False)

    async def run(self) -> None:
        """Look whenever a watch brings something, and now and then; goes on until cancelled."""
        while True:
            await self.alarm.wait(await self.look())
            await asyncio.sleep(PACE_SECONDS)

    async def look(self) -> float:
        """Look once and mend what may be mended now; gives the seconds after which to look again in any case."""
        try:
            wait = min(PERIOD_SECONDS, await self._mend())
        except Exception as error:  # noqa: BLE001 (whatever somebody has put into a Secret, it ends no replica)
            if str(error) != self._trouble:
                unforeseen = not isinstance(error, OutsideError)
                _log.warning("certificates cannot be looked after, trying again", error=str(error), exc_info=unforeseen)
                if unforeseen or isinstance(error, RefusedError):
                    self._observers.readiness.remark(_LOOKING, f"certificates cannot be looked after: {error}")
            self._trouble = str(error)
            return self._failures.next_delay(random.random())  # noqa: S311 (keeps replicas apart, hides nothing)
        if self._trouble:
            _log.info("certificates are looked after again")
            self._observers.readiness.forget(_LOOKING)
        self._trouble = ""
        self._failures.succeeded()
        return wait

    async def _mend(self) -> float:
        """One thing after the other; gives the seconds after which there is more to do.

        The caBundles are read first: whoever writes what he found here by what he reads in the Secrets then, knows no
        less than whoever wrote them last.
        """
        found = await self._read_bundles()
        stored = await self._renewal.bootstrap.look()
        wait = await self._renewal.renew(stored, self._identity.credentials)
        if wait is None:
            stored, wait = await self._renewal.bootstrap.look(), 0.0
        if stored.verdict.authorities is not None:
            self._identity.trust(stored.verdict.authorities)
        if stored.credentials is not None:
            wait = min(wait, self._take_up(stored.credentials, found))
        wait = min(wait, await self._mend_bundles(found))
        await self._rehearsal.rehearse(stored, None if found is None or self._written_by_others(found) else found)
        self._observers.expiry.tell(stored, self._identity, self._renewal.trouble or self._rehearsal.trouble)
        return wait

    async def _read_bundles(self) -> WebhookBundles | None:
        """None where there is no configuration."""
        try:
            return await self._webhooks.read()
        except NotFoundError:
            return None

    async def _mend_bundles(self, found: WebhookBundles | None) -> float:
        """Have every caBundle hold our authorities; gives the seconds after which to look again."""
        ours = self._identity.authorities
        if found is None:
            self._renewal.trusted(ours.current)  # nobody asks us, so nobody has to be told first
            self._judge("does not exist; apply the release manifest again to bring it back")
            return PERIOD_SECONDS
        hands_off = self._written_by_others(found)
        faults = {
            place: fault
            for place, bundle in enumerate(found.bundles)
            if (fault := self._fault_of(bundle.content, ours, tried=bool(hands_off)))
        }
        if hands_off or not faults:
            self._renewal.trusted(ours.current)
        if not faults:
            self._installed = None if hands_off else ours
            self._judge("")
            return PERIOD_SECONDS
        place, fault = next(iter(faults.items()))
        sentence = f"has a caBundle that {fault}, at webhook {found.bundles[place].webhook}"
        if hands_off:
            self._judge(f"{sentence}; {hands_off}")
            return PERIOD_SECONDS
        undone = self._installed == ours
        if undone or self._installed is None:
            self._judge(sentence)
        if undone and (pause := self._writing.pause) > 0:
            self._renewal.distrusted()
            return pause
        return await self._write_bundles(found, tuple(faults), ours, undone=undone)

    async def _write_bundles(
        self, found: WebhookBundles, places: Sequence[int], ours: Authorities, *, undone: bool
    ) -> float:
        self._renewal.distrusted()
        try:
            await self._webhooks.write(found, places, ours.bundle)
        except (ConflictError, NotFoundError):  # somebody was faster, another replica perhaps: look again
            return 0.0
        if undone or self._installed is None:
            self._writing.written()
        self._installed = ours
        _log.info("the certificate authority is installed", webhook_configuration=WEBHOOK_CONFIGURATION)
        self._renewal.trusted(ours.current)
        self._judge("")
        return PERIOD_SECONDS

    def _written_by_others(self, found: WebhookBundles) -> str:
        """Why the caBundles are not for us to write, in words for whoever finds them wrong; empty where they are."""
        if found.injected:
            given = "" if self._identity.presented is not None else " and gives no certificate by --tls-cert-file"
            return (
                f"it is for cert-manager to write, since the configuration has the annotation {found.injected}{given}"
            )
        if self._identity.presented is not None:
            return "KubeMacPool does not write it, since its certificate is given by --tls-cert-file"
        return ""

    def _fault_of(self, bundle: bytes, ours: Authorities, *, tried: bool) -> str:
        if not tried:
            return fault_of_bundle(bundle, ours)
        return fault_of_trust(self._identity.handshake, bundle, self._observers.server_name)

    def _judge(self, fault: str) -> None:
        """Tell whether the API server trusts us."""
        self._observers.metrics.ca_bundle_judged(valid=not fault)
        if not fault:
            self._said = ""
            self._observers.readiness.clear(OBSTACLE)
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
        self._observers.readiness.hinder(OBSTACLE, sentence)

    def _take_up(self, credentials: Credentials, found: WebhookBundles | None) -> float:
        """Serve with what the Secret holds; gives the seconds after which to try again.

        As a rule it was issued under what everybody trusts by now. Where somebody was in a hurry (a replica that
        started while there was none), the caBundles are written first.
        """
        before = self._identity.credentials
        if credentials.serving == before.serving:
            return PERIOD_SECONDS
        needed = certificates_in(credentials.under)
        heard_of = (
            found is None
            or bool(self._written_by_others(found))
            or all(set(needed) <= set(certificates_in(bundle.content)) for bundle in found.bundles)
        )
        if not heard_of and before.under in credentials.authorities.trusted:
            return 0.0
        self._identity.take_up(credentials)
        _log.info("a new certificate is served", new_authority=before.under != credentials.under)
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
