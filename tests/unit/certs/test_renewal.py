"""Who writes the Secrets, and when."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.cupboard import Cupboard
from tests.unit.doubles import ManualClock

from kubemacpool.certs.intervals import GRACE_SECONDS, SETTLED_SECONDS, Interval, Intervals
from kubemacpool.certs.issue import ServerNames
from kubemacpool.certs.renewal import SERIES_SECONDS, Renewal
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Bootstrap
from kubemacpool.ports import RefusedError, StoredSecret

NAMES = ServerNames(["kubemacpool-service.kubemacpool-system.svc"])
INTERVALS = Intervals(
    Interval(timedelta(seconds=1000), timedelta(seconds=400)), Interval(timedelta(seconds=950), timedelta(seconds=300))
)
SETTLING = 30.0
"""A tenth of the overlap, and half a minute at most."""


class Forbidding(Cupboard):
    """The API server lets us read only, for as long as `forbidden` says."""

    forbidden = False

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Is refused."""
        if self.forbidden:
            raise RefusedError(f"PATCH {name}: 403 Forbidden")
        return await super().update(name, data, resource_version)


class Scene:
    """One replica, and what it does with the Secrets; both clocks go together."""

    def __init__(self, secrets: Cupboard, *, leads: bool = True) -> None:
        self.secrets = secrets
        self.leads = leads
        self.clock = ManualClock()
        self.began = datetime(2026, 11, 28, tzinfo=UTC) - timedelta(seconds=self.clock.now())
        self.bootstrap = Bootstrap(secrets, NAMES, intervals=INTERVALS, time_of_day=self.time_of_day)
        self.renewal = Renewal(self.bootstrap, self.clock, lambda: self.leads)

    def time_of_day(self) -> datetime:
        """Goes with the clock."""
        return self.began + timedelta(seconds=self.clock.now())

    async def begin(self) -> None:
        """Serve, and forget what was written for that."""
        self.serving = await self.bootstrap.ensure_certificates()
        self.secrets.writes.clear()

    async def look(self, *, trusted: bool = True) -> float | None:
        """Look once; what is in the Secret is known everywhere, unless it is said not to be."""
        stored = await self.bootstrap.look()
        if trusted and stored.verdict.authorities is not None:
            self.renewal.trusted(stored.verdict.authorities.current)
        return await self.renewal.renew(stored, self.serving)


@pytest.fixture
async def scene() -> Scene:
    """A leader that serves."""
    scene = Scene(Forbidding())
    await scene.begin()
    return scene


async def test_until_something_is_due_nothing_is_written_and_the_time_until_then_is_told(scene: Scene) -> None:
    assert await scene.look() == 600
    scene.clock.advance(599)
    assert await scene.look() == 1
    assert scene.secrets.writes == []


async def test_the_leader_has_an_authority_followed_in_time_and_the_certificate_when_it_has_settled(
    scene: Scene,
) -> None:
    scene.clock.advance(600)
    assert await scene.look() is None
    assert scene.secrets.writes == [AUTHORITY_SECRET]
    assert await scene.look() == SETTLING
    scene.clock.advance(SETTLING - 1)
    assert await scene.look() == 1
    scene.clock.advance(1)
    assert await scene.look() is None
    assert scene.secrets.writes == [AUTHORITY_SECRET, SERVING_SECRET]
    assert await scene.look() == 600 - SETTLING


async def test_it_settles_only_while_everybody_knows_it(scene: Scene) -> None:
    scene.clock.advance(600)
    await scene.look()
    for _ in range(10):
        assert await scene.look(trusted=False) == SETTLING
        scene.clock.advance(1)
    await scene.look()
    scene.clock.advance(SETTLING - 1)
    scene.renewal.distrusted()
    assert await scene.look() == SETTLING
    assert scene.secrets.writes == [AUTHORITY_SECRET]


