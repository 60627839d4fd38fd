"""What the shell completes from the cluster; nothing where anything goes wrong, for no message can be shown there."""

import contextlib
from typing import Any, Final

SECONDS: Final = 3
"""Longer than that nobody waits for a completion."""


def complete_context(incomplete: str) -> list[str]:
    """Complete the name of a context."""
    from kubemacpool.kube.user_config import contexts

    return [each for each in contexts() if each.startswith(incomplete)]


def complete_namespace(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401 (click's context)
    """Complete the name of a namespace of the cluster that the flags before it name."""
    from kubemacpool.cli.cluster.connection import connected
    from kubemacpool.cli.flags import ClusterFlags
    from kubemacpool.kube.transport import METADATA_OF_LIST
    from kubemacpool.wire.listing import read_head, read_page

    given = ctx.params
    flags = ClusterFlags(given.get("kubeconfig"), given.get("context") or "", request_timeout=str(SECONDS))

    async def names() -> list[str]:
        async with connected(flags) as cluster:
            page = read_page(await cluster.client.get("/api/v1/namespaces", accept=METADATA_OF_LIST))
            return [name for each in page.items if (name := read_head(each).identity.name).startswith(incomplete)]

    import asyncio

    with contextlib.suppress(BaseException):
        return asyncio.run(names())
    return []


def complete_kind(incomplete: str) -> list[str]:
    """Complete a kind of object that holds addresses."""
    from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE

    kinds = (POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)
    return [each for each in kinds if each.lower().startswith(incomplete.lower())]
