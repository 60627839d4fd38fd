"""Filling texts as `kubemacpool assign` fills files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kubemacpool.cli.manifest.documents import ManifestFile, parse
from kubemacpool.cli.manifest.filling import Books, Result, fill
from kubemacpool.cli.manifest.workloads import find
from kubemacpool.cli.pool.desk import Desk
from kubemacpool.cli.pool.ranges import pool_of_flags

if TYPE_CHECKING:
    from kubemacpool.core.pool import Pool

POOL = pool_of_flags("02:00:00:00:00:00-02:00:00:00:00:ff", [])


async def _nothing(_: object) -> None:
    pass


def result_of(*files: ManifestFile, pool: Pool = POOL) -> Result:
    """Fill files, all of one ledger."""
    workloads = find(document for file in files for document in file.documents).workloads
    return asyncio.run(fill(Books(Desk(pool)), workloads, _nothing))


def filled(text: str, pool: Pool = POOL) -> str:
    """Fill one text, in which nothing may be wrong."""
    file = parse("a.yaml", text.encode())
    result = result_of(file, pool=pool)
    assert result.faults == []
    return file.mark + result.texts.get(file, file.text)


def faults_of(*texts: str, pool: Pool = POOL) -> list[str]:
    """What is wrong with some texts, which are called a.yaml, b.yaml and so on."""
    files = [parse(f"{letter}.yaml", text.encode()) for letter, text in zip("abc", texts, strict=False)]
    result = result_of(*files, pool=pool)
    return [f"{fault.place}: {fault.message}" for fault in result.faults]
