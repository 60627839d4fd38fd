"""Our authority for whoever reads the metrics: a ConfigMap, because the Secret that has it has a key as well."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from kubemacpool.kube.transport import MERGE_PATCH, WritingTransport
from kubemacpool.ports import ConflictError, NotFoundError, OutsideError
from kubemacpool.wire.api_objects import new_published_bundle, published_bundle_patch, read_published_bundle
from kubemacpool.wire.listing import UnexpectedAnswerError

CONFIG_MAP: Final = "kubemacpool-ca"

LOOK_SECONDS: Final = 1.0
"""Between two looks at what we trust ourselves; they cost nothing while that is what was published."""

REREAD_SECONDS: Final = 10.0
"""Between two looks at the ConfigMap, which somebody may have changed or deleted; a read of a few KB."""

_log = structlog.get_logger(__name__)


class PublishedAuthority:
    """Keeps the ConfigMap as our authorities are. Every replica does; they agree, because their Secrets are the same.

    Needs the verbs get, create and patch on configmaps.

    Args:
        client: the API server.
        namespace: of the ConfigMap.
        bundle: our authorities as of now, PEM.
    """

    def __init__(self, client: WritingTransport, namespace: str, bundle: Callable[[], bytes]) -> None:
        self._client = client
        self._namespace = namespace
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"
        self._bundle = bundle
        self._published = ""
        self._fault = ""

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self._bundle().decode() != self._published or loop.time() >= due:
                await self.look()
                due = loop.time() + REREAD_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read the ConfigMap, and write it where it says something else."""
        bundle = self._bundle().decode()
        try:
            await self._publish(bundle)
        except (OutsideError, UnexpectedAnswerError) as error:
            if str(error) != self._fault:
                self._fault = str(error)
                _log.warning("authority not published", config_map=CONFIG_MAP, error=self._fault)
        else:
            self._fault = ""
        self._published = bundle  # or tried to: it is tried again in its time

    async def _publish(self, bundle: str) -> None:
        try:
            found = read_published_bundle(await self._client.get(f"{self._collection}/{CONFIG_MAP}"))
        except NotFoundError:
            try:
                await self._client.create(self._collection, new_published_bundle(self._namespace, CONFIG_MAP, bundle))
            except ConflictError:  # another replica was first; the next look sees what it wrote
                return
            _log.info("authority published", config_map=CONFIG_MAP)
            return
        if found != bundle:
            path = f"{self._collection}/{CONFIG_MAP}"
            await self._client.patch(path, published_bundle_patch(bundle), content_type=MERGE_PATCH)
            _log.info("authority published", config_map=CONFIG_MAP)
