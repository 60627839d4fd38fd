from tests.unit.core.subjects import at, holder, key, ledger, pod

from kubemacpool.core.inspection import known_addresses, state_of


def test_everything_that_is_known_of_an_address_is_told() -> None:
    subject = ledger()
    subject.inherit({at(3)}, 5.0)
    subject.observe(holder("web", 1), 6.0)
    subject.allocate(at(2), pod("db"), 7.0)
    subject.observe(holder("gone", 0), 8.0)
    subject.vanish(key("gone"), 9.0)
    held, coming, doubtful, released = (state_of(subject, at(number)) for number in (1, 2, 3, 0))
    assert [each.key for each in held.holders] == [key("web")]
    assert (held.in_pool, held.allocations, held.in_doubt, held.cooling) == (True, (), False, None)
    assert [(each.party, each.allocated_at) for each in coming.allocations] == [(pod("db"), 7.0)]
    assert doubtful.in_doubt
    assert released.cooling is not None
    assert released.cooling.since == 9.0
    assert released.holders == ()


def test_an_address_of_which_nothing_is_known_is_told_as_well() -> None:
    state = state_of(ledger(), 0x0A_00_00_00_00_00)
    assert (state.in_pool, state.holders, state.allocations, state.in_doubt, state.cooling) == (
        False,
        (),
        (),
        False,
        None,
    )


def test_every_known_address_is_told_once_what_is_not_settled_first() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0)
    subject.observe(holder("twin", 1, 0), 1.0)
    subject.allocate(at(2), pod("db"), 2.0)
    subject.allocate(at(0), pod("twin"), 2.0)
    assert list(known_addresses(subject)) == [at(2), at(0), at(1)]
    assert list(known_addresses(ledger())) == []
