"""The real program, from the release manifest and as its ServiceAccount: one replica, or several.

Every replica listens on the address of the manifest's Service, each on a port of its own. So the API server can be sent
to any of them without a kube-proxy, which would cost something here that it costs in no cluster. Where there are
several, the manifest's webhook is there as often, each for those pods whose names end in a number that leaves the same
remainder. All of them lead to one replica, or each to another.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.asking import figures, is_ready
from bench.children import Child, running
from bench.errors import BenchError
from bench.installing import (
    ADDRESS_MARK,
    CONFIGURATIONS,
    PORT,
    TAKES_EFFECT_SECONDS,
    Route,
    await_effect,
    configured,
    section,
    trial,
)
from bench.manifest import begin_anew

from devcluster.deployment import DEPLOYMENT, NAMESPACE, Deployment, Service, environment_of, expand, plan
from devcluster.scraping import Scraper
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.rivals import Checkout

    from devcluster.controlplane import ControlPlane

SERVICE = "kubemacpool-service"
REPLICAS = 3
METRICS_PORT = 9443
HEALTH_PORT = 9543
POLL_SECONDS = 0.05
OUR_PROGRAM = Path(sys.executable).parent
LEADS = "kubemacpool_leader"
FORWARDED = "kubemacpool_forwarded_reviews_total{outcome=answered}"
ALLOCATED = "kubemacpool_admission_duration_seconds_count{outcome=allocated}"
# What a checkout from before the words were changed calls the same.
EARLIER = {
    LEADS: "kubemacpool_decider",
    ALLOCATED: "kubemacpool_admission_duration_seconds_count{outcome=granted}",
}


class Launch(NamedTuple):
    """How a replica is started, and where it listens: host and port of its webhooks, metrics and probes."""

    command: list[str]
    log: Path
    environment: dict[str, str]
    webhooks: str
    metrics: str
    probes: str


def launches(
    control_plane: ControlPlane,
    name: str,
    replicas: int,
    directory: Path,
    program: Path = OUR_PROGRAM,
) -> list[Launch]:
    """Read from the applied manifest how the program is called.

    Args:
        control_plane: where the manifest is applied.
        name: what the installation is called.
        replicas: how many are to be started.
        directory: for logs and the kubeconfig.
        program: directory that the program is in.
    """
    api = control_plane.api
    deployment = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}", Deployment)
    service = api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}", Service)
    made = plan(1, deployment, {SERVICE: service}, {})
    address = service.spec.cluster_ip
    kubeconfig = control_plane.service_account_kubeconfig(
        NAMESPACE, made.service_account, directory / f"{name}.kubeconfig"
    )
    found = []
    for number in range(replicas):
        pod = {"metadata.name": f"bench-{number}", "metadata.namespace": NAMESPACE, "status.podIP": address}
        environment = environment_of(made, pod) | {
            "KUBECONFIG": str(kubeconfig),
            "KUBEMACPOOL_BIND_ADDRESS": address,
            "KUBEMACPOOL_WEBHOOK_PORT": str(PORT + number),
            "KUBEMACPOOL_METRICS_PORT": str(METRICS_PORT + number),
            "KUBEMACPOOL_HEALTH_PORT": str(HEALTH_PORT + number),
            # Nothing sends its connections elsewhere here.
            "KUBEMACPOOL_DRAIN_DELAY": "0",
        }
        arguments = expand(made.arguments, environment)
        # The program of that environment, whatever PATH says.
        command = [str(program / arguments[0]), *arguments[1:]]
        log = directory / f"{name}-{number}.log"
        found.append(
            Launch(
                command,
                log,
                environment,
                webhooks=f"{address}:{PORT + number}",
                metrics=f"{address}:{METRICS_PORT + number}",
                probes=f"{address}:{HEALTH_PORT + number}",
            )
        )
    return found


class Ours:
    """The release manifest, and the program that it names."""

    mark = ADDRESS_MARK

    def __init__(  # noqa: PLR0913 (an installation has so many sides)
        self,
        name: str,
        replicas: int,
        control_plane: ControlPlane,
        directory: Path,
        configuration: dict[str, object],
        *,
        parts: int | None = None,
        checkout: Checkout | None = None,
    ) -> None:
        """Make ready.

        Args:
            name: what it is called in the results.
            replicas: how many run.
            control_plane: where the manifest is applied, but for the webhook.
            directory: for logs and the kubeconfig.
            configuration: the manifest's webhook configuration, with one webhook.
            parts: among how many webhooks the pods are shared out by their names; as many as replicas if not given.
            checkout: whose program runs; of this one if not given.
        """
        self.name = name
        self._api = control_plane.api
        self._control_plane = control_plane
        self._checkout = checkout
        self._parts = replicas if parts is None else parts
        self._configuration = shared_out(configuration, self._parts)
        program = OUR_PROGRAM if checkout is None else checkout.python.parent
        self._replicas = launches(control_plane, name, replicas, directory, program)
        self._scraper = Scraper(control_plane)
        self._children: list[Child] = []
        self._leader = 0
        self._route = Route.SPREAD

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Run every replica, and wait until one leads."""
        with configured(self._api, self._configuration), ExitStack() as stack:
            stack.callback(self._children.clear)
            if self._checkout is not None:
                stack.callback(begin_anew, self._control_plane, RELEASE_MANIFEST)
                begin_anew(self._control_plane, self._checkout.manifest)
            for number, each in enumerate(self._replicas):
                started = running(f"replica {number}", each.command, each.log, each.environment)
                self._children.append(stack.enter_context(started))
            self._leader = self._await_leader()
            self.turn_to(Route.LEADER)
            yield

    def turn_to(self, route: Route) -> None:
        """Lead every webhook where the route says."""
        self._route = route
        path = f"{CONFIGURATIONS}/{section(self._configuration['metadata'])['name']}"
        present = self._api.get(path, dict)
        for webhook, replica in zip(present["webhooks"], self._targets(), strict=True):
            webhook["clientConfig"]["service"]["port"] = PORT + replica
        self._api.request("PUT", path, present)
        await_effect(self._goes_there, f"{self.name}, {route.value}", *self._children[:1])

    def processes(self) -> dict[str, list[int]]:
        """The leader, and the others."""
        pids = [child.pid for child in self._children]
        leader = pids[self._leader : self._leader + 1]
        followers = [pid for pid in pids if pid not in leader]
        return {"webhook": leader} | ({"followers": followers} if followers else {})

    def asked(self) -> Sequence[int]:
        """What the leader was not handed by another replica, the API server has asked it."""
        figures = [self._figures(number) for number in range(len(self._replicas))]
        forwarded = [round(each.get(FORWARDED, 0)) for each in figures]
        asked = forwarded.copy()
        asked[self._leader] = round(figures[self._leader].get(ALLOCATED, 0)) - sum(forwarded)
        return asked

    def shares(self) -> Sequence[float]:
        """As the route says."""
        targets = self._targets()
        return [targets.count(number) / len(targets) for number in range(len(self._replicas))]

    def _targets(self) -> list[int]:
        return targets(self._route, self._parts, self._leader)

    def _goes_there(self) -> bool:
        before = self.asked()
        count = len(self._replicas)
        if any(ADDRESS_MARK.encode() not in trial(self._api, number) for number in range(count)):
            return False
        asked = [after - earlier for after, earlier in zip(self.asked(), before, strict=True)]
        return asked == [round(share * count) for share in self.shares()]

    def _await_leader(self) -> int:
        """Wait until every replica serves, and one of them leads."""
        until = time.monotonic() + TAKES_EFFECT_SECONDS
        while time.monotonic() < until:
            for child in self._children:
                child.check()
            try:
                leading = [self._figures(number).get(LEADS, 0.0) for number in range(len(self._replicas))]
            except OSError:  # not all of them listen yet
                leading = []
            if sum(leading) == 1 and all(is_ready(each.probes) for each in self._replicas):
                return leading.index(1.0)
            time.sleep(POLL_SECONDS)
        message = f"None of {self.name!r} decided after {TAKES_EFFECT_SECONDS:.0f} s; see {self._replicas[0].log}."
        raise BenchError(message)

    def _figures(self, number: int) -> dict[str, float]:
        found = figures(self._replicas[number].metrics, self._scraper)
        return found | {name: found[earlier] for name, earlier in EARLIER.items() if earlier in found}


def targets(route: Route, replicas: int, leader: int) -> list[int]:
    """Which replica each of as many webhooks leads to."""
    if route is Route.SPREAD:
        return list(range(replicas))
    return [leader if route is Route.LEADER else (leader + 1) % replicas] * replicas


def shared_out(configuration: dict[str, object], parts: int) -> dict[str, object]:
    """Put several webhooks in the place of one, each for a part of the pods."""
    if parts == 1:
        return configuration
    (webhook,) = [section(each) for each in _list(configuration["webhooks"])]
    conditions = _list(webhook["matchConditions"])
    last = "int(object.metadata.name.split('-')[2])"
    shared = [
        webhook
        | {
            "name": f"part-{part}.{webhook['name']}",
            "matchConditions": [*conditions, {"name": "part", "expression": f"{last} % {parts} == {part}"}],
        }
        for part in range(parts)
    ]
    return configuration | {"webhooks": shared}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
