from __future__ import annotations

import pytest
from chaos.growth import ALLOWED, DESCRIPTORS, FEWEST, RESIDENT, SECRETS_THERE, TASKS, Growth, Series

SECONDS = 1000.0


def _series(what: str, early: float, late: float, of: str = "replica-1", every: float = 5.0) -> Series:
    """A figure that goes from one to the other half way."""
    times = [every * number for number in range(int(SECONDS / every))]
    return Series(what, of, [(at, early if at < SECONDS / 2 else late) for at in times])


def _growth(*series: Series) -> Growth:
    """These, and what does not grow."""
    given = {(each.what, each.of) for each in series}
    still = [_series(what, 10, 10) for what in ALLOWED if (what, "replica-1") not in given]
    return Growth(SECONDS, [*series, *still])


def _missed(growth: Growth) -> list[str]:
    return [target.name for target in growth.targets() if not target.reached]


def test_what_does_not_grow_is_well() -> None:
    assert _missed(_growth()) == []
    assert len(_growth().targets()) == len(ALLOWED)


@pytest.mark.parametrize(
    ("series", "missed"),
    [
        (_series(RESIDENT, 80 << 20, 100 << 20), []),
        (_series(RESIDENT, 80 << 20, 110 << 20), [f"{RESIDENT} do not grow"]),
        (_series(RESIDENT, 110 << 20, 80 << 20), []),
        (_series(DESCRIPTORS, 30, 60), []),
        (_series(DESCRIPTORS, 30, 90), [f"{DESCRIPTORS} do not grow"]),
        (_series(TASKS, 30, 60), [f"{TASKS} do not grow"]),
        (_series(SECRETS_THERE, 2, 3), [f"{SECRETS_THERE} do not grow"]),
    ],
)
def test_what_grows_beyond_its_allowance_is_told(series: Series, missed: list[str]) -> None:
    growth = _growth(series)
    assert _missed(growth) == missed
    if missed:
        assert any("replica-1: " in target.found for target in growth.targets())


def test_one_replica_that_grows_among_others_is_found() -> None:
    assert _missed(_growth(_series(TASKS, 30, 300, of="replica-2"))) == [f"{TASKS} do not grow"]


def test_a_moment_does_not_count() -> None:
    series = _series(TASKS, 30, 30)
    series.samples[-1] = (series.samples[-1][0], 3000.0)
    assert _missed(_growth(series)) == []


def test_a_process_that_ended_early_is_not_compared_and_a_figure_that_nobody_sampled_is_a_fault() -> None:
    ended = _series(TASKS, 30, 3000, of="ended")
    ended.samples[:] = [(at, figure) for at, figure in ended.samples if at < 0.85 * SECONDS]
    assert ended.ends(SECONDS) is None or len(ended.samples) > FEWEST
    only = Growth(SECONDS, [_series(what, 10, 10) for what in ALLOWED if what != TASKS])
    assert _missed(only) == [f"{TASKS} do not grow"]
    assert "too few samples" in [target.found for target in only.targets()]
