"""A failed create is excused by what was seen of a process that was killed or paused, once, and by nothing else."""

from __future__ import annotations

import pytest
from chaos.causes import Attribution, Cause, Failure, Loss, Outage, Window
from chaos.doubt import Doubt

STRUCK, WELL = 22070, 22072
FAILED = 'failed calling webhook "mutatepods.kubemacpool.io": failed to call webhook: Post "https://x": '
ADDRESS = "02:00:00:00:0a:01"


def failure(*, sent: float = 9.9, answered: float = 10.1, how: str = "EOF", explicit: str = "") -> Failure:
    """A create that failed at ten o'clock."""
    return Failure("Pod chaos/a", sent, answered, 500, FAILED + how, explicit)


def loss(*, port: int = STRUCK, opened: float = 5.0, asked: float | None = 9.95, ended: float = 10.0) -> Loss:
    """A connection that broke at ten o'clock."""
    return Loss(port, 40_000, opened, ended, asked)


def attribution(
    *losses: Loss,
    downtimes: tuple[Window, ...] = (),
    delays: tuple[Window, ...] = (),
    doubt: Doubt | None = None,
) -> Attribution:
    """What is known when one replica was killed at ten o'clock and back at twelve."""
    made = Attribution([Outage(STRUCK, 10.0, 12.0)], downtimes, delays, doubt or Doubt(24.0))
    made.learn(losses)
    return made


def test_a_create_whose_connection_to_the_killed_process_broke_failed_inside_it() -> None:
    verdict = attribution(loss()).judge(failure())
    assert (verdict.cause, verdict.since) == (Cause.INSIDE, 10.0)


def test_a_connection_opened_after_the_death_was_sent_to_a_dead_endpoint() -> None:
    refused = loss(opened=10.5, asked=None, ended=10.5)
    assert attribution(refused).judge(failure(sent=10.4, answered=10.6)).cause is Cause.DEAD


def test_one_connection_excuses_one_create() -> None:
    judging = attribution(loss())
    assert [judging.judge(failure()).cause for _ in range(2)] == [Cause.INSIDE, Cause.OTHER]


@pytest.mark.parametrize(
    "unrelated",
    [
        pytest.param(loss(port=WELL), id="to a replica that was well"),
        pytest.param(loss(asked=6.0, ended=6.1), id="before it was killed"),
        pytest.param(loss(opened=14.0, asked=14.0, ended=14.1), id="after it was back"),
        pytest.param(loss(asked=11.0, ended=11.1), id="while another create was under way"),
    ],
)
def test_no_other_connection_excuses_a_create(unrelated: Loss) -> None:
    assert attribution(unrelated).judge(failure()).cause is Cause.OTHER


def test_a_create_that_a_paused_process_kept_until_the_time_out_failed_inside_it() -> None:
    kept = loss(asked=10.5, ended=20.5)
    assert attribution(kept).judge(failure(sent=10.4, answered=20.5, how="context deadline exceeded")).cause is (
        Cause.INSIDE
    )


def test_the_connection_that_the_api_server_names_is_the_one() -> None:
    named = Loss(STRUCK, 50_123, 10.2, 10.3, 10.2)
    judging = attribution(loss(asked=None), named)
    reset = failure(answered=10.4, how="read tcp 127.0.0.1:50123->127.97.0.9:443: read: connection reset by peer")
    assert judging.judge(reset).cause is Cause.DEAD
    assert judging.judge(failure()).cause is Cause.INSIDE


def test_a_refusal_of_our_own_is_excused_by_no_connection() -> None:
    denied = Failure("Pod chaos/a", 9.9, 10.1, 403, "admission webhook denied the request: the pool is exhausted", "")
    assert attribution(loss()).judge(denied).cause is Cause.OTHER


def test_while_the_api_server_is_down_it_is_the_cause() -> None:
    down = attribution(downtimes=(Window(30.0, 35.0),))
    refused = Failure("Pod chaos/a", 31.0, 31.0, 0, "Cannot connect to host", "")
    assert down.judge(refused).cause is Cause.API_SERVER
    later = Failure("Pod chaos/a", 36.0, 36.1, 0, "Cannot connect to host", "")
    assert down.judge(later).cause is Cause.OTHER


def test_only_an_in_doubt_address_excuses_being_asked_to_come_again() -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "first", "", 0.0)
    doubt.learn(2, "second", ADDRESS, 15.0)
    judging = attribution(doubt=doubt)

    def held_up(explicit: str, sent: float = 16.0) -> Failure:
        return failure(sent=sent, answered=sent + 10, how="context deadline exceeded", explicit=explicit)

    verdict = judging.judge(held_up(ADDRESS))
    assert (verdict.cause, verdict.since) == (Cause.IN_DOUBT, 15.0)
    assert judging.judge(held_up("02:00:00:00:0a:02")).cause is Cause.OTHER
    assert judging.judge(held_up("")).cause is Cause.OTHER
    assert judging.judge(held_up(ADDRESS, sent=40.0)).cause is Cause.OTHER
    assert judging.judge(failure(sent=16.0, answered=16.1, explicit=ADDRESS)).cause is Cause.OTHER


@pytest.mark.parametrize(
    ("pod", "holder", "begun", "cause"),
    [
        pytest.param("virt-launcher-vm-3-*", "vm-3", 9.0, Cause.LATE, id="its own machine, meanwhile"),
        pytest.param("virt-launcher-vm-3-*", "vm-2", 9.0, Cause.OTHER, id="another machine"),
        pytest.param("pod-1", "vm-3", 9.0, Cause.OTHER, id="no launcher pod"),
        pytest.param("virt-launcher-vm-3-*", "vm-3", 11.0, Cause.OTHER, id="not yet"),
    ],
)
def test_a_launcher_pod_refused_its_own_machines_address_is_excused_while_the_leaders_watch_was_held_up(
    pod: str, holder: str, begun: float, cause: Cause
) -> None:
    message = f"mac {ADDRESS} is in use by VirtualMachine machines/{holder}; choose another address"
    failed = Failure(f"Pod machines/{pod}", 9.9, 10.1, 403, message, "")
    assert attribution(delays=(Window(begun, 20.0),)).judge(failed).cause is cause


def test_a_connection_that_fits_two_creates_is_left_to_the_one_that_no_other_fits() -> None:
    early, late = loss(asked=10.0, ended=10.5), loss(asked=10.9, ended=11.0)
    judging = attribution(late, early)
    first, second = failure(sent=9.9, answered=11.1), failure(sent=10.8, answered=11.2)
    assert [judging.judge(each).cause for each in (first, second)] == [Cause.INSIDE, Cause.INSIDE]


@pytest.mark.parametrize(("explicit", "cause"), [(ADDRESS, Cause.IN_DOUBT), ("", Cause.OTHER)])
def test_who_asks_for_an_address_while_addresses_in_doubt_crowd_the_lease_is_excused(
    explicit: str, cause: Cause
) -> None:
    doubt = Doubt(24.0)
    doubt.learn(1, "a", "", 0.0)
    doubt.learn(2, "b", "0e:00:00:00:00:00-0e:00:00:00:20:00", 9.0)
    message = "kubemacpool cannot decide yet: 7578 addresses are on their way to the cluster, and this object needs 2"
    failed = Failure("Pod chaos/a", 9.9, 10.1, 503, message, explicit)
    assert attribution(doubt=doubt).judge(failed).cause is cause
