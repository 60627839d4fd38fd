"""Reading a cluster for somebody at a terminal: with progress, and saying what could not be read."""

import typer

from kubemacpool.cli.cluster.connection import Cluster
from kubemacpool.cli.cluster.survey import PLURALS, PODS, Survey, each_of, survey
from kubemacpool.cli.progress import progress
from kubemacpool.core.parties import POD, ObjectKey
from kubemacpool.kube.reads import GroupDiscovery
from kubemacpool.kube.resource import Resource
from kubemacpool.ports import RefusedError
from kubemacpool.wire.listing import read_head
from kubemacpool.wire.objects import KUBEVIRT


async def read(cluster: Cluster, namespace: str = "") -> Survey:
    """Read everything; what cannot be read is said on the standard error.

    Args:
        cluster: which.
        namespace: what is read where the whole cluster may not be; the context's by default.

    Raises:
        OutsideError: the API server did not answer.
    """
    with progress() as tell:
        found = await survey(cluster, tell, namespace)
    for each in found.hidden:
        typer.echo(f"kubemacpool: not read: {each}", err=True)
    if found.range_fault:
        typer.echo(f"kubemacpool: the pool is not known, the release's is assumed: {found.range_fault}", err=True)
    return found


async def selected(cluster: Cluster, selector: str) -> frozenset[ObjectKey]:
    """The objects with some labels.

    Raises:
        OutsideError: the API server did not answer, or knows no such selector.
    """
    try:
        served = await GroupDiscovery(cluster.client, KUBEVIRT).resources()
    except RefusedError:
        served = {}
    found: set[ObjectKey] = set()
    for kind, plural in PLURALS.items():
        path = PODS.path if kind == POD else served.get(plural)
        if path is not None:
            resource = Resource(path, metadata_only=True)
            for raw in await each_of(cluster, resource, labelSelector=selector):
                identity = read_head(raw).identity
                found.add(ObjectKey(kind, identity.namespace, identity.name))
    return frozenset(found)
