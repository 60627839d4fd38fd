"""The benchmark works, leaves nothing behind, and does not count what it should not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from bench.errors import BenchError
from bench.loading import Volume, send
from bench.results import LEASE_WRITE, Results, Sample, Series, find, quietest, ratio
from tests.support.processes import left_behind

from bench import programs, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.nightly

REPOSITORY = Path(__file__).resolve().parents[2]
SMALLEST = ("--seconds=0.2", "--pods=8", "--rounds=1", "--repeats=0", "--settle=0.1")


def command(work: Path, *options: str) -> list[str]:
    """The command line of a very small benchmark."""
    where = (f"--work={work}", f"--json={work / 'bench.json'}")
    return [sys.executable, str(REPOSITORY / "bench" / "run.py"), *SMALLEST, *where, *options]


def run(work: Path, *options: str) -> Results:
    """Run a very small benchmark and return what it wrote."""
    answer = subprocess.run(command(work, *options), capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return msgspec.json.decode((work / "bench.json").read_bytes(), type=Results)


def sample(*, per_second: float = 1.0, others: float = 0.0) -> Sample:
    """A measurement of which only this matters."""
    return Sample(requests=1, per_second=per_second, p50_ms=1, p99_ms=1, cpu_ms={}, others=others)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A directory of the benchmark's own; no program that uses it is left when the test ends."""
    yield tmp_path
    assert left_behind(tmp_path) == []


def test_the_webhook_alone_is_measured_beside_the_floor(work: Path) -> None:
    results = run(work, "--only=webhook")
    assert results.cluster is None
    assert results.webhook is not None
    assert [(each.name, each.clients) for each in results.webhook.series] == [
        (name, clients) for name in ("floor", "ours") for clients in (1, 16)
    ]
    assert all(each.samples[0].requests > 0 and each.samples[0].p50_ms > 0 for each in results.webhook.series)
    assert {(each.name, each.clients) for each in results.webhook.ratios} == {("ours / floor", 1), ("ours / floor", 16)}
    assert 6500 < results.webhook.review_bytes < 7500
    assert results.runs["webhook"].machine.cores > 0


@pytest.fixture
def other(work: Path) -> Iterator[tuple[str, ...]]:
    """The options for another webhook, which is the floor once more."""
    built = programs.built(work / "bin", print)
    with webhook.floor(built, work) as server:
        yield f"--beside=other=https://{server.target.address}/mutate-pods", f"--ca={server.target.ca}"


def test_another_webhook_and_another_checkout_are_measured_beside_ours(work: Path, other: tuple[str, ...]) -> None:
    """The checkout is this one."""
    results = run(work, "--only=webhook", f"--against={REPOSITORY}", *other)
    assert results.webhook is not None
    names = ("floor", "ours", "against", "other")
    assert [(each.name, each.clients) for each in results.webhook.series] == [
        (name, clients) for name in names for clients in (1, 16)
    ]
    assert all(each.samples[0].cpu_ms["webhook"] > 0 for each in results.webhook.series)
    compared = {each.name for each in results.webhook.ratios}
    assert compared == {"ours / floor", "against / floor", "other / floor", "ours / against", "ours / other"}
    assert set(results.runs["webhook"].rivals) == {"against", "other"}


def test_what_a_pod_costs_leader_and_followers_is_told_apart(work: Path, other: tuple[str, ...]) -> None:
    results = run(work, "--only=nodes", f"--against={REPOSITORY}", *other)
    assert results.nodes is not None
    names = [f"{name}, {kind}" for name in ("none", "ours", "other", "against") for kind in ("plain", "networks")]
    assert [each.name for each in results.nodes.series] == names
    daemons = {"apiserver", "etcd", "controllers", "scheduler", "kwok"}
    webhooks = {"none": set(), "other": {"webhook"}}
    for each in results.nodes.series:
        of_its_own = webhooks.get(each.name.partition(",")[0], {"leader", "followers"})
        assert set(each.passages[0].cpu_ms) == daemons | of_its_own
        assert each.passages[0].pods == 8
    assert [each.name for each in results.nodes.idle] == ["none", "ours", "other", "against"]


