import re

import pytest
from tests.unit.doubles import FIRST, new_ledger

from kubemacpool.core.addresses import format_address
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.telemetry.metrics import MOST_SERIES, Metrics


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
    metrics.follow(ledger)
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
    metrics.follow(ledger)
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
    metrics.follow(ledger)
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
    metrics.follow(ledger)
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
