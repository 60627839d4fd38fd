import re
import time
from importlib.metadata import version
from platform import python_version
from typing import get_args

import pytest
from tests.unit.doubles import FIRST, new_ledger

from kubemacpool.core.addresses import format_address
from kubemacpool.core.budgets import SHARE
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.ports import RefusalReason
from kubemacpool.telemetry.collectors import MOST_RANGES, MOST_SERIES
from kubemacpool.telemetry.metrics import Metrics


def _sample(metrics: Metrics, name: str) -> float | None:
    body, _ = metrics.exposition()
    found = re.search(rf"^{re.escape(name)} (\S+)$", body.decode(), re.MULTILINE)
    return None if found is None else float(found[1])


def test_the_exposition_says_its_format() -> None:
    body, content_type = Metrics().exposition()
    assert content_type.startswith("text/plain; version=")
    assert body.endswith(b"\n")


def test_admissions_are_counted_by_outcome_and_time() -> None:
    metrics = Metrics()
    for seconds in (0.0002, 0.0002, 0.02):
        metrics.admission("allocated", seconds)
    metrics.admission("refused", 9.0)
    name = "kubemacpool_admission_duration_seconds"
    assert _sample(metrics, f'{name}_count{{outcome="allocated"}}') == 3
    assert _sample(metrics, f'{name}_sum{{outcome="allocated"}}') == pytest.approx(0.0204)
    assert _sample(metrics, f'{name}_bucket{{le="0.00025",outcome="allocated"}}') == 2
    assert _sample(metrics, f'{name}_bucket{{le="5.0",outcome="refused"}}') == 0
    assert _sample(metrics, f'{name}_count{{outcome="refused"}}') == 1


def test_whether_the_range_is_in_force_is_shown() -> None:
    metrics = Metrics()
    assert _sample(metrics, "kubemacpool_range_valid") == 0
    metrics.range_judged(valid=True)
    assert _sample(metrics, "kubemacpool_range_valid") == 1
    metrics.range_judged(valid=False)
    assert _sample(metrics, "kubemacpool_range_valid") == 0


def test_objects_that_cannot_be_read_are_counted_by_kind() -> None:
    metrics = Metrics()
    metrics.unreadable("Pod")
    metrics.unreadable("Pod")
    assert _sample(metrics, 'kubemacpool_unreadable_objects_total{kind="Pod"}') == 2


def test_the_ledger_is_shown_as_it_is_when_asked() -> None:
    metrics, ledger = Metrics(), new_ledger(size=10)
    metrics.show_ledger(ledger)
    key = ObjectKey("VirtualMachine", "default", "a")
    ledger.observe(Holder(key, "u1", Party(*key), (FIRST, FIRST + 1, FIRST + 2)), 1.0)
    ledger.observe(Holder(key, "u1", Party(*key), (FIRST, FIRST + 1)), 1.0)
    ledger.allocate(FIRST + 5, Party(*key), 1.0)
    shown = {
        state: _sample(metrics, f'kubemacpool_addresses{{state="{state}"}}')
        for state in ("held", "in_flight", "cooling")
    }
    assert shown == {"held": 2, "in_flight": 1, "cooling": 1}
    assert _sample(metrics, "kubemacpool_pool_size_addresses") == 10
    assert _sample(metrics, "kubemacpool_pool_free_addresses") == 6
    ledger.vanish(key, 2.0)
    assert _sample(metrics, 'kubemacpool_addresses{state="held"}') == 0


def test_addresses_that_several_parties_carry_are_shown_while_they_do() -> None:
    metrics, ledger = Metrics(), new_ledger(size=10)
    metrics.show_ledger(ledger)
    assert _sample(metrics, "kubevirt_kmp_duplicate_macs") == 0
    keys = [ObjectKey("Pod", "default", name) for name in "abc"]
    for key in keys:
        ledger.observe(Holder(key, f"uid-{key.name}", Party(*key), (FIRST,)), 1.0)
    shared = f'kmp_mac_collisions{{mac="{format_address(FIRST)}"}}'
    assert (_sample(metrics, shared), _sample(metrics, "kubevirt_kmp_duplicate_macs")) == (3, 1)
    ledger.vanish(keys[0], 2.0)
    assert _sample(metrics, shared) == 2
    ledger.vanish(keys[2], 2.0)
    assert (_sample(metrics, shared), _sample(metrics, "kubevirt_kmp_duplicate_macs")) == (None, 0)


