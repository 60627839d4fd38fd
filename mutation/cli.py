"""The command line of `make mutation`."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mutation import sampling
from mutation.judging import Judgement, JudgementError, faults, load
from mutation.mutants import SURVIVED, Findings, Mutant, read
from mutation.scope import MODULES
from mutation.typechecking import TypeChecker
from mutation.workspace import forget, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY: Final = Path(__file__).parents[1]
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
PROGRESS_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
"""For mutmut to end what it has begun, before it is asked again."""
INTERRUPTED: Final = 130


def mutation(
    only: Annotated[
        list[str] | None, typer.Option(help="Only these, as `core/ledger.py`; again for more.", show_default="all")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Mutants under test at a time.")] = os.cpu_count() or 2,
    work: Annotated[Path, typer.Option(help="Where it writes, and goes on.")] = REPOSITORY / "_out/mutation/tree",
    sample: Annotated[
        int, typer.Option(min=0, help="Try so many functions, for some minutes.", show_default="all there are")
    ] = 0,
    seed: Annotated[str, typer.Option(help="By what they are drawn.", show_default="the date")] = "",
) -> None:
    """Make small mistakes in core, election and allocation, one at a time, and see which of them no unit test notices.

    A run that was interrupted goes on where it was. Fails for a survivor that is not judged in mutation/survivors.toml,
    and for a judgement of one that is noticed by now or not made any more. A sample fails where more than a tenth of
    its mutants survive unjudged.
    """
    patterns = only or list(MODULES)
    judgements = load(SURVIVORS)
    prepare(REPOSITORY, work, patterns)
    if sample:
        names = sampling.draw(work, patterns, sample, seed or datetime.now(UTC).date().isoformat())
        _sample(work, jobs, names, judgements)
        return
    _run_mutmut(work, jobs)
    findings = Findings(_refused_by_types(work))
    (work.parent / "survivors.toml").write_text("\n".join(map(_entry, findings.survivors.elements())), encoding="utf-8")
    wrong = faults(findings, judgements, whole=only is None)
    _say(findings, judgements)
    for fault in wrong:
        typer.echo(f"\n{fault}")
    if wrong:
        typer.echo(f"\n{len(wrong)} faults. Survivors, to be judged, are in {work.parent / 'survivors.toml'}.")
        raise typer.Exit(1)


def _sample(work: Path, jobs: int, names: Sequence[str], judgements: Sequence[Judgement]) -> None:
    """Try mutants of these names, as many as there is time for."""
    forget(work / "mutants")
    _run_mutmut(work, jobs, names, sampling.SECONDS)
    findings = Findings(sampling.tried(_refused_by_types(work)))
    _say(findings, judgements)
    unjudged = sampling.unjudged(findings, judgements)
    for change in unjudged:
        typer.echo(f"\nsurvived, and is not judged: {change}")
    if sampling.too_many(unjudged, findings):
        typer.echo(f"\n{len(unjudged)} of {findings.outcomes.total()} mutants: see CONTRIBUTING.md.")
        raise typer.Exit(1)


def _run_mutmut(work: Path, jobs: int, names: Sequence[str] = (), seconds: float = math.inf) -> None:
    """Run mutmut, and say now and then how far it is; what it says itself goes to a file.

    Args:
        work: the copy of the tree.
        jobs: how many mutants at a time.
        names: patterns of the names of those to try; none for all.
        seconds: how long at most.
    """
    log = work.parent / "mutmut.log"
    until = time.monotonic() + seconds
    program = Path(sys.executable).with_name("mutmut")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [program, "run", "--max-children", str(jobs), *names],
            cwd=work,
            env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        while True:
            try:
                process.wait(min(PROGRESS_SECONDS, max(until - time.monotonic(), 0.0)))
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() >= until:
                    process.send_signal(signal.SIGINT)
                    until += STOP_SECONDS
                    continue
                outcomes = Findings(read(work)).outcomes
                typer.echo(f"{outcomes.total() - outcomes['not tried']} of {outcomes.total()} mutants tried")
    if process.returncode:
        typer.echo(f"mutmut ended with {process.returncode}: see {log}")
        raise typer.Exit(process.returncode)


def _refused_by_types(work: Path) -> Iterator[Mutant]:
    """Every mutant; of those that no test has noticed, those that the types refuse are told apart."""
    checker = TypeChecker(REPOSITORY, work.parent)
    for mutant in read(work):
        if mutant.outcome == SURVIVED and checker.refuses(mutant.module, mutant.name, mutant.function):
            yield mutant._replace(outcome="refused by the types")
        else:
            yield mutant


def _say(findings: Findings, judgements: Sequence[Judgement]) -> None:
    for module, tally in [*findings.by_module.items(), ("altogether", findings.outcomes)]:
        figures = ", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.items()))
        typer.echo(f"{module}: {tally.total()} mutants: {figures}")
    tally_by_verdict = {each.verdict: 0 for each in judgements}
    for each in judgements:
        tally_by_verdict[each.verdict] += 1
    judged = ", ".join(f"{count} {verdict}" for verdict, count in sorted(tally_by_verdict.items()))
    typer.echo(f"judged: {judged or 'none'}")


def _entry(change: tuple[str, str, str]) -> str:
    """An entry of survivors.toml that has yet to be judged."""
    function, was, becomes = (json.dumps(text, ensure_ascii=False) for text in change)
    return f'[[survivor]]\nfunction = {function}\nwas = {was}\nbecomes = {becomes}\nverdict = ""\nreason = ""\n'


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(mutation)
    try:
        app()
    except JudgementError as error:
        sys.exit(f"mutation: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; run it again, and it goes on.\n")
        sys.exit(INTERRUPTED)
