"""The release manifest on real nodes: confined as it says, probed and reached; interfaces have what it gives."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.nodes.namespaces import given, reported

from devcluster.deployment import NAMESPACE

if TYPE_CHECKING:
    from tests.nodes.namespaces import Real

NEVER = "9"
"""Later than any time of the API."""


def test_the_replicas_run_on_nodes_of_their_own_and_no_probe_has_failed_without_need(real: Real) -> None:
    real.settled()

    assert len({replica.node for replica in real.replicas()}) == 2
    assert [replica.restarts for replica in real.replicas()] == [0, 0]


def test_a_replica_has_no_privileges_and_cannot_write_to_its_root(real: Real) -> None:
    for replica in real.replicas():
        node, pid = real.process(replica)
        status = dict(
            line.split(":\t", 1) for line in node.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line
        )
        assert set(status["Uid"].split()) == {"65532"}
        assert set(status["Gid"].split()) == {"65532"}
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2", "no filter of system calls"
        mounts = [line.split() for line in node.run("cat", f"/proc/{pid}/mountinfo").splitlines()]
        (root,) = [mount for mount in mounts if mount[4] == "/"]
        assert "ro" in root[5].split(",")


def test_the_namespace_takes_no_pod_with_more_rights_than_ours(real: Real) -> None:
    refused = real.plane.kubectl(
        *("run", "greedy", "-n", NAMESPACE, "--image=registry.k8s.io/pause:3.10", "--privileged"), check=False
    )
    assert "violates PodSecurity" in refused.stderr


@pytest.mark.parametrize(
    ("network", "plugin"),
    [
        ("bridged", {"type": "bridge", "bridge": "br1"}),
        ("stacked", {"type": "macvlan", "master": "eth0", "mode": "bridge"}),
    ],
)
def test_the_interface_in_the_pod_has_the_address_that_was_given(
    real: Real, network: str, plugin: dict[str, object]
) -> None:
    real.network(network, **plugin)
    pod = real.run_pod(f"on-{network}", f'[{{"name":"{network}"}}]')
    (mac,) = given(pod)

    assert mac.startswith("02:00:00")
    assert real.kubectl("exec", f"on-{network}", "--", "cat", "/sys/class/net/net1/address").strip() == mac
    assert reported(pod, "net1")["mac"] == mac
    described = real.kubectl("describe", "pod", f"on-{network}")
    assert described.count(mac) == 2, "in the annotation, and in what is reported"


def test_an_address_of_the_users_choice_is_on_the_interface_of_the_users_choice(real: Real) -> None:
    real.network("chosen", type="bridge", bridge="br1")
    mac = "fe:77:00:00:00:66"
    pod = real.run_pod("chooses", f'[{{"name":"chosen","interface":"storage","mac":"{mac}"}},{{"name":"chosen"}}]')

    assert real.kubectl("exec", "chooses", "--", "cat", "/sys/class/net/storage/address").strip() == mac
    assert reported(pod, "storage")["mac"] == mac
    assert reported(pod, "net2")["mac"] == given(pod)[1]


def test_pods_reach_the_webhook_through_its_service_from_every_node(real: Real) -> None:
    service = real.read("service", "kubemacpool-service", "-n", NAMESPACE)["spec"]["clusterIP"]
    for name in real.fleet.names():
        real.run_pod(f"from-{name}", node=name)
        real.kubectl("exec", f"from-{name}", "--", "sh", "-c", f"nc -w 3 {service} 443 </dev/null")


def test_what_a_replica_logs_is_read_through_its_kubelet(real: Real) -> None:
    logs = real.kubectl("logs", real.leader().name, "-n", NAMESPACE)

    assert '"event"' in logs


def test_a_replica_that_answers_no_more_is_taken_from_the_service_until_it_does(real: Real) -> None:
    real.settled()
    victim = real.replicas()[0]
    real.signal(victim, "STOP")
    try:
        real.until(lambda: victim.address not in real.endpoints(), "a stopped replica is out of the Service", 20)
    finally:
        real.signal(victim, "CONT")
    real.until(lambda: victim.address in real.endpoints(), "it is back once it answers", 20)


def test_a_rollout_by_itself_fails_no_probe(real: Real) -> None:
    """But for one that finds a process that has just ended: the kubelet asks until it has heard of that."""
    real.settled()
    real.kubectl("delete", "events", "-n", NAMESPACE, "--all")
    with real.endings() as ended:
        real.kubectl("rollout", "restart", "deployment", "-n", NAMESPACE)
        real.kubectl("rollout", "status", "deployment", "-n", NAMESPACE, "--timeout=90s")
        real.settled()
        real.until(lambda: len(ended()) == 2, "both replicas that were there have ended")
        finished = ended()
    events = real.read("events", "-n", NAMESPACE)["items"]
    assert [event for event in events if event["reason"] == "Started"]
    unhealthy = [
        f"{event['firstTimestamp']} {event['involvedObject']['name']}: {event['message']}"
        for event in events
        if event["reason"] == "Unhealthy"
        and event["firstTimestamp"] < finished.get(event["involvedObject"]["name"], NEVER)
    ]

    assert unhealthy == [], finished


def test_a_node_is_entered_as_by_ssh(real: Real) -> None:
    node = real.fleet.node("node02")
    answer = subprocess.run(
        node.entering(["sh", "-c", "hostname; cat /etc/cni/net.d/*; exit 7"]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 7
    assert answer.stdout.startswith("node02\n")
    assert '"delegates"' in answer.stdout
