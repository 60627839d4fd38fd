"""A real Prometheus that scrapes an installation and its API server, each second, and evaluates the rules."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import yaml
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.installed import Installed

    from devcluster.controlplane import ControlPlane

READY_SECONDS: Final = 30.0
END_SECONDS: Final = 10.0

Sample = dict[str, Any]


class Prometheus:
    """One process, asked by its HTTP interface."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def answers(self) -> bool:
        """Whether it has begun to listen and is ready."""
        if self._url is None:
            return False
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/-/ready") as answer:
            return answer.status == 200

    async def query(self, expression: str) -> list[Sample]:
        """What an expression gives now."""
        data = await self._get("query", {"query": expression})
        return data["result"] if isinstance(data["result"], list) else [data["result"]]

    async def selectors(self, expression: str) -> set[str]:
        """Everything that an expression selects, in a form that can be asked for."""
        return set(_selectors(await self._get("parse_query", {"query": expression})))

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health, and its state where it is an alert."""
        data = await self._get("rules", {})
        return [rule for group in data["groups"] for rule in group["rules"]]

    async def targets(self) -> list[dict[str, Any]]:
        """What is scraped, and how that goes."""
        data = await self._get("targets", {"state": "active"})
        targets: list[dict[str, Any]] = data["activeTargets"]
        return targets

    @property
    def _url(self) -> str | None:
        found = re.search(r'msg="Listening on" .*address=(\S+)', self._log.read_text())
        return None if found is None else f"http://{found[1]}"

    async def _get(self, what: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 (JSON of many shapes)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}/api/v1/{what}", params=parameters) as answer,
        ):
            said = await answer.json()
            assert said["status"] == "success", said
            return said["data"]


def _selectors(node: Any) -> Iterator[str]:  # noqa: ANN401 (JSON of any shape)
    if isinstance(node, dict):
        if node.get("type") in {"vectorSelector", "matrixSelector"}:
            matchers = (f'{each["name"]}{each["type"]}"{each["value"]}"' for each in node["matchers"])
            yield f"{{{','.join(sorted(matchers))}}}"
            return
        for value in node.values():
            yield from _selectors(value)
    elif isinstance(node, list):
        for value in node:
            yield from _selectors(value)


@contextmanager
def scraping(program: Path, directory: Path, config: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Run it until the block ends; it may not be ready yet when that begins.

    Args:
        program: to be run.
        directory: where its files are.
        config: as its configuration file has it.
    """
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    log = directory / "log"
    command = [
        str(program),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield Prometheus(log)
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


async def ready(prometheus: Prometheus) -> None:
    """Wait until it answers, and has reached whatever it scrapes."""
    await eventually(prometheus.answers, "Prometheus answers", within=READY_SECONDS)

    async def scraped() -> bool:
        targets = await prometheus.targets()
        return bool(targets) and all(target["health"] == "up" for target in targets)

    await eventually(scraped, "everything is scraped", within=READY_SECONDS)


def configuration(
    installed: Installed, monitor: Mapping[str, Any], ca: str, rules: Path, directory: Path
) -> dict[str, Any]:
    """Scrape as the operator would have it from our ServiceMonitor, and the API server beside that.

    Args:
        installed: what is scraped.
        monitor: the ServiceMonitor's only endpoint.
        ca: the authority that the ServiceMonitor names.
        rules: what is evaluated.
        directory: where the credentials are put.
    """
    control_plane: ControlPlane = installed.control_plane
    token, authority = directory / "token", directory / "ca.crt"
    token.write_text(installed.scraper.headers["Authorization"].removeprefix("Bearer "))
    authority.write_text(ca)
    replicas = [urlsplit(replica.metrics_url).netloc for replica in installed.replicas]
    credentials = {"type": "Bearer", "credentials_file": str(token)}
    assert monitor["bearerTokenFile"]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "kubemacpool",
                "scheme": monitor["scheme"],
                "authorization": credentials,
                "tls_config": {"ca_file": str(authority), "server_name": monitor["tlsConfig"]["serverName"]},
                "static_configs": [{"targets": replicas}],
            },
            {
                "job_name": "apiserver",
                "scheme": "https",
                "authorization": credentials,
                "tls_config": {"ca_file": str(control_plane.ca_path)},
                "static_configs": [{"targets": [urlsplit(control_plane.server_url).netloc]}],
            },
        ],
    }
