"""Which namespaces are served, for pods and for virtual machines: labels, modes, and those never touched."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.e2e.scopes.kinds import KINDS
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.scopes.kinds import Kind
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

OURS: Final = "kubemacpool-system"
MUTATOR: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubemacpool-mutator"

Object = dict[str, object]


class Requirement(msgspec.Struct):
    """What a label has to be."""

    key: str
    operator: str
    values: list[str] = []


class Selector(msgspec.Struct, rename="camel"):
    """Which namespaces a webhook is for."""

    match_expressions: list[Requirement]


class Webhook(msgspec.Struct, rename="camel"):
    """A webhook and its namespaces."""

    name: str
    namespace_selector: Selector


class Configuration(msgspec.Struct):
    """A MutatingWebhookConfiguration."""

    webhooks: list[Webhook]


async def label(cluster: ClusterClient, namespace: str, labels: dict[str, str | None]) -> None:
    """Label a namespace; None takes a label away."""
    await cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})


async def until_served(cluster: ClusterClient, kind: Kind, namespace: str, *, served: bool) -> None:
    """Wait until objects of a kind are given addresses in a namespace, or are left alone."""

    async def so() -> bool:
        return bool(kind.mac(await kind.create(cluster, namespace, "asks", dry_run=True))) == served

    await eventually(so, f"{kind} in {namespace} is {'served' if served else 'left alone'}")


async def use_mode(cluster: ClusterClient, kind: Kind, operator: str, value: str) -> None:
    """Change what the webhook of a kind requires of its label, as a user edits the configuration."""
    webhooks = (await cluster.get(MUTATOR, Configuration)).webhooks
    ((index, webhook),) = [(index, each) for index, each in enumerate(webhooks) if each.name == kind.webhook]
    (place,) = [
        place for place, each in enumerate(webhook.namespace_selector.match_expressions) if each.key == kind.webhook
    ]
    requirement = {"key": kind.webhook, "operator": operator, "values": [value]}
    path = f"/webhooks/{index}/namespaceSelector/matchExpressions/{place}"
    patch = [{"op": "replace", "path": path, "value": requirement}]
    await cluster.done("PATCH", MUTATOR, patch, content_type="application/json-patch+json")


@asynccontextmanager
async def opt_in(cluster: ClusterClient, kind: Kind) -> AsyncIterator[None]:
    """The mode in which a namespace of one kind has to ask; afterwards it is as shipped."""
    await use_mode(cluster, kind, "In", "allocate")
    try:
        yield
    finally:
        await use_mode(cluster, kind, "NotIn", "ignore")


def other(kind: Kind) -> Kind:
    """The other kind."""
    (found,) = [each for each in KINDS if each != kind]
    return found


async def test_a_namespace_opts_out_and_in_again_by_its_label_for_each_kind_apart_and_without_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, kind: Kind
) -> None:
    before = installed.processes
    await until_served(cluster, kind, namespace, served=True)
    await label(cluster, namespace, {kind.webhook: "ignore"})
    await until_served(cluster, kind, namespace, served=False)
    await until_served(cluster, other(kind), namespace, served=True)
    await label(cluster, namespace, {kind.webhook: "allocate"})
    await until_served(cluster, kind, namespace, served=True)
    await label(cluster, namespace, {kind.webhook: "ignore"})
    await until_served(cluster, kind, namespace, served=False)
    await label(cluster, namespace, {kind.webhook: None})
    await until_served(cluster, kind, namespace, served=True)
    assert installed.processes == before


async def test_with_a_selector_that_requires_allocate_only_namespaces_that_ask_are_served_without_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, kind: Kind
) -> None:
    before = installed.processes
    asking, ignoring = f"{namespace}-asking", f"{namespace}-ignoring"
    await cluster.namespace(asking, {kind.webhook: "allocate"})
    await cluster.namespace(ignoring, {kind.webhook: "ignore"})
    async with opt_in(cluster, kind):
        await until_served(cluster, kind, namespace, served=False)
        await until_served(cluster, kind, ignoring, served=False)
        await until_served(cluster, kind, asking, served=True)
        await until_served(cluster, other(kind), namespace, served=True)  # each kind has its mode
        await label(cluster, namespace, {kind.webhook: "allocate"})
        await until_served(cluster, kind, namespace, served=True)
        await label(cluster, namespace, {kind.webhook: None})
        await until_served(cluster, kind, namespace, served=False)
    await until_served(cluster, kind, namespace, served=True)
    await until_served(cluster, kind, ignoring, served=False)
    assert installed.processes == before


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize("key", ["runlevel", "openshift.io/run-level"])
async def test_namespaces_of_the_platform_are_never_touched_even_if_they_ask(
    cluster: ClusterClient, namespace: str, kind: Kind, key: str, level: str
) -> None:
    await label(cluster, namespace, {key: level, kind.webhook: "allocate"})
    await until_served(cluster, kind, namespace, served=False)
    async with opt_in(cluster, kind):
        asking = f"{namespace}-asking"
        await cluster.namespace(asking, {kind.webhook: "allocate"})
        await until_served(cluster, kind, asking, served=True)  # the mode is in force
        await until_served(cluster, kind, namespace, served=False)
    await label(cluster, namespace, {key: "2"})
    await until_served(cluster, kind, namespace, served=True)


@pytest.mark.parametrize("name", ["kube-system", OURS])
async def test_kube_system_and_our_own_namespace_are_never_touched_even_if_they_ask(
    cluster: ClusterClient, installed: Installed, kind: Kind, name: str
) -> None:
    await label(cluster, name, {kind.webhook: "allocate", "runlevel": None})
    try:
        await until_served(cluster, kind, name, served=False)
    finally:
        shipped = "1" if name == OURS else None
        await label(cluster, name, {kind.webhook: None, "runlevel": shipped})
    assert {replica.state for replica in installed.replicas} == {"ready"}


async def test_objects_made_while_their_namespace_was_left_alone_keep_what_they_have(
    cluster: ClusterClient, namespace: str, kind: Kind
) -> None:
    await label(cluster, namespace, {kind.webhook: "ignore"})
    await until_served(cluster, kind, namespace, served=False)
    await kind.made(cluster, namespace, "early")
    await label(cluster, namespace, {kind.webhook: None})
    await until_served(cluster, kind, namespace, served=True)
    await cluster.patch(kind.path(namespace, "early"), {"metadata": {"labels": {"touched": "yes"}}})
    assert kind.mac(await cluster.request("GET", kind.path(namespace, "early"))) == ""


async def test_both_kinds_are_served_everywhere_else_as_shipped(cluster: ClusterClient, namespace: str) -> None:
    macs = [kind.mac(await kind.made(cluster, namespace, "a")) for kind in KINDS]
    assert all(macs)
    assert len(set(macs)) == len(KINDS)
    await asyncio.gather(*(kind.delete(cluster, namespace, "a") for kind in KINDS))
