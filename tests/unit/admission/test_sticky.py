"""The address that a pod with a stable name prefers, derived and not stored."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.doubles import small_pool

from kubemacpool.admission.pods import preferred
from kubemacpool.core.pool import AddressRange, Pool

HUGE = Pool([AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)])
names = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))


@given(pod=names, interface=st.integers(0, 20))
def test_the_same_pod_prefers_the_same_address_wherever_that_is_worked_out(
    pod: tuple[str, str, str], interface: int
) -> None:
    again = Pool([AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)])
    address = preferred(HUGE, pod, interface, ())
    assert address is not None
    assert address == preferred(again, pod, interface, ())
    assert again.address_at(0) <= address <= again.address_at(again.size - 1)


def test_two_clusters_two_namespaces_two_names_and_two_interfaces_differ() -> None:
    pods = [
        (uid, namespace, name)
        for uid in ("cluster-1", "cluster-2")
        for namespace in ("ns1", "ns2")
        for name in ("db-0", "db-1")
    ]
    found = {preferred(HUGE, pod, interface, ()) for pod in pods for interface in range(2)}
    assert len(found) == 16


def test_parts_of_the_name_are_not_run_together() -> None:
    assert preferred(HUGE, ("uid", "a", "bc"), 0, ()) != preferred(HUGE, ("uid", "ab", "c"), 0, ())
    assert preferred(HUGE, ("uid", "a", "b1"), 1, ()) != preferred(HUGE, ("uid", "a", "b"), 11, ())


@given(pod=names, size=st.integers(1, 12))
def test_interfaces_of_one_pod_never_prefer_one_address_and_a_pool_that_is_too_small_says_so(
    pod: tuple[str, str, str], size: int
) -> None:
    pool = small_pool(size)
    everything = {pool.address_at(position) for position in range(size)}
    address = preferred(pool, pod, 0, everything)
    assert address is None
    taken: set[int] = set()
    for interface in range(size):
        address = preferred(pool, pod, interface, taken)
        assert address not in taken
        if address is not None:
            assert address in everything
            taken.add(address)
