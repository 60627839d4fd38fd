"""What takes more than chance to come about: each story leads to the moment in which one of the rules is needed."""

from collections.abc import Callable, Iterable
from typing import Final

from tests.sim.client import Link
from tests.sim.cluster import Cluster
from tests.sim.replica import BOUND, SimulatedReplica

TAKEOVER: Final = 8.0
"""Seconds until another replica leads, after a crash."""

SOME: Final = range(1, 6)
"""Addresses of the users' choice."""

Story = Callable[[Cluster], None]


def the_successor_has_seen_little(cluster: Cluster) -> None:
    """The watch of the follower stands when pods are created; then the leader crashes."""
    allocator, follower = _roles(cluster)
    follower.client.link.held.add("pods")
    _create(cluster, "first", SOME)
    cluster.loop.run(5.0)  # seen by the leader: the Lease lists them no more
    allocator.crash()
    cluster.loop.run(TAKEOVER)
    _create(cluster, "second", SOME)


def the_watch_of_the_decider_stands(cluster: Cluster) -> None:
    """For longer than the bound."""
    allocator, _ = _roles(cluster)
    allocator.client.link.held.add("pods")
    _create(cluster, "first", SOME)
    cluster.loop.run(BOUND + 5.0)
    _create(cluster, "second", SOME)


def the_decider_is_cut_off(cluster: Cluster) -> None:
    """For longer than the bound; its successor allocates what it had set aside, and then it is asked again."""
    allocator, _ = _roles(cluster)
    _break(allocator.client.link)
    allocator.passed_over = True
    cluster.loop.run(TAKEOVER + BOUND + 15.0)
    _create(cluster, "chosen", SOME)
    allocator.passed_over = False
    cluster.loop.run(5.0)
    for number in range(10):
        cluster.create(f"any-{number}", (None,))


def the_lease_is_made_anew_behind_our_back(cluster: Cluster) -> None:
    """The watch of the follower stands when the Lease is replaced, while admissions are on their way."""
    allocator, follower = _roles(cluster)
    follower.client.link.held.add("leases")
    _create(cluster, "first", SOME, later=15.0)
    allocator.crash()
    cluster.delete_lease(make_anew=True)
    cluster.loop.run(TAKEOVER)
    _create(cluster, "second", SOME)


def admissions_outlive_the_decider(cluster: Cluster) -> None:
    """They are persisted after another replica has taken over."""
    allocator, _ = _roles(cluster)
    _create(cluster, "first", SOME, later=15.0)
    allocator.crash()
    cluster.loop.run(TAKEOVER)
    _create(cluster, "second", SOME)


def the_cluster_is_restored_from_a_backup(cluster: Cluster) -> None:
    """Pods that were deleted since then exist again, and the watches go on from a future that was lost."""
    _roles(cluster)
    _create(cluster, "first", SOME)
    cluster.loop.run(5.0)
    backup = cluster.back_up()
    for number in SOME:
        cluster.delete(f"first-{number}")
    _create(cluster, "lost", range(6, 16))
    cluster.loop.run(5.0)
    cluster.restore(backup)
    cluster.loop.run(1.0)
    _create(cluster, "second", SOME)


def a_launcher_pod_outlives_its_machine(cluster: Cluster) -> None:
    """It is on its way, allocated without a write, when the machine goes and the leader crashes."""
    allocator, _ = _roles(cluster)
    cluster.virt.later = 16.0
    for number in SOME:
        cluster.create_machine(f"vm-{number}", (number,))
    cluster.loop.run(5.0)
    for number in SOME:
        cluster.delete_machine(f"vm-{number}")
        cluster.virt.delete_instance(f"vm-{number}")
    allocator.crash()  # before it can list what is on its way to a machine that has gone
    cluster.loop.run(TAKEOVER)
    _create(cluster, "second", SOME)


def a_machine_moves_while_the_leader_changes(cluster: Cluster) -> None:
    """Launcher pods come and go while the watches of the successor stand."""
    allocator, follower = _roles(cluster)
    for number in SOME:
        cluster.create_machine(f"vm-{number}", (number,))
    cluster.loop.run(5.0)
    follower.client.link.held.update({"pods", "virtualmachineinstances"})
    for number in SOME:
        cluster.virt.migrate(f"vm-{number}")
    cluster.loop.run(2.0)
    allocator.crash()
    cluster.loop.run(TAKEOVER)
    _create(cluster, "second", SOME)


def _roles(cluster: Cluster) -> tuple[SimulatedReplica, SimulatedReplica]:
    """The leader, and the other."""
    cluster.wait_for_service()
    cluster.loop.run(3.0)  # some addresses are set aside by now
    allocator = cluster.allocator()
    assert allocator is not None
    (follower,) = (replica for replica in cluster.living() if replica is not allocator)
    return allocator, follower


def _create(cluster: Cluster, prefix: str, numbers: Iterable[int], *, later: float = 0.0) -> None:
    for number in numbers:
        cluster.create(f"{prefix}-{number}", (number,), later=later)
    cluster.loop.run(1.0)


def _break(link: Link) -> None:
    link.whole = False
