"""What is installed while pods are created: nothing, or the floor. The real program is in `bench.ours`.

Each webhook is reached by its Service, as in a cluster. There is no kube-proxy here: the server listens on the
Service's own address, which is a loopback one.
"""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import msgspec
from bench.asking import ask
from bench.children import Child, running
from bench.errors import BenchError
from bench.listening import listener_of

from devcluster.deployment import Service
from devcluster.errors import ApiError
from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.rivals import Beside

    from devcluster.api import ApiServer
    from devcluster.controlplane import ControlPlane

NAMESPACE = "bench"
# Not 443, which only root may listen on.
PORT = 8443
CONFIGURATION = "MutatingWebhookConfiguration"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
TAKES_EFFECT_SECONDS = 30.0
# So many pods in a row must go the new way; the API server hears of a change within milliseconds.
SURE_AFTER = 5
# As it stands in the JSON of the created pod: an address in the annotation, which is itself JSON in a text.
ADDRESS_MARK = r"\"mac\":\""
# Source: https://kubernetes.io/docs/reference/instrumentation/metrics/
_ASKED = re.compile(r"^apiserver_admission_webhook_request_total\{([^}]*)\} (\S+)$", re.MULTILINE)
_ANNOTATED = {"k8s.v1.cni.cncf.io/networks": '[{"name":"ovs-conf"}]'}


class Route(Enum):
    """Which replica is asked, where there are several."""

    LEADER = "leader"
    FOLLOWER = "follower"
    SPREAD = "spread"


class Installation(Protocol):
    """One way to have pods created."""

    name: str
    mark: str
    """What every created pod with networks must contain."""

    def installed(self) -> AbstractContextManager[None]:
        """Keep it installed, and in effect, for as long as the block lasts."""
        ...

    def turn_to(self, route: Route) -> None:
        """Have this replica asked from now on."""
        ...

    def processes(self) -> dict[str, list[int]]:
        """The pids of the processes whose CPU time belongs to it, by name."""
        ...

    def asked(self) -> Sequence[int]:
        """How many reviews each of its replicas was asked by the API server so far, if it can tell."""
        ...

    def shares(self) -> Sequence[float]:
        """Which share of the reviews each of them should be asked."""
        ...


class Bare:
    """Nothing installed."""

    name = "none"
    mark = ""

    def __init__(self, api: ApiServer) -> None:
        """Name the API server."""
        self._api = api

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Wait until no webhook is in effect any more."""
        await_effect(lambda: ADDRESS_MARK.encode() not in trial(self._api), self.name)
        yield

    def turn_to(self, route: Route) -> None:
        """There is no replica."""

    def processes(self) -> dict[str, list[int]]:
        """None."""
        return {}

    def asked(self) -> Sequence[int]:
        """Nobody is asked."""
        return ()

    def shares(self) -> Sequence[float]:
        """Nobody is asked."""
        return ()


class Elsewhere:
    """A webhook that somebody else has started, reached by its URL; with the rules and conditions of ours."""

    # What it does with a pod is its own affair.
    mark = ""

    def __init__(self, other: Beside, api: ApiServer, webhook: dict[str, object]) -> None:
        """Take over everything from a webhook but who it is and where."""
        self.name = other.name
        self._api = api
        self._port = other.port
        self._called = f"{other.name}.beside.bench.example"
        client = {"url": other.url, "caBundle": b64encode(other.ca.read_bytes()).decode()}
        self._configuration: dict[str, object] = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": CONFIGURATION,
            "metadata": {"name": f"bench-beside-{self.name}"},
            "webhooks": [webhook | {"name": self._called, "clientConfig": client}],
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have the API server ask it."""
        with configured(self._api, self._configuration):
            await_effect(self._counts, self.name)
            yield

    def turn_to(self, route: Route) -> None:
        """Which of its replicas is asked, it has to know itself."""

    def processes(self) -> dict[str, list[int]]:
        """The process that listens there, if it is to be seen."""
        pid = listener_of(self._port)
        return {} if pid is None else {"webhook": [pid]}

    def asked(self) -> Sequence[int]:
        """The API server counts how often it has asked."""
        exposition = self._api.request("GET", "/metrics").decode()
        named = f'name="{self._called}"'
        return (sum(int(float(count)) for labels, count in _ASKED.findall(exposition) if named in labels),)

    def shares(self) -> Sequence[float]:
        """It is asked about every pod."""
        return (1.0,)

    def _counts(self) -> bool:
        before = self.asked()
        trial(self._api)
        return self.asked() == (before[0] + 1,)


