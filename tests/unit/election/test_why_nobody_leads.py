"""What a replica that does not decide says when it is asked."""

import pytest
from tests.unit.doubles import ManualClock, new_allocator

from kubemacpool.election.elector import Elector
from kubemacpool.election.lease_writer import Member
from kubemacpool.ports import RetryLaterError
from kubemacpool.wire.lease import LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity

IDENTITY = ObjectIdentity("kubemacpool-system", "kubemacpool-leader", "uid")
HELD = LeaseRecord("other", "other:8000", 1, 5, frozenset(), {}, None, "7")


class NoStore:
    """Is not asked: the election does not run here."""

    async def read(self) -> LeaseRecord:
        """Not needed."""
        raise NotImplementedError

    async def create(self) -> LeaseRecord:
        """Not needed."""
        raise NotImplementedError

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:
        """Not needed."""
        raise NotImplementedError


class Scene:
    """A replica that stands by."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.obstacles: list[str] = []
        replica = Member("ours", "ours:8000")
        self.elector = Elector(replica, NoStore(), new_allocator(), {}, lambda: self.obstacles, self.clock)

    def excuse(self) -> str:
        """Why it does not decide."""
        with pytest.raises(RetryLaterError) as told:
            self.elector.check()
        return str(told.value)


async def test_while_another_replica_holds_the_lease_it_is_that_one_which_leads() -> None:
    scene = Scene()
    scene.obstacles = ["the list of the cluster's pods is not complete yet"]
    scene.elector.present(IDENTITY, HELD, 7)
    assert scene.excuse() == "another replica leads"


async def test_where_nobody_holds_the_lease_it_names_what_it_waits_for_itself() -> None:
    scene = Scene()
    scene.obstacles = ["one thing", "another"]
    assert scene.excuse() == "one thing; another"
    scene.elector.present(IDENTITY, HELD, 7)
    scene.clock.advance(5.0)
    assert scene.excuse() == "one thing; another"


async def test_where_nobody_holds_the_lease_and_nothing_is_missing_it_does_not_speak_of_another() -> None:
    scene = Scene()
    scene.elector.present(IDENTITY, HELD._replace(holder="", endpoint=""), 7)
    assert scene.excuse() == "no replica leads at this moment"
