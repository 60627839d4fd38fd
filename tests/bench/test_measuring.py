"""What is counted, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench.children import memory_mib, running
from bench.clients import Create, gap, reason
from bench.cluster import check_asked
from bench.errors import BenchError
from bench.installing import Route
from bench.machines import of_others, renewals_at_most
from bench.manifest import documents
from bench.ours import shared_out, targets
from bench.release import of_pods
from bench.results import LEASE_WRITE, Storm, Writes
from bench.writes import requested

from kubemacpool.election.timing import RENEWAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS = (
    'code="200",component="apiserver",dry_run="{dry}",group="",resource="{what}",scope="resource",'
    'subresource="{sub}",verb="{verb}",version="v1"'
)


def line(verb: str, what: str, count: str, *, sub: str = "", dry: str = "") -> str:
    """One series of the API server's request counter."""
    return f"apiserver_request_total{{{LABELS.format(verb=verb, what=what, sub=sub, dry=dry)}}} {count}"


def test_requests_that_write_are_counted_by_verb_and_resource() -> None:
    exposition = "\n".join(
        (
            "# TYPE apiserver_request_total counter",
            line("PATCH", "leases", "3"),
            line("PATCH", "leases", "1.2e+01"),
            line("POST", "serviceaccounts", "2", sub="token"),
            line("POST", "pods", "4"),
        )
    )
    assert requested(exposition) == {"PATCH leases": 15, "POST serviceaccounts/token": 2, "POST pods": 4}


def test_reads_and_dry_runs_are_no_writes() -> None:
    exposition = "\n".join(
        (
            line("GET", "pods", "7"),
            line("WATCH", "leases", "7"),
            line("LIST", "pods", "7"),
            line("POST", "pods", "7", dry="All"),
        )
    )
    assert requested(exposition) == {}


@pytest.mark.parametrize(
    ("asked", "shares", "pods"),
    [
        pytest.param((100, 0, 0), (1.0, 0.0, 0.0), 100, id="all of one"),
        pytest.param((33, 33, 34), (1 / 3, 1 / 3, 1 / 3), 100, id="each a third"),
        pytest.param((0, 0, 0), (1 / 3, 1 / 3, 1 / 3), 0, id="nobody, about plain pods"),
    ],
)
def test_replicas_that_were_asked_their_share_pass(asked: Sequence[int], shares: Sequence[float], pods: int) -> None:
    check_asked("three", asked, shares, pods)


@pytest.mark.parametrize(
    ("asked", "shares", "pods"),
    [
        pytest.param((99, 1, 0), (1.0, 0.0, 0.0), 100, id="one by another"),
        pytest.param((99, 0, 0), (1.0, 0.0, 0.0), 100, id="one by nobody"),
        pytest.param((35, 32, 33), (1 / 3, 1 / 3, 1 / 3), 100, id="not evenly"),
        pytest.param((0, 0, 1), (1 / 3, 1 / 3, 1 / 3), 0, id="a plain pod"),
    ],
)
def test_a_measurement_does_not_count_when_others_were_asked(
    asked: Sequence[int], shares: Sequence[float], pods: int
) -> None:
    with pytest.raises(BenchError, match="what was measured does not count"):
        check_asked("three", asked, shares, pods)


def test_several_webhooks_share_the_pods_on_the_conditions_of_the_one() -> None:
    (configuration,) = [each for each in documents() if each["kind"] == "MutatingWebhookConfiguration"]
    webhooks = shared_out(of_pods(configuration), 3)["webhooks"]
    assert isinstance(webhooks, list)
    assert len({each["name"] for each in webhooks}) == 3
    conditions = [each["matchConditions"] for each in webhooks]
    assert {each[1]["name"] for each in conditions} == {"has-network-selection-annotation"}
    assert [each[-1]["expression"].rpartition("%")[2] for each in conditions] == [" 3 == 0", " 3 == 1", " 3 == 2"]


@pytest.mark.parametrize("leader", range(3))
def test_a_route_leads_to_the_leader_or_to_one_that_is_not_or_to_all(leader: int) -> None:
    assert targets(Route.LEADER, 3, leader) == [leader] * 3
    (follower,) = set(targets(Route.FOLLOWER, 3, leader))
    assert follower in {0, 1, 2} - {leader}
    assert sorted(targets(Route.SPREAD, 3, leader)) == [0, 1, 2]


def test_one_replica_has_the_webhook_as_it_is_shipped() -> None:
    (configuration,) = [each for each in documents() if each["kind"] == "MutatingWebhookConfiguration"]
    assert shared_out(configuration, 1) == configuration


def test_a_gap_lies_between_creates_that_succeeded() -> None:
    creates = [
        Create(began=0.0, ended=1.0, fault=""),
        Create(began=1.0, ended=2.0, fault="refused"),
        Create(began=0.5, ended=1.25, fault=""),
        Create(began=2.0, ended=5.0, fault=""),
        Create(began=2.0, ended=2.5, fault="refused"),
    ]
    seen = gap(creates, known_ms=7.0)
    assert seen.longest_gap_ms == 3750
    assert seen.longest_create_ms == 3000
    assert (seen.creates, seen.failed, seen.known_ms) == (5, {"refused": 2}, 7.0)


def test_the_same_failure_reads_the_same_every_time() -> None:
    told = (
        'Internal error occurred: failed calling webhook \\"x\\": failed to call webhook: Post \\"https://s/\\": '
        "read tcp 127.0.0.1:{port}->127.96.0.1:443: connection reset by peer"
    )
    first, second = (f'{{"message": "{told.format(port=port)}"}}'.encode() for port in (40000, 40001))
    assert reason(first) == reason(second)
    assert reason(first) == 'Post "https://s/": read tcp 127.0.0.1->127.96.0.1:443: connection reset by peer'


def test_an_answer_that_is_no_status_is_told_as_it_is() -> None:
    assert reason(b"upstream failed") == "upstream failed"


def storm(writes: int, *, renewals: int) -> Storm:
    """A storm with so many writes of the Lease."""
    counts = {LEASE_WRITE: writes} if writes else {}
    return Storm(Writes(1.0, counts), renewals, 0, 0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(("writes", "beyond"), [(0, 0), (3, 0), (4, 1), (40, 37)])
def test_writes_that_an_idle_leader_makes_as_well_are_no_cost(writes: int, beyond: int) -> None:
    assert storm(writes, renewals=3).beyond == beyond


def test_a_leader_renews_at_both_ends_of_a_time_and_once_more_while_it_is_asked() -> None:
    assert renewals_at_most(0.1) == 2
    assert renewals_at_most(3 * RENEWAL_SECONDS + 0.1) == 5


def test_what_the_stand_in_for_virt_controller_writes_is_not_counted_as_ours() -> None:
    counts = {"POST pods": 100, "DELETECOLLECTION virtualmachineinstances": 1, LEASE_WRITE: 2, "POST events": 1}
    assert of_others(Writes(1.0, counts)).counts == {LEASE_WRITE: 2, "POST events": 1}


def test_memory_is_that_of_the_process(tmp_path: Path) -> None:
    with running("sleep", ["sleep", "60"], tmp_path / "log") as child:
        now, most = memory_mib(child.pid)
    assert 0 < now <= most < 100
