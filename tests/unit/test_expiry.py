"""When certificates end, told while there is time."""

from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs
from tests.support.metrics import figures_of
from tests.unit.certs.cupboard import Cupboard
from tests.unit.certs.test_identity import NAME, identity_of

from kubemacpool.certs.identity import Identity
from kubemacpool.certs.intervals import AS_SHIPPED
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving
from kubemacpool.certs.rotation import Bootstrap
from kubemacpool.expiry import TOLERATED_SKEW, Expiry, corrected
from kubemacpool.follow.readiness import Readiness
from kubemacpool.telemetry.metrics import Metrics

NAMES = ServerNames((NAME,))
DAY = timedelta(days=1)
EXPIRY = "kubemacpool_certificate_expiry_timestamp_seconds"
RENEWAL = "kubemacpool_certificate_renewal_timestamp_seconds"


class Scene:
    """A replica that serves since just now."""

    def __init__(self) -> None:
        self.now = self.began = datetime.now(UTC).replace(microsecond=0)
        self.bootstrap = Bootstrap(Cupboard(), NAMES, time_of_day=lambda: self.now)
        self.readiness = Readiness()
        self.metrics = Metrics()
        self.skew = timedelta()
        self.given_fault = ""
        self.expiry = Expiry(AS_SHIPPED, self.readiness, self.metrics, lambda: self.skew, lambda: self.given_fault)

    async def begin(self) -> Identity:
        """Serve."""
        self.identity = identity_of(await self.bootstrap.ensure_certificates())
        return self.identity

    async def tell(self, trouble: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Tell of it now; gives obstacles and remarks."""
        self.expiry.tell(await self.bootstrap.look(), self.identity, trouble)
        return self.readiness.obstacles, self.readiness.remarks

    def days(self, figure: str, certificate: str) -> float:
        """After how many days of the beginning."""
        shown = figures_of(self.metrics.exposition()[0].decode())[f"{figure}{{certificate={certificate}}}"]
        return (shown - self.began.timestamp()) / DAY.total_seconds()


async def test_the_figures_say_when_both_end_and_when_each_is_followed() -> None:
    scene = Scene()
    await scene.begin()
    assert await scene.tell() == ((), ())
    shown = [scene.days(figure, which) for which in ("authority", "serving") for figure in (EXPIRY, RENEWAL)]
    assert shown == [365, 364, 182.5, 181.5]


async def test_what_cannot_be_renewed_is_remarked_while_it_is_served_and_hinders_when_it_has_ended() -> None:
    scene = Scene()
    await scene.begin()
    end = f"{scene.began + 182.5 * DAY:%Y-%m-%d %H:%M:%S} UTC"
    with capture_logs() as logs:
        obstacles, remarks = await scene.tell("PATCH: 403 Forbidden")
        await scene.tell("PATCH: 403 Forbidden")
    assert obstacles == ()
    assert remarks == (f"certificates cannot be renewed: PATCH: 403 Forbidden; what is served ends on {end}",)
    assert [line["reason"] for line in logs] == list(remarks)
    scene.now += 183 * DAY
    assert await scene.tell("PATCH: 403 Forbidden") == ((f"the certificate that is served expired on {end}",), remarks)
    scene.identity.take_up(await scene.bootstrap.ensure_certificates())
    assert await scene.tell() == ((), ())


async def test_a_given_one_that_nobody_replaces_in_the_last_third_of_its_life_is_remarked() -> None:
    scene = Scene()
    identity = await scene.begin()
    given = issue_serving(issue_authority(scene.began), NAMES, scene.began, 90 * DAY)
    identity.present(given)
    assert await scene.tell() == ((), ())
    assert round(scene.days(EXPIRY, "serving")) == 90
    assert round(scene.days(RENEWAL, "serving")) == 60
    scene.now += 61 * DAY
    end = f"{scene.began + 90 * DAY:%Y-%m-%d %H:%M:%S} UTC"
    sentence = f"the certificate of --tls-cert-file ends on {end} and has not been replaced: "
    assert await scene.tell() == ((), (f"{sentence}the files hold no other one",))
    scene.given_fault = "tls.crt is garbage"
    assert await scene.tell() == ((), (f"{sentence}tls.crt is garbage",))


async def test_a_clock_that_differs_from_the_api_servers_is_remarked() -> None:
    scene = Scene()
    await scene.begin()
    scene.skew = -TOLERATED_SKEW
    assert await scene.tell() == ((), ())
    scene.skew = timedelta(hours=-3)
    (said,) = (await scene.tell())[1]
    assert said.startswith("the clock of this replica differs from the API server's by 3:00:00")


async def test_before_there_is_an_authority_there_is_nothing_to_tell_of_it() -> None:
    scene = Scene()
    await scene.begin()
    scene.bootstrap = Bootstrap(Cupboard(), NAMES)
    await scene.tell()
    shown = figures_of(scene.metrics.exposition()[0].decode())
    assert f"{EXPIRY}{{certificate=authority}}" not in shown
    assert f"{EXPIRY}{{certificate=serving}}" in shown


def test_the_api_servers_clock_counts_where_ours_differs_from_it() -> None:
    assert abs(corrected(TOLERATED_SKEW) - datetime.now(UTC)) < TOLERATED_SKEW / 2
    assert abs(corrected(DAY) - datetime.now(UTC) - DAY) < TOLERATED_SKEW / 2
