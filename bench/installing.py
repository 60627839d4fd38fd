"""What is installed while pods are created: nothing, the floor, or the real program.

Each webhook is reached by its Service, as in a cluster. There is no kube-proxy here: the server listens on the
Service's own address, which is a loopback one.
"""

from __future__ import annotations

import ssl
import sys
import time
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import yaml
from bench.children import Child, running
from bench.errors import BenchError

from devcluster.deployment import DEPLOYMENT, Deployment, Service, environment_of, expand, plan
from devcluster.deployment import NAMESPACE as OUR_NAMESPACE
from devcluster.errors import ApiError
from devcluster.pki import Authority
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from devcluster.api import ApiServer
    from devcluster.controlplane import ControlPlane

NAMESPACE = "bench"
# Not 443, which only root may listen on.
PORT = 8443
METRICS_PORT = 9443
OUR_SERVICE = "kubemacpool-service"
CONFIGURATION = "MutatingWebhookConfiguration"
POD_WEBHOOK = "mutatepods.kubemacpool.io"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
TAKES_EFFECT_SECONDS = 30.0
# So many pods in a row must go the new way; the API server hears of a change within milliseconds.
SURE_AFTER = 5
# As it stands in the JSON of the created pod: an address in the annotation, which is itself JSON in a text.
ADDRESS_MARK = r"\"mac\":\""
# What every pod is given by the webhook that gives all the same.
SAME = (
    '[{"name":"ovs-conf","namespace":"bench","mac":"02:00:00:00:00:01"},'
    '{"name":"storage","namespace":"default","interface":"data0","mac":"02:00:00:00:00:02"}]'
)
_ANNOTATED = {"k8s.v1.cni.cncf.io/networks": '[{"name":"ovs-conf"}]'}


class Installation(Protocol):
    """One way to have pods created."""

    name: str
    mark: str
    """What every created pod with networks must contain."""

    def installed(self) -> AbstractContextManager[None]:
        """Keep it installed, and in effect, for as long as the block lasts."""
        ...

    def processes(self) -> dict[str, int]:
        """The pids of the processes whose CPU time belongs to it, by name."""
        ...

    def asked(self) -> int | None:
        """How many reviews it has answered so far, if it can tell."""
        ...

    def check_asked(self, before: int | None, pods: int) -> None:
        """Make sure that it has answered as many reviews as pods were created since."""
        ...


class _Bare:
    """Nothing installed."""

    name = "none"
    mark = ""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    @contextmanager
    def installed(self) -> Iterator[None]:
        _await_effect(lambda: ADDRESS_MARK.encode() not in _trial(self._api), self.name)
        yield

    def processes(self) -> dict[str, int]:
        return {}

    def asked(self) -> None:
        return None

    def check_asked(self, before: int | None, pods: int) -> None:
        pass


class _Floor:
    """A webhook that says yes, and perhaps gives all the same networks; with the rules and conditions of ours."""

    def __init__(self, name: str, networks: str, control_plane: ControlPlane, program: Path, directory: Path) -> None:
        self.name = name
        self.mark = ADDRESS_MARK if networks else ""
        self._networks = networks
        self._api = control_plane.api
        self._program = program
        self._log = directory / f"{name}.log"
        self._pki = directory / f"{name}-pki"
        self._address = _make_service(self._api, NAMESPACE, name)
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
                with _configured(self._api, self._configuration):
                    _await_effect(self._counts, self.name, child)
                    yield
            finally:
                self._child = None

    def processes(self) -> dict[str, int]:
        return {} if self._child is None else {"webhook": self._child.pid}

    def asked(self) -> int:
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        with urllib.request.urlopen(f"https://{self._address}:{PORT}/count", context=context, timeout=10) as answer:
            return int(answer.read())

    def check_asked(self, before: int | None, pods: int) -> None:
        asked = self.asked() - (before or 0)
        if asked != pods:
            message = f"{self.name} was asked about {asked} pods of {pods}: what was measured does not count."
            raise BenchError(message)

    def _counts(self) -> bool:
        before = self.asked()
        _trial(self._api)
        return self.asked() == before + 1


