"""Which pool is meant: by flags, by a ConfigMap among the manifests, or as the release has it."""

from collections.abc import Sequence

from kubemacpool.cli.manifest.documents import ManifestError, read_all
from kubemacpool.cli.manifest.workloads import Found, find
from kubemacpool.cli.pool.ranges import SHIPPED, PoolFlagError, pool_of, pool_of_flags
from kubemacpool.core.pool import Pool
from kubemacpool.wire.config import RANGE_CONFIG_MAP


def pool_for(range_: str | None, excluded: Sequence[str], config_map: str | None, found: Found) -> Pool:
    """The pool that the flags name, or the manifests.

    Args:
        range_: FIRST-LAST.
        excluded: addresses and ranges that it is without.
        config_map: the file with the ConfigMap.
        found: the manifests.

    Raises:
        ManifestError: the manifest of the ConfigMap cannot be read.
        PoolFlagError: there is no such pool.
    """
    if range_ is not None:
        return pool_of_flags(range_, excluded)
    maps = found.config_maps
    if config_map is not None:
        maps = find(document for file in read_all([config_map]) for document in file.documents).config_maps
        if RANGE_CONFIG_MAP not in maps:
            raise ManifestError(f"{config_map}: there is no ConfigMap {RANGE_CONFIG_MAP} in it; name its manifest")
    if RANGE_CONFIG_MAP not in maps:
        return pool_of(SHIPPED, excluded)
    document, data = maps[RANGE_CONFIG_MAP]
    try:
        return pool_of({key: str(value) for key, value in data.items()}, excluded)
    except PoolFlagError as error:
        line = document.file.line_of(document.node.start_mark.index)
        raise PoolFlagError(f"{document.file.name}:{line}: ConfigMap {RANGE_CONFIG_MAP}: {error}") from error
