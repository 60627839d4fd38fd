"""What the applied Deployment and Services ask of a host: pure functions from API objects to a plan.

The objects are read back from the API server, so that the plan follows what is, defaults and all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from devcluster.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMESPACE = "kubemacpool-system"
DEPLOYMENT = "kubemacpool-mac-controller-manager"
WEBHOOK: Final = "webhook"
METRICS: Final = "metrics"
HEALTH: Final = "health"
# The listeners of a replica, in the order of its ports, and the port of each in a container.
LISTENERS: Mapping[str, int] = {WEBHOOK: 8000, METRICS: 8443, HEALTH: 8081}
# Which of a replica's listeners each Service reaches.
SERVICES: Mapping[str, Literal["webhook", "metrics"]] = {
    "kubemacpool-service": WEBHOOK,
    "kubemacpool-metrics-service": METRICS,
}
# The image's entry point, for a container that gives arguments only.
ENTRY_POINT = ("kubemacpool",)

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")


class FieldReference(msgspec.Struct, rename="camel"):
    """A field of the pod."""

    field_path: str


class ValueSource(msgspec.Struct, rename="camel"):
    """Where a variable's value comes from; only fields of the pod are known here."""

    field_ref: FieldReference | None = None


class Variable(msgspec.Struct, rename="camel"):
    """An environment variable of a container."""

    name: str
    value: str = ""
    value_from: ValueSource | None = None


class HttpGet(msgspec.Struct):
    """A request that a probe makes, to a port of the container or one that it names."""

    path: str = "/"
    port: int | str = HEALTH
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"


class Probe(msgspec.Struct, rename="camel"):
    """How a kubelet asks whether a container is well."""

    http_get: HttpGet | None = None
    period_seconds: int = 10
    timeout_seconds: int = 1
    failure_threshold: int = 3
    initial_delay_seconds: int = 0


class Container(msgspec.Struct, rename="camel"):
    """A container of the pod template."""

    name: str
    command: list[str] = []
    args: list[str] = []
    env: list[Variable] = []
    env_from: list[object] = []
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    """The part of a pod's spec that concerns a host."""

    containers: list[Container]
    service_account_name: str = "default"
    termination_grace_period_seconds: int = 30


class Template(msgspec.Struct):
    """A pod template."""

    spec: PodSpec


class Strategy(msgspec.Struct):
    """How new replicas take the place of old ones."""

    type: Literal["Recreate", "RollingUpdate"] = "RollingUpdate"


class DeploymentSpec(msgspec.Struct):
    """A Deployment's spec."""

    template: Template
    replicas: int = 1
    strategy: Strategy = msgspec.field(default_factory=Strategy)


class Deployment(msgspec.Struct):
    """A Deployment."""

    spec: DeploymentSpec


class ServicePort(msgspec.Struct):
    """A port of a Service."""

    port: int


class ServiceSpec(msgspec.Struct, rename={"cluster_ip": "clusterIP"}):
    """A Service's spec."""

    ports: list[ServicePort] = []
    cluster_ip: str = ""


class Service(msgspec.Struct):
    """A Service."""

    spec: ServiceSpec


class Forward(msgspec.Struct, frozen=True):
    """A cluster IP and port, and the listener of the replicas that it reaches."""

    service: str
    address: str
    port: int
    listener: Literal["webhook", "metrics"]


class Plan(msgspec.Struct, frozen=True):
    """Everything that the supervisor has to know of one revision."""

    revision: int
    replicas: int
    strategy: Literal["Recreate", "RollingUpdate"]
    arguments: list[str]
    environment: dict[str, str]
    fields: dict[str, str]
    """Variables that take a field of the pod: name to field path."""
    service_account: str
    grace_seconds: int
    readiness: Probe
    liveness: Probe | None
    forwards: list[Forward]


def plan(
    revision: int,
    deployment: Deployment,
    services: Mapping[str, Service],
    overrides: Mapping[str, str],
    more_arguments: Sequence[str] = (),
) -> Plan:
    """Make the plan of one revision.

    Args:
        revision: the number of this sync.
        deployment: as it was applied.
        services: those of SERVICES that exist.
        overrides: variables that take precedence over the container's.
        more_arguments: arguments after the container's.

    Raises:
        SettingError: the Deployment asks for something that a host process cannot be given.
    """
    pod = deployment.spec.template.spec
    container = pod.containers[0]
    if container.env_from:
        message = f"Container {container.name} of Deployment {DEPLOYMENT} has envFrom, which a host process has not."
        raise SettingError(message)
    values: dict[str, str] = {}
    fields: dict[str, str] = {}
    for variable in container.env:
        if variable.value_from is None:
            values[variable.name] = variable.value
        elif variable.value_from.field_ref is not None:
            fields[variable.name] = variable.value_from.field_ref.field_path
        else:
            message = (
                f"Variable {variable.name} of Deployment {DEPLOYMENT} has a valueFrom other than fieldRef, "
                "which a host process cannot be given."
            )
            raise SettingError(message)
    return Plan(
        revision=revision,
        replicas=deployment.spec.replicas,
        strategy=deployment.spec.strategy.type,
        arguments=[*(container.command or ENTRY_POINT), *container.args, *more_arguments],
        environment=values | dict(overrides),
        fields={name: path for name, path in fields.items() if name not in overrides},
        service_account=pod.service_account_name,
        grace_seconds=pod.termination_grace_period_seconds,
        readiness=container.readiness_probe or Probe(HttpGet("/readyz", WEBHOOK, "HTTPS")),
        liveness=container.liveness_probe,
        forwards=[
            Forward(name, services[name].spec.cluster_ip, port.port, listener)
            for name, listener in SERVICES.items()
            if name in services and services[name].spec.cluster_ip not in {"", "None"}
            for port in services[name].spec.ports
        ],
    )


def listener_of(port: int | str) -> str:
    """Which listener a probe means by a port or its name.

    Raises:
        SettingError: none has that port.
    """
    for name, number in LISTENERS.items():
        if port in {name, number}:
            return name
    message = f"A probe of Deployment {DEPLOYMENT} asks port {port}; a replica has {', '.join(LISTENERS)}."
    raise SettingError(message)


def environment_of(plan_: Plan, pod_fields: Mapping[str, str]) -> dict[str, str]:
    """Resolve the variables of one replica.

    Raises:
        SettingError: a variable names a field that a host process has not.
    """
    resolved = dict(plan_.environment)
    for name, path in plan_.fields.items():
        if path not in pod_fields:
            message = (
                f"Variable {name} of Deployment {DEPLOYMENT} takes the field {path}; "
                f"a host process has {', '.join(sorted(pod_fields))}."
            )
            raise SettingError(message)
        resolved[name] = pod_fields[path]
    return resolved


def expand(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Replace `$(NAME)` by the variable, as a kubelet does; an unknown name stays, and `$$` is a dollar."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return environment.get(match[2], match[0])

    return [_REFERENCE.sub(value, argument) for argument in arguments]