class _Ours:
    """The release manifest, and the program that it names, as the ServiceAccount that it names."""

    name = "ours"
    mark = ADDRESS_MARK

    def __init__(self, control_plane: ControlPlane, directory: Path, configuration: dict[str, object]) -> None:
        self._api = control_plane.api
        self._log = directory / "ours.log"
        self._configuration = configuration
        services = f"/api/v1/namespaces/{OUR_NAMESPACE}/services"
        deployment = self._api.get(f"/apis/apps/v1/namespaces/{OUR_NAMESPACE}/deployments/{DEPLOYMENT}", Deployment)
        service = self._api.get(f"{services}/{OUR_SERVICE}", Service)
        made = plan(1, deployment, {OUR_SERVICE: service}, {})
        address = service.spec.cluster_ip
        kubeconfig = control_plane.service_account_kubeconfig(
            OUR_NAMESPACE, made.service_account, directory / "ours.kubeconfig"
        )
        pod = {"metadata.name": "bench", "metadata.namespace": OUR_NAMESPACE, "status.podIP": address}
        self._environment = environment_of(made, pod) | {
            "KUBECONFIG": str(kubeconfig),
            "KUBEMACPOOL_BIND_ADDRESS": address,
            "KUBEMACPOOL_WEBHOOK_PORT": str(PORT),
            "KUBEMACPOOL_METRICS_PORT": str(METRICS_PORT),
            # Nothing sends its connections elsewhere here.
            "KUBEMACPOOL_DRAIN_DELAY": "0",
        }
        arguments = expand(made.arguments, self._environment)
        # The program of this environment, whatever PATH says.
        self._command = [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]]
        self._child: Child | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        with (
            _configured(self._api, self._configuration),
            running("kubemacpool", self._command, self._log, self._environment) as child,
        ):
            self._child = child
            try:
                _await_effect(lambda: ADDRESS_MARK.encode() in _trial(self._api), self.name, child)
                yield
            finally:
                self._child = None

    def processes(self) -> dict[str, int]:
        return {} if self._child is None else {"webhook": self._child.pid}

    def asked(self) -> None:
        return None

    def check_asked(self, before: int | None, pods: int) -> None:
        """Every pod carries the mark, or the load generator would have said so."""


def installations(control_plane: ControlPlane, floor: Path, directory: Path) -> list[Installation]:
    """Apply the release manifest, but for the webhook, which comes and goes with its case."""
    documents = msgspec.convert(
        list(yaml.safe_load_all(RELEASE_MANIFEST.read_text(encoding="utf-8"))), list[dict[str, object]]
    )
    kept = [_on_our_port(document) for document in documents if document["kind"] != CONFIGURATION]
    configuration = next(document for document in documents if document["kind"] == CONFIGURATION)
    webhooks = [
        _reaching(webhook, webhook["clientConfig"])
        for webhook in msgspec.convert(configuration["webhooks"], list[dict[str, object]])
    ]
    control_plane.kubectl("create", "namespace", NAMESPACE)
    if control_plane.spec.controllers:
        # No pod is admitted before its namespace has this; a controller makes it.
        wait = ("--for=create", "serviceaccount/default", f"--namespace={NAMESPACE}", "--timeout=30s")
        control_plane.kubectl("wait", *wait)
    control_plane.kubectl("apply", "-f", "-", stdin=_list_of(kept))
    floors = [
        _Floor(name, networks, control_plane, floor, directory) for name, networks in (("floor", ""), ("patch", SAME))
    ]
    for each in floors:
        each.register(next(webhook for webhook in webhooks if webhook["name"] == POD_WEBHOOK))
    return [
        _Bare(control_plane.api),
        *floors,
        _Ours(control_plane, directory, configuration | {"webhooks": webhooks}),
    ]


def _on_our_port(document: dict[str, object]) -> dict[str, object]:
    """Let the webhook's Service listen where this process may."""
    if document["kind"] != "Service" or _section(document["metadata"])["name"] != OUR_SERVICE:
        return document
    return document | {"spec": _section(document["spec"]) | {"ports": [{"name": "webhook", "port": PORT}]}}


def _reaching(webhook: dict[str, object], client: object) -> dict[str, object]:
    """Let the API server look for the webhook there."""
    settings = _section(client)
    return webhook | {"clientConfig": settings | {"service": _section(settings["service"]) | {"port": PORT}}}


def _section(value: object) -> dict[str, object]:
    return msgspec.convert(value, dict[str, object])


def _make_service(api: ApiServer, namespace: str, name: str) -> str:
    """Make a Service without endpoints and return its address."""
    path = f"/api/v1/namespaces/{namespace}/services"
    port = {"port": PORT}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [port]}}
    return msgspec.json.decode(api.request("POST", path, body), type=Service).spec.cluster_ip


@contextmanager
def _configured(api: ApiServer, configuration: dict[str, object]) -> Iterator[None]:
    """Keep a webhook configuration in place."""
    name = _section(configuration["metadata"])["name"]
    api.request("POST", CONFIGURATIONS, configuration)
    try:
        yield
    finally:
        api.request("DELETE", f"{CONFIGURATIONS}/{name}")


def _trial(api: ApiServer) -> bytes:
    """Create a pod with a network without persisting it, and return what became of it."""
    container = {"name": "trial", "image": "example.org/trial"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "trial-", "annotations": _ANNOTATED},
        "spec": {"containers": [container]},
    }
    return api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", body)


def _await_effect(goes_the_new_way: Callable[[], bool], name: str, child: Child | None = None) -> None:
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


def _list_of(items: list[dict[str, object]]) -> str:
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items}).decode()
