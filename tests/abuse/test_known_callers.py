"""The administrator has told whose certificate the API server shows: nobody else is answered.

An installation of its own: its API server has an AdmissionConfiguration with a client certificate for our webhook.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from tests.abuse.test_callers import FORWARDED
from tests.support.cluster_client import pod, together
from tests.support.installed import ENVIRONMENT, Installed, eventually, installation
from tests.support.reviews import review, verdict, webhook

from devcluster.pki import Authority
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cluster_client import ClusterClient


NAME: Final = "kube-apiserver-webhooks"
HOST: Final = "kubemacpool-service.kubemacpool-system.svc"
ADMISSION: Final = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: MutatingAdmissionWebhook
    configuration:
      apiVersion: apiserver.config.k8s.io/v1
      kind: WebhookAdmissionConfiguration
      kubeConfigFile: {kubeconfig}
"""
KUBECONFIG: Final = """\
apiVersion: v1
kind: Config
users:
  - name: {host}
    user:
      client-certificate: {directory}/{name}.crt
      client-key: {directory}/{name}.key
"""


class Known(NamedTuple):
    """The authority of the API server's client certificate, and what replicas read of it."""

    directory: Path
    file: Path

    def pair(self, name: str) -> tuple[bytes, bytes]:
        """What the authority has signed for this name, and the key."""
        return (self.directory / f"{name}.crt").read_bytes(), (self.directory / f"{name}.key").read_bytes()

    def publish(self, other: Path | None = None) -> None:
        """Write what the replicas read: the authority, or another file's content."""
        self.file.write_bytes((other or self.directory / "ca.crt").read_bytes())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """An authority that has signed for the API server, and for somebody else."""
    known = Known(tmp_path_factory.mktemp("client-authority"), tmp_path_factory.mktemp("mounted") / "ca.crt")
    authority = Authority(known.directory)
    for name in (NAME, "somebody-else"):
        authority.client(name, name)
    known.publish()
    return known


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, known: Known) -> Iterator[Installed]:
    """An installation that knows its API server."""
    home = tmp_path_factory.mktemp("known-cluster")
    kubeconfig, admission = (tmp_path_factory.mktemp("admission") / name for name in ("kubeconfig", "admission.yaml"))
    kubeconfig.write_text(KUBECONFIG.format(host=HOST, directory=known.directory, name=NAME), encoding="utf-8")
    admission.write_text(ADMISSION.format(kubeconfig=kubeconfig), encoding="utf-8")
    arguments = (f"--admission-control-config-file={admission}",)
    asked_for = {"KUBEMACPOOL_CLIENT_CA_FILE": str(known.file), "KUBEMACPOOL_CLIENT_NAME": f"other, {NAME}"}
    with installation(home, nodes=1, apiserver_args=arguments, environment=ENVIRONMENT | asked_for) as installed:
        yield installed


async def test_the_api_server_is_answered_by_every_replica(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """Half of the connections that the API server opens go to the replica that hands reviews on."""
    counter = "kubemacpool_forwarded_reviews_total{outcome=answered}"
    (follower, *_) = await installed.followers()
    numbers = iter(range(10_000))

    async def handed_on() -> bool:
        await together(cluster.made(namespace, pod(f"a-{next(numbers)}")) for _ in range(16))
        return (await installed.figures(follower))[counter] > 0

    await eventually(handed_on, "both replicas were asked")
    assert await installed.readiness() == {"200 ok"}, "probes need no certificate"


async def test_a_forged_dry_run_tells_nobody_who_holds_an_address(
    cluster: ClusterClient, installed: Installed, namespace: str, known: Known
) -> None:
    mac = (await cluster.made(namespace, pod("holder"))).mac
    body = review(namespace, "forged", f'[{{"name":"net","mac":"{mac}"}}]', dry_run=True)
    for replica in installed.replicas:
        status, text, _ = await installed.ask(webhook(replica), body)
        assert (status, "holder" in text) == (403, False)
        assert "--client-name" in text
        status, text, _ = await installed.ask(webhook(replica), body, None, known.pair("somebody-else"))
        assert (status, "holder" in text) == (403, False)
        status, text, _ = await installed.ask(webhook(replica), body, None, known.pair(NAME))
        assert status == 200
        assert not verdict(text).allowed
        status, *_ = await installed.ask(webhook(replica), body, FORWARDED, known.pair(NAME))
        assert status == 403, "not even the API server hands reviews on"


async def test_another_authority_in_the_file_is_taken_up_without_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, known: Known, tmp_path: Path
) -> None:
    Authority(tmp_path)
    known.publish(tmp_path / "ca.crt")
    numbers = iter(range(1000))

    async def created() -> bool:
        return (await cluster.create(namespace, pod(f"a-{next(numbers)}"))).created

    async def refused() -> bool:
        return not await created()

    try:
        ends = installed.log_ends()
        await eventually(refused, "the API server is not known any more", every=0.2)

        async def told() -> bool:
            event = "a client was not connected: nobody we know has signed its certificate"
            return bool(installed.log(ends, event=event, level="warning"))

        await eventually(told, "the log says why")
        known.file.write_bytes(b"garbage")
        line = await installed.logged(event="client authority not taken up; the one before stays", level="warning")
        assert line["reason"] == "it holds no certificates that can be read"
        assert await installed.readiness() == {"200 ok"}
    finally:
        known.publish()
    await eventually(created, "the API server is known again", every=0.2)


async def test_an_api_server_with_another_name_is_told_what_is_missing(
    cluster: ClusterClient, installed: Installed, namespace: str, known: Known
) -> None:
    asked_for = {"KUBEMACPOOL_CLIENT_CA_FILE": str(known.file), "KUBEMACPOOL_CLIENT_NAME": "another"}
    other = Installed(installed.control_plane, RELEASE_MANIFEST, ENVIRONMENT | asked_for)
    await asyncio.to_thread(other.sync)
    try:
        reply = await cluster.create(namespace, pod("a"))
        assert not reply.created
        assert "only a client with a certificate for another may ask" in str(reply.body)
    finally:
        await asyncio.to_thread(installed.sync)
    await cluster.made(namespace, pod("a"))
