"""Every rule and every query of the dashboard, before a real Prometheus that scrapes an installation under load."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
import yaml
from manifests.dashboard import queries
from manifests.releases import CONFIG
from manifests.rules import SOURCE
from tests.e2e.conftest import Block
from tests.support.cluster_client import CONFIG_MAPS, ClusterClient, ConfigMap, pod
from tests.support.installed import eventually
from tests.support.load import Load
from tests.support.prometheus import configuration, ready, scraping

from devcluster import assets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installed import Installed
    from tests.support.prometheus import Prometheus

MONITOR: Final[dict[str, Any]] = yaml.safe_load((CONFIG / "monitoring" / "scraping.yaml").read_text())["spec"]
RULES: Final = {
    rule.get("alert") or rule["record"]: rule["expr"]
    for group in yaml.safe_load(SOURCE.read_text())["groups"]
    for rule in group["rules"]
}
# The interval is what Grafana makes of the scrape interval: four times that, here of a second.
QUERIES: Final = [query.replace("$__rate_interval", "4s") for query in queries()]
# There are no such series where KubeMacPool has no fault of its own, and is not overwhelmed.
OF_FAULTS: Final = (
    "kubemacpool_task_restarts_total",
    "kubemacpool_objects_set_aside",
    "kubemacpool_events_dropped_total",
)
PROVOKED: Final = {"KubemacpoolMACCollisionDetected", "KubemacpoolWebhookCallsFailing"}
BROKEN: Final = "mutatebroken.kubemacpool.io"
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
BLOCK: Final = Block(0x0A_FF_00_00_00_00)
SETTLE_SECONDS: Final = 60.0


class Seen(NamedTuple):
    """What Prometheus knew while pods were created: by query and by selector, how many series."""

    of_queries: dict[str, int]
    of_selectors: dict[str, dict[str, int]]
    rules: dict[str, dict[str, Any]]
    created: int
    targets: Counter[str]


@pytest.fixture(scope="module")
def seen(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Sixteen clients create pods, some of which collide, are refused or cannot be read; all queries are asked."""
    directory = tmp_path_factory.mktemp("prometheus")
    program = assets.built(assets.prometheus(), print) / "prometheus"
    (endpoint,) = MONITOR["endpoints"]
    return asyncio.run(_see(installed, directory, program, endpoint))


async def _see(installed: Installed, directory: Path, program: Path, endpoint: dict[str, Any]) -> Seen:
    async with ClusterClient(installed.control_plane) as cluster:
        source = endpoint["tlsConfig"]["ca"]["configMap"]
        ca = (await cluster.get(f"{CONFIG_MAPS}/{source['name']}", ConfigMap)).data[source["key"]]
        config = configuration(installed, endpoint, ca, SOURCE, directory)
        with scraping(program, directory, config) as prometheus:
            await _provoke(cluster)
            async with Load(cluster, "monitored", BLOCK) as load:
                await ready(prometheus)
                assert await _call_fails(cluster)  # once more: a rate does not see the first
                await _ask_until_all_is_known(prometheus)
                await eventually(lambda: _alarming(prometheus), "what was provoked is alarming")
                of_queries = {query: len(await prometheus.query(query)) for query in QUERIES}
                of_selectors = {name: await _selected(prometheus, RULES[name]) for name in RULES}
                rules = {rule["name"]: rule for rule in await prometheus.rules()}
                targets = Counter(str(target["labels"]["job"]) for target in await prometheus.targets())
            await cluster.done("DELETE", f"{WEBHOOKS}/{BROKEN}")
            return Seen(of_queries, of_selectors, rules, len(load.created), targets)


async def _provoke(cluster: ClusterClient) -> None:
    """A refusal, a collision, an object that cannot be read, and a webhook under a name like ours that is not there."""
    for name, labels in (
        ("monitored", {}),
        ("monitored-not", {"mutatepods.kubemacpool.io": "ignore"}),
        ("monitored-broken", {"broken": "yes"}),
    ):
        await cluster.namespace(name, labels=labels)
    mac = BLOCK[0xFFFF]
    networks = f'[{{"name":"one","mac":"{mac}"}}]'
    await cluster.made("monitored", pod("holder", networks))
    assert (await cluster.create("monitored", pod("refused", networks))).status == 403
    await cluster.made("monitored-not", pod("collides", networks))
    await cluster.made("monitored-not", pod("unreadable", '[{"name":"one","mac":"zz"}]'))
    webhook = {
        "name": BROKEN,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"broken": "yes"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 1,
    }
    await cluster.done("POST", WEBHOOKS, {"metadata": {"name": BROKEN}, "webhooks": [webhook]})

    await eventually(lambda: _call_fails(cluster), "the API server calls a webhook that is not there")


async def _call_fails(cluster: ClusterClient) -> bool:
    reply = await cluster.create("monitored-broken", pod(generate_name="a-"))
    return "failed calling webhook" in reply.message


async def _selected(prometheus: Prometheus, expression: str) -> dict[str, int]:
    return {each: len(await prometheus.query(each)) for each in await prometheus.selectors(expression)}


async def _alarming(prometheus: Prometheus) -> bool:
    return {
        rule["name"] for rule in await prometheus.rules() if rule.get("state", "inactive") != "inactive"
    } >= PROVOKED


async def _ask_until_all_is_known(prometheus: Prometheus) -> None:
    """A rate needs two scrapes, and a query of what is recorded an evaluation after them."""

    async def known() -> bool:
        rules = await prometheus.rules()
        return all(rule["health"] == "ok" for rule in rules) and all(
            [await prometheus.query(query) for query in QUERIES]
        )

    try:
        await eventually(known, "every query gives something", within=SETTLE_SECONDS, every=0.5)
    except AssertionError:
        return  # the tests say which does not


def test_every_replica_and_the_api_server_were_scraped_with_the_token_while_pods_were_created(
    installed: Installed, seen: Seen
) -> None:
    assert seen.targets == {"kubemacpool": len(installed.replicas), "apiserver": 1}
    assert seen.created > 50


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_dashboard_gives_something(seen: Seen, query: str) -> None:
    assert seen.of_queries[query]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_evaluated_and_whatever_it_asks_for_is_there(seen: Seen, name: str) -> None:
    assert (seen.rules[name]["health"], seen.rules[name].get("lastError", "")) == ("ok", "")
    missing = [each for each, series in seen.of_selectors[name].items() if not series]
    assert not [each for each in missing if not any(fault in each for fault in OF_FAULTS)]


def test_nothing_is_alarming_but_what_was_provoked(seen: Seen) -> None:
    alarming = {name for name, rule in seen.rules.items() if rule.get("state", "inactive") != "inactive"}
    assert alarming == PROVOKED


async def test_whatever_a_replica_watches_has_an_age(installed: Installed) -> None:
    """Also what says whether the webhooks are in effect, and whom the API server trusts."""
    figures = await installed.figures(installed.replicas[0])
    watched = {"pods", "kubemacpool-serving", "kubemacpool-mutator"}
    ages = {each: figures.get(f"kubemacpool_watch_age_seconds{{resource={each}}}") for each in watched}
    assert {each: age is not None and 0 <= age < 120 for each, age in ages.items()} == dict.fromkeys(watched, True)
