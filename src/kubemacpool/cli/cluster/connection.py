"""A connection to the cluster that flags name, for the time of one command."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec

from kubemacpool.certs.contexts import client_context
from kubemacpool.cli.exits import UNAVAILABLE, fail
from kubemacpool.cli.flags import ClusterFlags
from kubemacpool.cli.pool.desk import quiet
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.kubeconfig_fields import ClusterConfigError
from kubemacpool.kube.user_config import Wish, load_user_config
from kubemacpool.ports import NotFoundError, OutsideError
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.review import DurationError, parse_duration

Json = dict[str, Any]

DEFAULT: Final = "default"


class _Clock:
    def now(self) -> float:
        return time.monotonic()


class Cluster(NamedTuple):
    """One API server.

    Attributes:
        client: asks it.
        config: who we are to it.
        pool_namespace: where KubeMacPool is installed.
        fallback: the namespace that is read where the whole cluster may not be; empty for the context's.
    """

    client: ApiClient
    config: ClusterConfig
    pool_namespace: str
    fallback: str = ""

    @property
    def namespace(self) -> str:
        """The context's namespace."""
        return self.config.namespace or DEFAULT

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """One object.

        Raises:
            OutsideError: as the API server answered.
        """
        try:
            found: Json = msgspec.json.decode(await self.client.get(path, params))
        except msgspec.MsgspecError as error:
            raise UnexpectedAnswerError(f"GET {path}: no object ({error})") from error
        return found

    async def find(self, path: str) -> Json | None:
        """One object, or None where there is none.

        Raises:
            OutsideError: as the API server answered.
        """
        try:
            return await self.read(path)
        except NotFoundError:
            return None


@asynccontextmanager
async def connected(flags: ClusterFlags) -> AsyncIterator[Cluster]:
    """Connect to the cluster.

    Raises:
        ClusterConfigError: none is configured, or not so that it can be used.
    """
    config = load_user_config(Wish(flags.kubeconfig, flags.context, flags.user, flags.groups), _Clock())
    tls = None
    if config.server.startswith("https:"):
        context = client_context(config.ca_pem, verify=config.verify, identity=config.identity)
        tls = lambda: context  # noqa: E731 (a context for every request)
    async with ApiClient(config, tls, seconds=_seconds(flags.request_timeout)) as client:
        yield Cluster(client, config, flags.pool_namespace)


def run(flags: ClusterFlags, work: Callable[[Cluster], Awaitable[int]]) -> int:
    """Do something with the cluster; gives the exit status.

    Args:
        flags: which cluster.
        work: what is done there.
    """
    quiet()

    async def doing() -> int:
        async with connected(flags) as cluster:
            return await work(cluster)

    try:
        return asyncio.run(doing())
    except ClusterConfigError as error:
        fail(str(error))
    except (OutsideError, UnexpectedAnswerError) as error:
        fail(str(error), UNAVAILABLE)


def _seconds(text: str) -> float | None:
    """As kubectl reads it: a number is of seconds."""
    if text == "0":
        return None
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return parse_duration(text)
    except DurationError as error:
        fail(f"--request-timeout {text!r} is {error}")