class Floor:
    """A webhook that says yes, and perhaps gives all the same networks; with the rules and conditions of ours."""

    def __init__(self, name: str, networks: str, control_plane: ControlPlane, program: Path, directory: Path) -> None:
        """Make its Service and its certificate."""
        self.name = name
        self.mark = ADDRESS_MARK if networks else ""
        self._networks = networks
        self._api = control_plane.api
        self._program = program
        self._log = directory / f"{name}.log"
        self._pki = directory / f"{name}-pki"
        self._address = make_service(self._api, NAMESPACE, name)
        authority = Authority(self._pki)
        authority.server(name, [f"{name}.{NAMESPACE}.svc", self._address])
        self._configuration: dict[str, object] = {}
        self._child: Child | None = None

    def register(self, webhook: dict[str, object]) -> None:
        """Take over everything from a webhook but who it is and where."""
        self._configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": CONFIGURATION,
            "metadata": {"name": f"bench-{self.name}"},
            "webhooks": [
                webhook
                | {
                    "name": f"{self.name}.bench.example",
                    "clientConfig": {
                        "caBundle": b64encode((self._pki / "ca.crt").read_bytes()).decode(),
                        "service": {"namespace": NAMESPACE, "name": self.name, "path": "/mutate-pods", "port": PORT},
                    },
                }
            ],
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Run it, and have the API server ask it."""
        options = {
            "address": f"{self._address}:{PORT}",
            "cert": self._pki / f"{self.name}.crt",
            "key": self._pki / f"{self.name}.key",
            "networks": self._networks,
        }
        command = [str(self._program), *(f"-{name}={value}" for name, value in options.items())]
        with running(self.name, command, self._log) as child:
            self._child = child
            try:
                with configured(self._api, self._configuration):
                    await_effect(self._counts, self.name, child)
                    yield
            finally:
                self._child = None

    def turn_to(self, route: Route) -> None:
        """There is one process."""

    def processes(self) -> dict[str, list[int]]:
        """Its process."""
        return {} if self._child is None else {"webhook": [self._child.pid]}

    def asked(self) -> Sequence[int]:
        """It counts what it has answered."""
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        return (int(ask(f"{self._address}:{PORT}", "/count", context)),)

    def shares(self) -> Sequence[float]:
        """It is asked about every pod."""
        return (1.0,)

    def _counts(self) -> bool:
        before = self.asked()
        trial(self._api)
        return self.asked() == (before[0] + 1,)


def make_service(api: ApiServer, namespace: str, name: str) -> str:
    """Make a Service without endpoints and return its address."""
    path = f"/api/v1/namespaces/{namespace}/services"
    port = {"port": PORT}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [port]}}
    return msgspec.json.decode(api.request("POST", path, body), type=Service).spec.cluster_ip


@contextmanager
def configured(api: ApiServer, configuration: dict[str, object]) -> Iterator[None]:
    """Keep a webhook configuration in place."""
    name = section(configuration["metadata"])["name"]
    api.request("POST", CONFIGURATIONS, configuration)
    try:
        yield
    finally:
        api.request("DELETE", f"{CONFIGURATIONS}/{name}")


def trial(api: ApiServer, number: int = 0) -> bytes:
    """Create a pod with a network without persisting it, and return what became of it."""
    container = {"name": "trial", "image": "example.org/trial"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"trial-pod-{number:012}", "annotations": _ANNOTATED},
        "spec": {"containers": [container]},
    }
    return api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", body)


def await_effect(goes_the_new_way: Callable[[], bool], name: str, child: Child | None = None) -> None:
    """Wait until pods go the new way."""
    until = time.monotonic() + TAKES_EFFECT_SECONDS
    sure = 0
    last = "the pods went another way"
    while sure < SURE_AFTER:
        if child is not None:
            child.check()
        try:
            sure = sure + 1 if goes_the_new_way() else 0
        except (ApiError, OSError) as error:
            sure, last = 0, str(error)
        if time.monotonic() > until:
            message = f"{name!r} was not in effect after {TAKES_EFFECT_SECONDS:.0f} s: {last}"
            raise BenchError(message)
        if not sure:
            time.sleep(0.05)


def section(value: object) -> dict[str, object]:
    """Take a part of an API object for what it is."""
    return msgspec.convert(value, dict[str, object])
