import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from tests.unit.certs.cupboard import Cupboard

from kubemacpool.certs.authority import Authorities
from kubemacpool.certs.issue import ServerNames
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Bootstrap
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError, RefusedError, StoredSecret

NAMES = ServerNames(["kubemacpool-service.kubemacpool-system.svc"])


class Contested(Cupboard):
    """Before each of the first writes, another replica writes the same Secret."""

    def __init__(self, others: Cupboard, races: int) -> None:
        super().__init__()
        self.stored = others.stored
        self.races = races
        self._others = others

    async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        """Comes too late."""
        if self.races:
            self.races -= 1
            await Bootstrap(self._others, NAMES).ensure_certificates()
        return await super().create(name, data)


class Overtaken(Cupboard):
    """Just before the next update, somebody does something else."""

    def __init__(self) -> None:
        super().__init__()
        self.before_update: Callable[[], Awaitable[object]] | None = None
        self.lost: list[str] = []
        """The updates that came too late."""

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Comes too late."""
        before, self.before_update = self.before_update, None
        if before is not None:
            await before()
        try:
            return await super().update(name, data, resource_version)
        except (ConflictError, NotFoundError):
            self.lost.append(name)
            raise


async def test_where_nothing_is_there_everything_is_issued() -> None:
    secrets = Cupboard()
    credentials = await Bootstrap(secrets, NAMES).ensure_certificates()
    assert secrets.writes == [AUTHORITY_SECRET, SERVING_SECRET]
    assert secrets.stored[AUTHORITY_SECRET].data.keys() == {"tls.crt", "tls.key", "previous.crt"}
    assert secrets.stored[SERVING_SECRET].data.keys() == {"tls.crt", "tls.key", "ca.crt"}
    assert secrets.stored[SERVING_SECRET].data["tls.crt"] == credentials.serving.certificate_pem
    assert credentials.authorities == Authorities(secrets.stored[SERVING_SECRET].data["ca.crt"])
    assert credentials.under == credentials.authorities.current


async def test_what_is_there_and_good_is_used_without_a_write() -> None:
    secrets = Cupboard()
    first = await Bootstrap(secrets, NAMES).ensure_certificates()
    again = await Bootstrap(secrets, NAMES).ensure_certificates()
    assert again == first
    assert len(secrets.writes) == 2


async def test_whoever_comes_second_uses_what_the_first_has_written() -> None:
    others = Cupboard()
    secrets = Contested(others, races=1)
    credentials = await Bootstrap(secrets, NAMES).ensure_certificates()
    assert credentials.serving.certificate_pem == others.stored[SERVING_SECRET].data["tls.crt"]
    assert secrets.writes == []


async def test_of_two_that_issue_for_a_changed_authority_the_second_uses_what_the_first_has_written() -> None:
    others = Overtaken()
    await Bootstrap(others, NAMES).ensure_certificates()
    del others.stored[AUTHORITY_SECRET]
    await Bootstrap(others, NAMES).ensure_certificates()
    first = others.stored[SERVING_SECRET]
    authority = others.stored[AUTHORITY_SECRET]
    others.stored[SERVING_SECRET] = StoredSecret({**first.data, "ca.crt": b"an earlier one"}, "earlier")
    rival = Bootstrap(Cupboard.over(others), NAMES)
    others.before_update = rival.ensure_certificates
    credentials = await Bootstrap(others, NAMES).ensure_certificates()
    assert credentials.authorities.current == authority.data["tls.crt"]
    assert credentials.serving.certificate_pem == others.stored[SERVING_SECRET].data["tls.crt"]
    assert others.lost == [SERVING_SECRET], "a conflict, and no second certificate"
    assert await rival.ensure_certificates() == credentials


async def test_a_secret_that_is_deleted_just_before_its_update_is_made_anew() -> None:
    secrets = Overtaken()
    await Bootstrap(secrets, NAMES).ensure_certificates()
    content = secrets.stored[SERVING_SECRET]
    secrets.stored[SERVING_SECRET] = StoredSecret({**content.data, "tls.crt": b"garbage"}, content.resource_version)

    async def delete() -> None:
        del secrets.stored[SERVING_SECRET]

    secrets.before_update = delete
    credentials = await Bootstrap(secrets, NAMES).ensure_certificates()
    assert secrets.lost == [SERVING_SECRET]
    assert secrets.stored[SERVING_SECRET].data["tls.crt"] == credentials.serving.certificate_pem
    assert secrets.stored[SERVING_SECRET].data["ca.crt"] == credentials.authorities.current


@pytest.mark.parametrize(
    ("broken", "writes"),
    [(AUTHORITY_SECRET, [AUTHORITY_SECRET, SERVING_SECRET]), (SERVING_SECRET, [SERVING_SECRET])],
)
async def test_a_broken_secret_heals_with_a_warning_that_holds_no_key(broken: str, writes: list[str]) -> None:
    secrets = Cupboard()
    await Bootstrap(secrets, NAMES).ensure_certificates()
    content = secrets.stored[broken]
    key = content.data["tls.key"].decode()
    garbled = {**content.data, "tls.crt": b"garbage", "mine": b"x"}
    secrets.stored[broken] = StoredSecret(garbled, content.resource_version)
    secrets.writes = ["", ""]
    with capture_logs() as logs:
        await Bootstrap(secrets, NAMES).ensure_certificates()
    assert secrets.writes[2:] == writes
    assert secrets.stored[broken].data["mine"] == b"x"
    assert logs[0] == {
        "event": "a certificate was issued anew",
        "log_level": "warning",
        "secret": broken,
        "reason": "tls.crt holds no certificate that can be read",
    }
    assert key.splitlines()[1] not in str(logs)


async def test_what_somebody_has_spoilt_is_left_for_a_while_to_those_who_serve() -> None:
    secrets = Cupboard()
    serving = Bootstrap(secrets, NAMES)
    before = await serving.ensure_certificates(60)
    secrets.stored[AUTHORITY_SECRET] = StoredSecret({"tls.crt": b"garbage"}, "spoilt")
    starting = asyncio.create_task(Bootstrap(secrets, NAMES).ensure_certificates(0.1))
    await asyncio.sleep(0)
    await serving.issue_authority(await serving.look(), before.under)
    after = await starting
    assert after.authorities.former == (before.under,)
    assert after.serving == before.serving
    secrets.stored[AUTHORITY_SECRET] = StoredSecret({"tls.crt": b"garbage"}, "spoilt")
    assert (await Bootstrap(secrets, NAMES).ensure_certificates(0.001)).under != before.under, "nobody else does"


async def test_what_is_merely_old_is_given_as_it_is() -> None:
    secrets = Cupboard()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    bootstrap = Bootstrap(secrets, NAMES, time_of_day=lambda: now)
    first = await bootstrap.ensure_certificates()
    now += timedelta(days=182)
    assert await bootstrap.ensure_certificates() == first
    now += timedelta(days=1)
    assert (await bootstrap.ensure_certificates()).authorities == first.authorities
    assert secrets.writes[2:] == [SERVING_SECRET]


async def test_an_authority_that_is_succeeded_by_another_stays_trusted_until_it_expires() -> None:
    secrets = Cupboard()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    bootstrap = Bootstrap(secrets, NAMES, time_of_day=lambda: now)
    first = (await bootstrap.ensure_certificates()).authorities
    now += timedelta(days=364)
    with capture_logs() as logs:
        await bootstrap.issue_authority(await bootstrap.look())
    assert [(line["log_level"], line["reason"]) for line in logs] == [("info", "expires on 2027-01-01 00:00:00 UTC")]
    second = (await bootstrap.ensure_certificates()).authorities
    assert second.trusted == (second.current, first.current)
    now += timedelta(days=1, minutes=1)
    assert (await bootstrap.ensure_certificates()).authorities == Authorities(second.current, (), (first.current,))


async def test_the_authority_that_this_replica_serves_under_stays_trusted_when_its_secret_is_lost() -> None:
    secrets = Cupboard()
    bootstrap = Bootstrap(secrets, NAMES)
    first = (await bootstrap.ensure_certificates()).authorities
    secrets.stored.clear()
    await bootstrap.issue_authority(await bootstrap.look(), first.current)
    second = (await bootstrap.ensure_certificates()).authorities
    assert second.trusted == (second.current, first.current)


async def test_what_cert_manager_keeps_is_not_written_and_the_refusal_says_what_to_do() -> None:
    secrets = Cupboard()
    secrets.stored[SERVING_SECRET] = StoredSecret({}, "7", "webhook")
    with pytest.raises(RefusedError) as refused:
        await Bootstrap(secrets, NAMES).ensure_certificates()
    assert str(refused.value) == (
        "Secret kubemacpool-service is what cert-manager keeps for Certificate webhook, so it is not written (tls.crt "
        "holds no certificate that can be read); give that Certificate another secretName, and name its files with "
        "--tls-cert-file"
    )
    assert secrets.writes == [AUTHORITY_SECRET]


async def test_without_an_authority_there_is_nobody_to_sign() -> None:
    bootstrap = Bootstrap(Cupboard(), NAMES)
    with pytest.raises(ValueError, match="no authority"):
        await bootstrap.issue_serving(await bootstrap.look())


async def test_somebody_who_undoes_everything_is_given_way_to_with_an_error() -> None:
    class Vandal(Cupboard):
        async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
            raise ConflictError(f"{name} {len(data)}")

    with pytest.raises(ConflictError, match="are changed by somebody else all the time"):
        await Bootstrap(Vandal(), NAMES).ensure_certificates()


async def test_an_api_server_that_does_not_answer_is_the_callers_to_wait_for() -> None:
    class Away(Cupboard):
        async def read(self, name: str) -> StoredSecret:
            raise ClusterUnavailableError(name)

    with pytest.raises(ClusterUnavailableError):
        await Bootstrap(Away(), NAMES).ensure_certificates()


def test_the_content_of_a_secret_is_not_part_of_its_text_form() -> None:
    assert "key" not in repr(StoredSecret({"tls.key": b"key"}, "1"))