def test_pod_creates_are_measured_with_every_webhook_and_with_none(work: Path) -> None:
    results = run(work, "--only=cluster")
    assert results.webhook is None
    assert results.cluster is not None
    three = ("three: leader", "three: follower", "three: spread", "three: explicit")
    expected = dict.fromkeys(("none", "floor", "patch", "ours", *three, "none, plain", "ours, plain"), 8)
    assert {each.name: each.samples[0].requests for each in results.cluster.series if each.clients > 1} == expected
    for each in results.cluster.series:
        webhook = set() if each.name.startswith("none") else {"webhook"}
        followers = {"followers"} if each.name in three else set()
        assert set(each.samples[0].cpu_ms) == {"apiserver", "etcd"} | webhook | followers
    compared = {each.name for each in results.cluster.ratios}
    assert {"ours, plain / none, plain", "three: follower / three: leader"} <= compared
    explicit = find(results.cluster.series, "three: explicit", 1).samples[0]
    assert explicit.writes is not None
    # Each of its pods waits for a write of its own; there are no others to share one with.
    assert explicit.writes.counts[LEASE_WRITE] >= explicit.requests
    assert [LEASE_WRITE in each.counts for each in results.cluster.idle] == [True]
    written = [sample.writes for each in results.cluster.series for sample in each.samples]
    assert all(each is not None and "POST pods" not in each.counts for each in written)


def test_creates_go_on_while_replicas_go(work: Path) -> None:
    results = run(work, "--only=takeover")
    assert results.takeover is not None
    gaps = {each.name: each.gaps[0] for each in results.takeover.disturbances}
    assert list(gaps) == ["nothing", "kill -9 of the leader", "SIGTERM to each in turn"]
    assert all(gap.creates > sum(gap.failed.values()) for gap in gaps.values())
    assert gaps["nothing"].failed == {}
    assert gaps["nothing"].known_ms == 0
    # Nobody can know of a kill before the Lease has expired; a hand-over is told.
    assert gaps["kill -9 of the leader"].longest_gap_ms > gaps["SIGTERM to each in turn"].longest_gap_ms


def test_a_restart_of_all_virtual_machines_costs_no_write_and_moves_no_address(work: Path) -> None:
    results = run(work, "--only=machines", "--vms=100")
    machines = results.machines
    assert machines is not None
    held = {each.name: [start.held for start in each.starts] for each in machines.populations}
    assert held == {"nothing": [0], "stopped virtual machines": [200], "running virtual machines": [200]}
    assert all(start.memory_mib > 0 for each in machines.populations for start in each.starts)
    assert set(machines.sizes) == {"virtualmachines", "virtualmachineinstances", "pods"}
    storm = machines.storm
    assert (storm.moved, storm.held) == (0, 200)
    assert storm.beyond == 0, storm.writes
    # The API server renews its own Lease (PUT). Nobody wrote anything else.
    assert set(storm.writes.counts) <= {LEASE_WRITE, "PUT leases"}


def test_an_interrupted_benchmark_says_nothing_more_and_ends_what_it_started(work: Path) -> None:
    with subprocess.Popen(
        command(work, "--only=cluster", "--rounds=50"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "round 1" in line:
                break
        assert len(left_behind(work)) > 2
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
        assert "Traceback" not in process.stderr.read()


def test_a_benchmark_that_is_killed_takes_its_programs_with_it(work: Path) -> None:
    with subprocess.Popen(command(work, "--only=webhook", "--rounds=50"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "round 1" in line:
                break
        process.kill()
    until = time.monotonic() + 10
    while left_behind(work) and time.monotonic() < until:
        time.sleep(0.05)


def test_an_answer_without_what_it_must_contain_fails_the_measurement(work: Path) -> None:
    built = programs.built(work / "bin", print)
    review = work / "review.json"
    review.write_bytes(webhook.REVIEW.read_bytes())
    with webhook.floor(built, work) as server:
        target = msgspec.structs.replace(server.target, text=webhook.PATCHED)
        with pytest.raises(BenchError, match=r"unexpected response: HTTP/1\.1 200 OK .*allowed"):
            send(built.load, target, review, Volume(connections=1, seconds=5, requests=1))


def test_of_disturbed_measurements_the_quietest_counts() -> None:
    attempts = iter([sample(others=0.5), sample(others=0.2), sample(others=0.3), sample(others=0.0)])
    assert quietest(lambda: next(attempts), repeats=2).others == 0.2
    assert len(list(attempts)) == 1


def test_an_undisturbed_measurement_is_not_repeated() -> None:
    attempts = iter([sample(others=0.01), sample(others=0.0)])
    assert quietest(lambda: next(attempts), repeats=2).others == 0.01


def test_rates_are_compared_round_by_round() -> None:
    """A machine that halves its speed in the second round changes no ratio."""
    ours = Series("ours", 16, [sample(per_second=90), sample(per_second=45)])
    none = Series("none", 16, [sample(per_second=100), sample(per_second=50)])
    compared = ratio("ours / none", ours, none)
    assert (compared.median, compared.lowest, compared.highest) == (0.9, 0.9, 0.9)