async def test_a_rotation_that_has_begun_is_finished_before_the_next_one(scene: Scene) -> None:
    scene.clock.advance(600)
    await scene.look()
    for _ in range(39):  # nobody trusts it yet
        await scene.look(trusted=False)
        scene.clock.advance(10)
    assert scene.secrets.writes == [AUTHORITY_SECRET]
    scene.clock.advance(10)
    await scene.look(trusted=False)
    assert scene.secrets.writes == [AUTHORITY_SECRET, SERVING_SECRET], "what was served has ended"


async def test_a_certificate_that_is_due_does_not_wait_for_an_authority_that_cannot_be_written(scene: Scene) -> None:
    assert isinstance(scene.secrets, Forbidding)
    scene.clock.advance(650)
    assert await scene.look() is None
    scene.secrets.forbidden = True
    assert await scene.look() is not None
    assert scene.secrets.writes == [SERVING_SECRET]


async def test_where_nobody_trusts_what_is_served_there_is_nothing_to_wait_for(scene: Scene) -> None:
    scene.secrets.stored.clear()
    stored = await scene.bootstrap.look()
    await scene.bootstrap.issue_authority(stored)
    assert await scene.look(trusted=False) is None
    assert scene.secrets.writes == [AUTHORITY_SECRET, SERVING_SECRET]


async def test_what_is_missing_beside_a_new_authority_is_issued_soon(scene: Scene) -> None:
    scene.secrets.stored.clear()
    assert await scene.look() is None
    assert await scene.look() == SETTLED_SECONDS


async def test_a_follower_leaves_it_to_the_leader_for_a_while_and_then_does_all_of_it() -> None:
    scene = Scene(Cupboard(), leads=False)
    await scene.begin()
    scene.clock.advance(600)
    assert await scene.look() == GRACE_SECONDS
    scene.clock.advance(GRACE_SECONDS - 1)
    assert await scene.look() == 1
    scene.clock.advance(1)
    assert await scene.look() is None
    assert await scene.look() == SETTLING
    scene.clock.advance(SETTLING)
    assert await scene.look() is None
    scene.secrets.stored.pop(SERVING_SECRET)
    assert await scene.look() is None, "it has written something just now"
    scene.clock.advance(SERIES_SECONDS)
    scene.secrets.stored.pop(SERVING_SECRET)
    assert await scene.look() == GRACE_SECONDS


async def test_a_follower_begins_to_wait_anew_with_each_fault() -> None:
    scene = Scene(Cupboard(), leads=False)
    await scene.begin()
    for number in range(20):
        content = {"tls.crt": b"garbage"} if number % 2 else {}
        scene.secrets.stored[SERVING_SECRET] = StoredSecret(content or {"ca.crt": b""}, str(number))
        scene.clock.advance(GRACE_SECONDS / 2)
        await scene.look()
        scene.secrets.stored.pop(AUTHORITY_SECRET, None) if number % 3 == 2 else None
    assert len(scene.secrets.writes) < 20


async def test_what_cannot_be_renewed_is_said_once_and_tried_again(scene: Scene) -> None:
    assert isinstance(scene.secrets, Forbidding)
    scene.secrets.forbidden = True
    scene.clock.advance(600)
    with capture_logs() as logs:
        for _ in range(8):
            wait = await scene.look()
            assert wait is not None
            assert 0 < wait <= 10
            scene.clock.advance(wait)
    assert scene.renewal.trouble == "PATCH kubemacpool-ca: 403 Forbidden"
    assert [(line["event"], line["secret"]) for line in logs] == [
        ("a certificate cannot be renewed, trying again", AUTHORITY_SECRET)
    ]
    scene.secrets.forbidden = False
    scene.clock.advance(10)
    assert await scene.look() is None
    scene.clock.advance(SETTLING)
    await scene.look()
    scene.clock.advance(SETTLING)
    await scene.look()
    await scene.look()
    assert scene.renewal.trouble == ""