def test_of_many_collisions_those_found_first_have_a_series_and_the_total_is_true() -> None:
    metrics, ledger = Metrics(), new_ledger(size=10)
    metrics.show_ledger(ledger)
    one, other = (ObjectKey("VirtualMachineInstance", "ns", name) for name in ("one", "other"))
    for key in (one, other):
        ledger.observe(Holder(key, key.name, Party(*key), tuple(range(FIRST, FIRST + MOST_SERIES + 7))), 1.0)

    def shown(first: int, last: int) -> list[float | None]:
        return [
            _sample(metrics, f'kmp_mac_collisions{{mac="{format_address(FIRST + each)}"}}') for each in (first, last)
        ]

    assert _sample(metrics, "kubevirt_kmp_duplicate_macs") == MOST_SERIES + 7
    assert shown(0, MOST_SERIES - 1) == [2, 2]
    assert shown(MOST_SERIES, MOST_SERIES + 6) == [None, None]
    ledger.observe(Holder(other, "other", Party(*other), tuple(range(FIRST + 1, FIRST + MOST_SERIES + 7))), 2.0)
    assert shown(0, MOST_SERIES) == [None, 2], "one was resolved, and the next has its place"


def test_the_namespaces_with_most_on_its_way_are_shown() -> None:
    metrics, ledger = Metrics(), new_ledger(size=10)
    metrics.show_ledger(ledger)
    number = 0
    for namespace in range(12):
        for _ in range(namespace + 1):
            ledger.allocate(FIRST + number, Party("Pod", f"ns-{namespace}", f"pod-{number}"), 1.0)
            number += 1
    name = "kubemacpool_in_flight_addresses"
    shown = {each: _sample(metrics, f'{name}{{namespace="ns-{each}"}}') for each in range(12)}
    assert shown == {0: None, 1: None, **{each: each + 1 for each in range(2, 12)}}


def test_the_process_is_shown() -> None:
    assert (_sample(Metrics(), "process_cpu_seconds_total") or 0) > 0


def test_two_programs_in_one_process_keep_their_figures_apart() -> None:
    first, second = Metrics(), Metrics()
    first.range_judged(valid=True)
    assert _sample(second, "kubemacpool_range_valid") == 0


def test_what_runs_and_since_when_is_shown() -> None:
    metrics = Metrics()
    labels = f'python_version="{python_version()}",version="{version("kubemacpool")}"'
    assert _sample(metrics, f"kubemacpool_build_info{{{labels}}}") == 1
    assert 0 <= time.time() - (_sample(metrics, "kubemacpool_start_time_seconds") or 0) < 600


def test_refusals_are_counted_by_reason_from_zero() -> None:
    metrics = Metrics()
    metrics.refused("held")
    metrics.refused("held")
    metrics.refused("exhausted")
    name = "kubemacpool_refusals_total"
    shown = {each: _sample(metrics, f'{name}{{reason="{each}"}}') for each in get_args(RefusalReason)}
    assert shown == {"held": 2, "in_flight": 0, "twice": 0, "unusable": 0, "limit": 0, "exhausted": 1, "invalid": 0}


def test_allocated_addresses_are_counted_by_who_chose_them_from_zero() -> None:
    metrics = Metrics()
    metrics.allocated("automatic", 3)
    name = "kubemacpool_allocated_addresses_total"
    assert [_sample(metrics, f'{name}{{choice="{each}"}}') for each in ("automatic", "given")] == [3, 0]


def test_how_full_each_range_is_is_shown_for_the_first_of_them() -> None:
    metrics = Metrics()
    ranges = [AddressRange(FIRST + 16 * each, FIRST + 16 * each + 9) for each in range(MOST_RANGES + 1)]
    ledger = Ledger(Pool(ranges, [AddressRange(FIRST, FIRST + 1)]), in_flight_bound=1, cool_down=1)
    metrics.show_ledger(ledger)
    for address in (FIRST + 5, FIRST + 16, FIRST + 17, FIRST + 12):
        ledger.allocate(address, Party("Pod", "default", "a"), 1.0)

    def shown(what: str, number: int) -> float | None:
        return _sample(metrics, f'kubemacpool_range_{what}_addresses{{range="{ranges[number]}"}}')

    assert [shown("size", each) for each in (0, 1, 2)] == [8, 10, 10]
    assert [shown("free", each) for each in (0, 1, 2)] == [7, 8, 10]
    assert (shown("free", MOST_RANGES - 1), shown("free", MOST_RANGES)) == (10, None)


class Watch:
    """As a reflector shows itself."""

    silent_seconds: float | None = 1.5
    lists = 2


def test_watches_are_shown_as_they_are_when_asked_and_not_when_nothing_is_followed_any_more() -> None:
    metrics, watch = Metrics(), Watch()
    metrics.follow("pods", watch)

    def shown() -> list[float | None]:
        names = ("kubemacpool_watch_age_seconds", "kubemacpool_watch_lists_total")
        return [_sample(metrics, f'{name}{{resource="pods"}}') for name in names]

    assert shown() == [1.5, 2]
    watch.silent_seconds = 60
    assert shown() == [60, 2]
    watch.silent_seconds = None
    assert shown() == [None, None]
    metrics.follow("pods", Watch())
    assert shown() == [1.5, 2]


def test_what_one_namespace_may_have_in_flight_is_shown() -> None:
    metrics = Metrics()
    metrics.show_ledger(new_ledger(size=10))
    assert _sample(metrics, "kubemacpool_in_flight_limit_addresses") == SHARE
