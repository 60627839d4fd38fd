"""docs/benchmarks.md is made from its figures, and by nobody's hand."""

from __future__ import annotations

import msgspec
import pytest
from bench.errors import BenchError
from bench.machine import Machine
from bench.page import FIGURES, PAGE, TEMPLATE, UNMEASURED, page
from bench.results import COST, Ratio, Results, Run, Sample, Series, Webhook, ratio, read_results

MACHINE = Machine("2026-11-28T04:00:00+00:00", 2, "a processor", 4.0, "6.18", 0.1, "3.11", "go1.26", {"uvloop": "1"})
RUN = Run([], "0123456789", MACHINE, 1)


def measured(name: str, per_second: float, cpu_ms: float) -> Series:
    """One round of one case."""
    return Series(name, 16, [Sample(1, per_second, 1.0, 2.0, {"webhook": cpu_ms}, 0.0)])


def results() -> Results:
    """A run of the webhook alone."""
    ours, floor = measured("ours", 6_000, 0.2), measured("floor", 10_000, 0.1)
    compared = [ratio("ours / floor", ours, floor), ratio("ours / floor", ours, floor, COST)]
    return Results({"webhook": RUN}, Webhook(1.0, 6_900, [floor, ours], compared))


def test_the_page_is_what_its_figures_make_of_its_template() -> None:
    made = page(TEMPLATE.read_text(encoding="utf-8"), read_results(FIGURES))
    assert made == PAGE.read_text(encoding="utf-8"), "make bench-docs"


def test_tables_runs_and_ratios_stand_in_their_places() -> None:
    made = page("{{webhook: run}}\n{{webhook: ours / floor, 16}}\n{{webhook ratios}}", results())
    run, one, *table = made.splitlines()
    assert "commit 0123456789" in run
    assert one == "0.60"
    assert table[-1].endswith("| 16 | 0.50 |")


def test_what_was_not_measured_is_not_told() -> None:
    assert page("{{cluster}}", results()) == UNMEASURED


@pytest.mark.parametrize("place", ["{{webhooks}}", "{{webhook rations}}", "{{runs}}"])
def test_a_place_that_names_nothing_is_refused(place: str) -> None:
    with pytest.raises(BenchError, match="names no"):
        page(place, results())


def test_a_new_run_replaces_what_it_has_measured_and_leaves_the_rest() -> None:
    earlier = results()
    later = msgspec.structs.replace(RUN, commit="later")
    merged = Results({"takeover": later}, takeover=None).over(earlier)
    assert merged.webhook == earlier.webhook
    assert {name: run.commit for name, run in merged.runs.items()} == {"webhook": RUN.commit, "takeover": "later"}


def test_cheaper_is_more_than_one_both_by_rate_and_by_cpu_time() -> None:
    assert ratio("x", measured("a", 20, 1), measured("b", 10, 4)).median == 2
    assert ratio("x", measured("a", 20, 1), measured("b", 10, 4), COST) == Ratio("x", 16, COST, 4, 4, 4)
