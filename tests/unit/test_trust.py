"""What the cluster must know of us, looked at and mended one look at a time."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.cupboard import Cupboard
from tests.unit.doubles import ManualClock

from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.intervals import SETTLED_SECONDS, Interval, Intervals
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.certs.rehearsal import AGAIN_SECONDS
from kubemacpool.certs.rehearsal import PERIOD_SECONDS as PERIOD_OF_REHEARSALS
from kubemacpool.certs.renewal import Renewal
from kubemacpool.certs.rotation import SERVING_SECRET, Bootstrap, Stored
from kubemacpool.expiry import Expiry
from kubemacpool.follow.readiness import Readiness
from kubemacpool.pacing import LONGEST_PAUSE_SECONDS
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError, RefusedError, StoredSecret
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.trust import PERIOD_SECONDS, Alarm, Observers, TrustKeeper
from kubemacpool.wire.api_objects import WebhookBundle, WebhookBundles
from kubemacpool.wire.objects import ObjectIdentity

CONFIGURATION = "MutatingWebhookConfiguration kubemacpool-mutator"


class Configuration:
    """A webhook configuration in memory, with the conflicts of the real one."""

    def __init__(self) -> None:
        self.bundles: list[bytes] | None = [b"", b"", b""]
        self.version = 1
        self.writes = 0
        self.trouble: Exception | None = None
        self.rehearsals = 0
        self.refuses = ""
        """Why writes are refused; empty where they are not."""
        self.injected = ""
        self.faster = False
        """Whether somebody is, with the next write."""

    async def read(self) -> WebhookBundles:
        """As it is."""
        if self.trouble is not None:
            raise self.trouble
        if self.bundles is None:
            raise NotFoundError("kubemacpool-mutator")
        bundles = tuple(WebhookBundle(f"w{place}", content) for place, content in enumerate(self.bundles))
        return WebhookBundles(str(self.version), bundles, self.injected)

    async def write(self, found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> None:
        """Only as it was read."""
        if self.refuses:
            raise RefusedError(self.refuses)
        if self.faster:
            self.faster = False
            self.version += 1
        if found.resource_version != str(self.version):
            raise ConflictError("kubemacpool-mutator")
        assert self.bundles is not None
        for place in places:
            self.bundles[place] = ca_pem
        self.version += 1
        self.writes += 1

    async def rehearse(self, found: WebhookBundles) -> None:
        """As a write would be judged."""
        self.rehearsals += 1
        if self.refuses:
            raise RefusedError(self.refuses)
        if found.resource_version != str(self.version):
            raise ConflictError("kubemacpool-mutator")


NAMES = ServerNames(("kubemacpool-service.kubemacpool-system.svc",))


class Scene(NamedTuple):
    """One replica, and what it looks after."""

    keeper: TrustKeeper
    secrets: Cupboard
    configuration: Configuration
    identity: Identity
    readiness: Readiness
    metrics: Metrics
    clock: ManualClock

    def obstacles(self) -> tuple[str, ...]:
        """What keeps the replica from being ready."""
        return self.readiness.obstacles

    def valid(self) -> bool:
        """What the gauge says."""
        return b"kubemacpool_ca_bundle_valid 1.0" in self.metrics.exposition()[0]

    async def look_often(self, seconds: float) -> None:
        """Look as often as there is something to do, and let so much time pass."""
        until = self.clock.now() + seconds
        while (left := until - self.clock.now()) > 0:
            self.clock.advance(min(left, max(await self.keeper.look(), 0.05)))
        await self.keeper.look()

    def stored(self) -> KeyPair:
        """What the Secret of the serving certificate holds."""
        data = self.secrets.stored[SERVING_SECRET].data
        return KeyPair(data["tls.crt"], data["tls.key"])


def _server(pair: KeyPair, asked_for: bytes | None) -> ssl.SSLContext:
    return server_context(pair.certificate_pem, pair.key_pem, asked_for)


def keeper_of(bootstrap: Bootstrap, configuration: Configuration, identity: Identity) -> Scene:
    """A replica that leads and has not looked yet."""
    readiness, metrics, clock = Readiness(), Metrics(), ManualClock()
    observers = Observers(readiness, metrics, Expiry(bootstrap.intervals, readiness, metrics), NAMES.dns[0])
    renewal = Renewal(bootstrap, clock, lambda: True)
    keeper = TrustKeeper(renewal, configuration, identity, observers, clock)
    return Scene(keeper, Cupboard(), configuration, identity, readiness, metrics, clock)


INTERVALS = Intervals(Interval(timedelta(days=365), timedelta(seconds=20)))


async def started() -> Scene:
    """A replica that serves, leads and has not looked yet."""
    secrets, configuration = Cupboard(), Configuration()
    bootstrap = Bootstrap(secrets, NAMES, intervals=INTERVALS)
    identity = Identity(await bootstrap.ensure_certificates(), _server)
    return keeper_of(bootstrap, configuration, identity)._replace(secrets=secrets)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task does."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (there is no event for what a test wants to see)
            await asyncio.sleep(0.01)


async def test_until_it_has_looked_a_replica_does_not_say_that_it_is_trusted() -> None:
    scene = await started()
    assert scene.obstacles() == (f"{CONFIGURATION} has not been read yet",)
    assert not scene.valid()
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert scene.configuration.bundles == [scene.identity.authorities.bundle] * 3
    assert scene.obstacles() == ()
    assert scene.valid()


async def test_what_is_good_is_not_written() -> None:
    scene = await started()
    await scene.keeper.look()
    await scene.keeper.look()
    assert (scene.configuration.writes, len(scene.secrets.writes)) == (1, 2)


async def test_a_configuration_that_is_gone_is_waited_for_and_named() -> None:
    scene = await started()
    await scene.keeper.look()
    scene.configuration.bundles = None
    assert await scene.keeper.look() == PERIOD_SECONDS
    assert scene.obstacles() == (f"{CONFIGURATION} does not exist; apply the release manifest again to bring it back",)
    assert not scene.valid()
    scene.configuration.bundles = [b""]
    scene.clock.advance(1)
    await scene.keeper.look()
    assert scene.obstacles() == ()


async def test_somebody_who_keeps_emptying_it_is_followed_ever_slower_and_named() -> None:
    scene = await started()
    waits = []
    said: dict[str, bool] = {}
    with capture_logs() as logs:
        for _ in range(400):
            assert scene.configuration.bundles is not None
            scene.configuration.bundles[1] = b""
            waits.append(await scene.keeper.look())
            said |= dict.fromkeys(scene.obstacles(), scene.valid())
            scene.clock.advance(0.1)
    assert 5 < scene.configuration.writes < 30
    assert 1 < max(wait for wait in waits if wait != PERIOD_SECONDS) <= LONGEST_PAUSE_SECONDS
    assert list(said.values()) == [False, False]
    first, then = said
    assert first == f"{CONFIGURATION} has a caBundle that is empty, at webhook w1"
    assert then.startswith(f"{first}; somebody else has undone it time and again")
    assert len(logs) <= 3 * scene.configuration.writes
    scene.clock.advance(LONGEST_PAUSE_SECONDS)
    await scene.keeper.look()
    assert scene.obstacles() == ()


async def test_whoever_was_faster_is_read_again_at_once() -> None:
    scene = await started()
    scene.configuration.faster = True
    assert await scene.keeper.look() == 0
    assert not scene.valid()
    await scene.keeper.look()
    assert scene.configuration.writes == 1
    assert scene.valid()


async def test_a_new_authority_is_trusted_first_and_issued_under_when_that_has_settled() -> None:
    scene = await started()
    await scene.keeper.look()
    before = scene.identity.credentials
    scene.secrets.stored.clear()
    scene.clock.advance(100)
    await scene.look_often(SETTLED_SECONDS - 0.1)
    ours = scene.identity.authorities
    assert ours.former == (before.under,)
    assert scene.configuration.bundles == [ours.bundle] * 3
    assert SERVING_SECRET not in scene.secrets.stored
    assert scene.identity.credentials.serving == before.serving
    await scene.look_often(1)
    assert scene.identity.credentials.under == ours.current
    assert scene.identity.credentials.serving == scene.stored()


async def test_while_the_ca_bundle_cannot_be_mended_yet_the_old_certificate_is_served() -> None:
    scene = await started()
    await scene.keeper.look()
    before = scene.identity.credentials.under
    scene.secrets.stored.clear()
    for _ in range(100):
        assert scene.configuration.bundles is not None
        scene.configuration.bundles[0] = b""
        scene.clock.advance(0.1)
        await scene.keeper.look()
    assert scene.identity.credentials.under == before


async def test_where_nobody_asks_a_new_certificate_is_issued_as_soon_as_the_others_may_know_of_it() -> None:
    scene = await started()
    scene.configuration.bundles = None
    scene.secrets.stored.clear()
    await scene.look_often(SETTLED_SECONDS - 0.1)
    assert scene.identity.credentials.under != scene.identity.authorities.current
    await scene.look_often(1)
    assert scene.identity.credentials.under == scene.identity.authorities.current


async def test_a_certificate_of_the_same_authority_is_served_at_once() -> None:
    scene = await started()
    await scene.keeper.look()
    before = scene.identity.shown
    del scene.secrets.stored[SERVING_SECRET]
    await scene.keeper.look()
    assert scene.identity.shown != before


async def test_what_somebody_issued_in_a_hurry_is_served_when_the_ca_bundles_know_its_authority() -> None:
    """By a replica that started while there was no Secret."""
    scene = await started()
    await scene.keeper.look()
    before = scene.identity.credentials
    scene.secrets.stored.clear()
    hurried = Bootstrap(scene.secrets, NAMES)
    await hurried.issue_authority(await hurried.look(), before.under)
    await hurried.ensure_certificates()
    assert await scene.keeper.look() == 0
    assert scene.identity.credentials.serving == before.serving
    assert scene.configuration.bundles == [scene.identity.authorities.bundle] * 3
    await scene.keeper.look()
    assert scene.identity.credentials.serving == scene.stored()


async def test_where_nobody_trusts_what_is_served_the_new_one_is_served_at_once() -> None:
    scene = await started()
    await scene.keeper.look()
    scene.secrets.stored.clear()
    await Bootstrap(scene.secrets, NAMES).ensure_certificates()
    await scene.keeper.look()
    assert scene.identity.credentials.under == scene.identity.authorities.current


async def test_an_authority_that_follows_another_in_time_hinders_nobody_and_is_no_fight() -> None:
    scene = await started()
    bootstrap = Bootstrap(scene.secrets, NAMES)
    await scene.keeper.look()
    said: set[tuple[str, ...]] = set()
    for _ in range(20):
        await bootstrap.issue_authority(await bootstrap.look())
        await scene.keeper.look()
        said.add(scene.obstacles())
        assert scene.configuration.bundles == [scene.identity.authorities.bundle] * 3
    assert said == {()}


@pytest.mark.parametrize("annotation", ["", "cert-manager.io/inject-ca-from"])
async def test_where_the_certificate_is_given_the_ca_bundle_is_tried_and_never_written(annotation: str) -> None:
    scene = await started()
    scene.configuration.injected = annotation
    scene.configuration.bundles = [b"", b"", b""]
    now = datetime.now(UTC)
    theirs = issue_authority(now)
    scene.identity.present(issue_serving(theirs, NAMES, now))
    why = (
        f"it is for cert-manager to write, since the configuration has the annotation {annotation}"
        if annotation
        else "KubeMacPool does not write it, since its certificate is given by --tls-cert-file"
    )
    faults = {
        b"": "is empty",
        b"garbage": "holds no certificate that can be read",
        scene.identity.authorities.bundle: "does not vouch for the certificate that is served: "
        "unable to get local issuer certificate",
    }
    for bundle, fault in faults.items():
        scene.configuration.bundles = [bundle] * 3
        assert await scene.keeper.look() <= PERIOD_SECONDS
        assert scene.obstacles() == (f"{CONFIGURATION} has a caBundle that {fault}, at webhook w0; {why}",)
        assert not scene.valid()
    scene.configuration.bundles = [scene.identity.authorities.bundle + theirs.certificate_pem] * 3
    await scene.keeper.look()
    assert (scene.obstacles(), scene.valid(), scene.configuration.writes) == ((), True, 0)


async def test_an_annotation_without_a_certificate_that_is_given_says_what_is_missing() -> None:
    scene = await started()
    scene.configuration.injected = "cert-manager.io/inject-ca-from"
    await scene.keeper.look()
    (said,) = scene.obstacles()
    assert said.endswith("the annotation cert-manager.io/inject-ca-from and gives no certificate by --tls-cert-file")


async def test_somebody_who_keeps_spoiling_the_secrets_is_followed_ever_slower() -> None:
    scene = await started()
    await scene.keeper.look()
    for _ in range(400):
        scene.secrets.stored.pop(SERVING_SECRET, None)
        await scene.keeper.look()
        scene.clock.advance(0.1)
    assert 5 < len(scene.secrets.writes) < 22


async def test_whatever_is_in_the_secrets_the_caller_goes_on_and_says_once_what_is_wrong() -> None:
    class Broken(Bootstrap):
        async def look(self) -> Stored:
            raise ValueError("nobody foresaw this")

    scene = await started()
    keeper = keeper_of(Broken(scene.secrets, NAMES), scene.configuration, scene.identity).keeper
    with capture_logs() as logs:
        assert 0 < await keeper.look() < await keeper.look() + await keeper.look()
    assert [(line["event"], line["error"], line["exc_info"]) for line in logs] == [
        ("certificates cannot be looked after, trying again", "nobody foresaw this", True)
    ]


async def test_an_api_server_that_is_away_changes_nothing_and_its_return_is_told() -> None:
    scene = await started()
    await scene.keeper.look()
    scene.configuration.trouble = ClusterUnavailableError("away")
    with capture_logs() as logs:
        assert 0 < await scene.keeper.look() < 1
        await scene.keeper.look()
        scene.configuration.trouble = None
        await scene.keeper.look()
        await scene.keeper.look()
    assert [line["event"] for line in logs] == [
        "certificates cannot be looked after, trying again",
        "certificates are looked after again",
    ]
    assert scene.valid()


async def test_it_looks_whenever_a_watch_tells_of_something() -> None:
    scene = await started()
    running = asyncio.create_task(scene.keeper.run())
    thing = ObjectIdentity("", "kubemacpool-mutator", "u")
    alarm = scene.keeper.alarm
    told: tuple[Callable[[], None], ...] = (
        lambda: alarm.present(thing, "kubemacpool-mutator", 7),
        lambda: alarm.gone(thing),
        lambda: alarm.unreadable(thing, "strange"),
        alarm.ring,
    )
    try:
        for tell in told:
            await until(scene.valid)
            scene.configuration.bundles = [b""]
            scene.clock.advance(100)
            tell()
            await until(lambda: scene.configuration.bundles != [b""])
    finally:
        running.cancel()


async def test_an_alarm_rings_once_and_progress_does_not_ring_it() -> None:
    alarm = Alarm()
    alarm.reached(7)
    alarm.gone(ObjectIdentity("", "n", "u"))
    async with asyncio.timeout(10):
        await alarm.wait(60)
    await alarm.wait(0)
    alarm.reached(8)
    await alarm.wait(0.01)


async def test_what_could_not_be_written_is_remarked_long_before_it_has_to_be() -> None:
    scene = await started()
    await scene.keeper.look()
    await scene.keeper.look()
    assert (len(scene.secrets.rehearsed), scene.configuration.rehearsals) == (2, 1), "and it was written just before"
    scene.clock.advance(AGAIN_SECONDS)
    await scene.keeper.look()
    assert (len(scene.secrets.rehearsed), scene.configuration.rehearsals) == (4, 2)
    await scene.keeper.look()
    assert scene.configuration.rehearsals == 2
    for refusing, wait in ((scene.secrets, PERIOD_OF_REHEARSALS), (scene.configuration, AGAIN_SECONDS)):
        refusing.refuses = "403 Forbidden"
        scene.clock.advance(wait)
        await scene.keeper.look()
        (said,) = scene.readiness.remarks
        assert said.startswith("certificates cannot be renewed: 403 Forbidden; what is served ends on")
        assert scene.obstacles() == ()
        refusing.refuses = ""
    scene.clock.advance(AGAIN_SECONDS)
    await scene.keeper.look()
    assert scene.readiness.remarks == ()


async def test_a_secret_that_somebody_has_changed_is_tried_at_once() -> None:
    scene = await started()
    await scene.keeper.look()
    scene.secrets.refuses = "field is immutable"
    stored = scene.secrets.stored[SERVING_SECRET]
    scene.secrets.stored[SERVING_SECRET] = StoredSecret(stored.data, "changed")
    await scene.keeper.look()
    assert len(scene.readiness.remarks) == 1


async def test_a_ca_bundle_that_may_not_be_written_is_remarked() -> None:
    scene = await started()
    await scene.keeper.look()
    assert scene.configuration.bundles is not None
    scene.configuration.bundles[0] = b""
    scene.configuration.refuses = "403 Forbidden"
    scene.clock.advance(1)
    await scene.keeper.look()
    assert scene.readiness.remarks == ("certificates cannot be looked after: 403 Forbidden",)
    scene.configuration.refuses = ""
    scene.clock.advance(AGAIN_SECONDS)
    await scene.keeper.look()
    await scene.keeper.look()
    assert scene.obstacles() == ()
    assert not scene.readiness.remarks
