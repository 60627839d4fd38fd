"""What may be allocated without having been seen: what the Lease is known to name, and nothing else (rule 1)."""

from kubemacpool.core.reservations import Reservations


def reserved(*names: int) -> Reservations:
    """The Lease lists these for sure."""
    reservations = Reservations()
    reservations.begin_write(names)
    reservations.confirm(names)
    return reservations


def open_in(reservations: Reservations) -> set[int]:
    return {address for address in range(10) if address in reservations}


def test_nothing_is_open_before_the_lease_names_anything() -> None:
    assert open_in(Reservations()) == set()


def test_a_name_is_open_once_the_write_is_confirmed_and_not_before() -> None:
    reservations = reserved(1)
    reservations.begin_write({1, 2})
    assert open_in(reservations) == {1}
    reservations.confirm({1, 2})
    assert open_in(reservations) == {1, 2}


def test_what_a_write_leaves_out_is_not_open_from_the_moment_it_is_sent() -> None:
    """It may take effect long before its answer comes, and somebody else may take over from there."""
    reservations = reserved(1, 2)
    reservations.begin_write({2, 3})
    assert open_in(reservations) == {2}
    reservations.confirm({2, 3})
    assert open_in(reservations) == {2, 3}


def test_after_a_lost_write_neither_what_it_added_nor_what_it_left_out_is_open() -> None:
    reservations = reserved(1, 2)
    reservations.begin_write({2, 3})
    reservations.begin_write({1, 2, 3})  # the next attempt; the first may have been made, or may still be
    assert open_in(reservations) == {2}
    reservations.confirm({1, 2, 3})
    assert open_in(reservations) == {1, 2, 3}


def test_what_the_lease_turns_out_to_name_after_a_lost_write_is_open() -> None:
    """It was read again: of the two that it may name after a lost write, it names the one."""
    reservations = reserved(1, 2)
    reservations.begin_write({2, 3})
    reservations.confirm({1, 2})
    assert open_in(reservations) == {1, 2}


def test_nothing_is_open_to_who_does_not_decide() -> None:
    reservations = reserved(1, 2)
    reservations.close()
    assert open_in(reservations) == set()
    assert len(reservations) == 0


def test_its_size_is_how_many_addresses_the_lease_names() -> None:
    assert len(reserved(1, 2, 3)) == 3
