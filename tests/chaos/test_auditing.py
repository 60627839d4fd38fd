"""The audit finds every address that two pods carry at once, and nothing else."""

from __future__ import annotations

from chaos.auditing import Auditor, Carrier, duplicates_in

FIRST, SECOND = "02:00:00:00:00:01", "02:00:00:00:00:02"


def pod(name: str, *addresses: str, uid: str = "") -> Carrier:
    """A pod as it is stored."""
    return Carrier(uid or f"uid-of-{name}", "default", name, frozenset(addresses))


def test_two_pods_with_one_address_are_a_duplicate_even_if_it_lasts_for_a_moment() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST), 1)
    auditor.present(pod("b", FIRST, SECOND), 2)
    auditor.gone("uid-of-a")
    (found,) = auditor.duplicates
    assert (found.address, found.resource_version) == (FIRST, 2)
    assert found.holders == ("Pod default/a (uid-of-a)", "Pod default/b (uid-of-b)")


def test_an_address_that_was_left_before_it_is_taken_is_none() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST), 1)
    auditor.gone("uid-of-a")
    auditor.present(pod("b", FIRST), 3)
    auditor.present(pod("b", FIRST), 4)
    assert auditor.duplicates == []
    assert auditor.addresses == 1


def test_an_address_that_is_taken_out_of_a_pod_is_left() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST, SECOND), 1)
    auditor.present(pod("a", SECOND), 2)
    auditor.present(pod("b", FIRST), 3)
    assert auditor.duplicates == []
    auditor.present(pod("c", SECOND), 4)
    assert [duplicate.address for duplicate in auditor.duplicates] == [SECOND]


def test_an_address_that_is_put_into_a_pod_is_looked_at() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST), 1)
    auditor.present(pod("b", SECOND), 2)
    auditor.present(pod("b", FIRST), 3)
    assert [duplicate.address for duplicate in auditor.duplicates] == [FIRST]


def test_after_a_gap_what_is_missing_has_gone_before_what_is_new() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST), 1)
    auditor.present(pod("b", SECOND), 2)
    auditor.replace([pod("c", FIRST), pod("b", SECOND)], 9)
    assert auditor.duplicates == []
    assert {each.name for each in auditor.live.values()} == {"b", "c"}


def test_a_pod_created_again_under_its_name_is_another_holder() -> None:
    auditor = Auditor()
    auditor.present(pod("a", FIRST, uid="old"), 1)
    auditor.present(pod("a", FIRST, uid="new"), 2)
    assert len(auditor.duplicates) == 1


def test_a_list_is_looked_at_by_itself() -> None:
    assert duplicates_in([pod("a", FIRST), pod("b", SECOND)], 7) == []
    (found,) = duplicates_in([pod("a", FIRST), pod("b", FIRST)], 7)
    assert found.address == FIRST
