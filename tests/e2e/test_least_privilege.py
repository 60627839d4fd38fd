"""Our ServiceAccount may do what it does, and nothing else: as the API server's audit log tells."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from base64 import b64decode
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import pytest
import yaml
from tests.support.cluster_client import CONFIG_MAPS, RANGE, ClusterClient, ConfigMap, pod
from tests.support.credentials import SECRETS, spoil
from tests.support.installed import Installed, eventually, installation

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

US: Final = "system:serviceaccount:kubemacpool-system:kubemacpool-sa"
LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases/kubemacpool-leader"
AUTHORITY: Final = f"{CONFIG_MAPS}/kubemacpool-ca"
POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["ResponseStarted"],  # of a watch: its beginning
    "rules": [{"level": "Metadata", "users": [US]}],
}


FIRST: Final = "02:00:00:00:00:00"
FORBIDDEN: Final = 403


class Right(NamedTuple):
    """What a rule of a role lets somebody do; an empty name stands for all."""

    verb: str
    group: str
    resource: str
    name: str


class _Reference(msgspec.Struct, rename="camel"):
    resource: str = ""
    api_group: str = ""
    name: str = ""


class _Status(msgspec.Struct, frozen=True):
    code: int = 0


class _Line(msgspec.Struct, rename="camel"):
    verb: str
    request_uri: str = msgspec.field(name="requestURI")
    object_ref: _Reference | None = None
    response_status: _Status = _Status()


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installed, Path]]:
    """An installation whose every request is written down."""
    directory = tmp_path_factory.mktemp("audited")
    policy, log = directory / "policy.yaml", directory / "audit.log"
    policy.write_text(yaml.safe_dump(POLICY), encoding="utf-8")
    arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    with installation(directory / "cluster", kubevirt=True, apiserver_args=arguments) as installed:
        yield installed, log


@pytest.fixture
async def cluster(audited: tuple[Installed, Path]) -> AsyncIterator[ClusterClient]:
    """The administrator."""
    async with ClusterClient(audited[0].control_plane) as client:
        yield client


def _granted() -> set[Right]:
    """What the roles in the release manifest give to our ServiceAccount."""
    documents = list(yaml.safe_load_all(RELEASE_MANIFEST.read_text(encoding="utf-8")))
    bound = {
        (each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in documents
        if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        if any(subject["name"] == "kubemacpool-sa" for subject in each.get("subjects", []))
    }
    rules = [rule for each in documents if (each["kind"], each["metadata"]["name"]) in bound for rule in each["rules"]]
    return {
        Right(verb, group, resource, name)
        for rule in rules
        for verb in rule["verbs"]
        if verb != "bind"  # is no request: the API server looks for it when a RoleBinding is written, below
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def _used(log: Path) -> list[_Line]:
    text = log.read_bytes()
    return [msgspec.json.decode(line, type=_Line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def _covers(right: Right, line: _Line) -> bool:
    of = line.object_ref
    return (
        of is not None
        and (line.verb, of.api_group, of.resource) == (right.verb, right.group, right.resource)
        and (not right.name or of.name == right.name or f"metadata.name%3D{right.name}" in line.request_uri)
    )


async def _live(cluster: ClusterClient, installed: Installed) -> None:
    """Everything that a replica has to do sooner or later."""
    await cluster.namespace("audited")
    mac = "02:00:00:00:77:01"
    await cluster.made("audited", pod("a", f'[{{"name":"one","mac":"{mac}"}},{{"name":"two"}}]'))
    assert (await cluster.create("audited", pod("b", f'[{{"name":"one","mac":"{mac}"}}]'))).status == 403
    assert "kubemacpool_leader" in str(await installed.figures())
    for how in ("the authority is garbage", "the serving certificate is garbage", "both Secrets are deleted"):
        await spoil(cluster, how)
        await eventually(lambda: _mended(cluster, installed), f"mended: {how}")
    await cluster.patch(AUTHORITY, {"data": {"ca.crt": "garbage"}})
    await eventually(lambda: _published(cluster), "the authority is published again")
    for _ in range(2):  # the same Event again is counted
        for start in ("nonsense", "02:00:00:00:00:00"):
            since = installed.log_ends()
            await cluster.patch(RANGE, {"data": {"RANGE_START": start}})
            await installed.logged(
                since, event="range not taken up" if start == "nonsense" else "range in force is good again"
            )
    await cluster.done("DELETE", LEASE)
    await eventually(lambda: _leads(installed), "there is a Lease again, and a leader")


async def _mended(cluster: ClusterClient, installed: Installed) -> bool:
    for name in ("kubemacpool-ca", "kubemacpool-service"):
        reply = await cluster.request("GET", f"{SECRETS}/{name}")
        if reply.status != 200 or b64decode(msgspec.json.decode(reply.body)["data"]["tls.crt"])[:5] != b"-----":
            return False
    return await installed.readiness() == {"200 ok"}


async def _published(cluster: ClusterClient) -> bool:
    return "BEGIN CERTIFICATE" in (await cluster.get(AUTHORITY, ConfigMap)).data["ca.crt"]


async def _leads(installed: Installed) -> bool:
    figures = [await installed.figures(replica) for replica in installed.replicas]
    return sum(each.get("kubemacpool_leader", 0.0) for each in figures) == 1


async def test_what_is_granted_is_used_and_what_is_used_is_granted(
    audited: tuple[Installed, Path], cluster: ClusterClient
) -> None:
    installed, log = audited
    await _live(cluster, installed)
    granted, numbers = _granted(), itertools.count()
    assert len(granted) > 20

    async def all_used() -> bool:
        for _ in range(50):  # somebody writes to the Lease between: the leader has to read it again
            await cluster.patch(LEASE, {"metadata": {"annotations": {"tests": str(next(numbers))}}})
        lines = await asyncio.to_thread(_used, log)
        return all(any(_covers(right, line) for line in lines) for right in granted)

    # An Event that is reported again is counted once a minute. Where something is missing, the comparison says what.
    with contextlib.suppress(AssertionError):
        await eventually(all_used, "every right is used", within=100.0, every=0.2)
    lines = _used(log)
    unused = sorted(right for right in granted if not any(_covers(right, line) for line in lines))
    forbidden = {(each.verb, each.request_uri) for each in lines if each.response_status.code == FORBIDDEN}
    assert (unused, forbidden) == ([], set())
