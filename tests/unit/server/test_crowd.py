"""Who has to go when there is no room for another, connection by connection, on a clock that is moved."""

from kubemacpool.server import limits
from kubemacpool.server.crowd import Crowd, Slot


class Visitor:
    """A connection that only knows whether it was closed."""

    def __init__(self) -> None:
        self.gone = False

    def close_if_overdue(self) -> None:
        """Nothing is due here."""

    def close_if_idle(self) -> None:
        """Nobody drains here."""

    def leave(self) -> None:
        """It was closed."""
        self.gone = True


class Room:
    """A crowd with a clock, and those who came in by name."""

    def __init__(self, most: int = 4) -> None:
        self.time = 0.0
        self.crowd = Crowd(most, lambda: self.time)
        self.slots: dict[str, Slot] = {}
        self.visitors: dict[str, Visitor] = {}

    def enter(self, *names: str, after: float = 0.0) -> bool:
        """Somebody comes whose address is the part of the name before the dash; tells whether all were let in."""
        for name in names:
            self.time += after
            visitor = Visitor()
            slot = self.crowd.enter(name.partition("-")[0], visitor)
            if slot is None:
                return False
            self.slots[name], self.visitors[name] = slot, visitor
        return True

    def serve(self, *names: str) -> None:
        """They ask something good, and are answered."""
        for name in names:
            self.crowd.heard(self.slots[name])
            self.crowd.answered(self.slots[name], good=True)

    @property
    def gone(self) -> list[str]:
        """Those that had to go, in the order in which they came."""
        return [name for name, visitor in self.visitors.items() if visitor.gone]


OLD = 2 * limits.FRESH_SECONDS


def test_of_sources_that_were_never_served_the_one_with_most_makes_room() -> None:
    room = Room(6)
    room.enter("a-1", "b-1", "b-2", "b-3", "c-1", "c-2")
    room.time += OLD
    assert room.enter("d-1")
    assert room.gone == ["b-1"], "the oldest of them, though a-1 is older"


def test_a_source_that_was_served_keeps_what_it_has_not_used_yet() -> None:
    room = Room(6)
    room.enter("a-1", "a-2", "a-3")
    room.serve("a-1")
    room.enter("b-1", "c-1", "d-1")
    room.time += OLD
    assert room.enter("e-1")
    assert room.gone == ["b-1"], "a has more of them, and older ones"


def test_a_served_source_makes_room_once_nobody_else_can() -> None:
    room = Room(4)
    room.enter("a-1", "b-1", "a-2", "b-2")
    room.serve("a-1", "b-1")
    room.time += OLD
    assert room.enter("c-1")
    assert room.gone == ["a-2"], "what it did not use, before what it did"


def test_what_a_served_source_has_just_opened_is_about_to_carry_a_request() -> None:
    room = Room(4)
    room.enter("a-1", "b-1")
    room.serve("a-1", "b-1")
    room.enter("a-2", "b-2")
    assert room.enter("c-1")
    assert room.gone == ["a-1"], "the one that rests"


def test_those_that_have_just_come_go_after_those_that_have_been_silent_for_longer() -> None:
    room = Room(4)
    room.enter("a-1")
    room.time += OLD
    room.enter("b-1", "b-2", "c-1")
    assert room.enter("d-1")
    assert room.gone == ["a-1"], "b has more, but may be about to ask"


def test_whoever_rests_longest_goes_first_of_those_who_rest() -> None:
    room = Room(4)
    room.enter("a-1", "a-2", "b-1", "b-2")
    room.serve("a-1", "a-2", "b-1", "b-2")
    room.serve("a-1")
    assert room.enter("c-1")
    assert room.gone == ["a-2"], "a-1 has asked again"


def test_whoever_is_being_answered_stays() -> None:
    room = Room(4)
    room.enter("a-1", "a-2", "b-1", "b-2")
    room.serve("a-1", "a-2", "b-1", "b-2")
    for slot in room.slots.values():
        room.crowd.heard(slot)
    assert not room.enter("c-1")
    assert room.gone == []
    room.crowd.answered(room.slots["b-2"], good=True)
    assert room.enter("c-1")
    assert room.gone == ["b-2"]


def test_a_source_past_its_share_makes_room_among_its_own() -> None:
    room = Room(6)
    room.enter("b-1", "a-1", "a-2", "a-3")
    room.serve("a-1")
    assert room.enter("a-4", "a-5")
    assert room.gone == ["a-2", "a-3"], "those that ask nothing first"
    room.serve("a-4", "a-5")
    assert room.enter("a-6")
    assert room.gone == ["a-1", "a-2", "a-3"]
    assert len(room.crowd) == 4


def test_nothing_is_remembered_of_a_source_without_connections() -> None:
    room = Room(4)
    room.enter("a-1")
    room.serve("a-1")
    room.crowd.left(room.slots["a-1"])
    room.crowd.left(room.slots["a-1"])
    assert len(room.crowd) == 0
    room.enter("a-2")
    assert not room.slots["a-2"].source.served
    assert room.slots["a-2"].source.taken == 1


def test_an_answer_after_the_end_takes_no_room() -> None:
    room = Room(4)
    room.enter("a-1", "a-2")
    room.crowd.heard(room.slots["a-1"])
    room.crowd.left(room.slots["a-1"])
    room.crowd.answered(room.slots["a-1"], good=True)
    assert room.slots["a-1"] not in room.slots["a-2"].source.resting


def test_an_answer_to_what_never_arrived_completely_earns_no_rest() -> None:
    room = Room(4)
    room.enter("a-1")
    room.crowd.answered(room.slots["a-1"], good=True)
    assert list(room.slots["a-1"].source.owing) == [room.slots["a-1"]]
    assert not room.slots["a-1"].source.served


def test_an_answer_that_made_no_sense_proves_nothing() -> None:
    room = Room(4)
    room.enter("a-1")
    room.crowd.heard(room.slots["a-1"])
    room.crowd.answered(room.slots["a-1"], good=False)
    assert not room.slots["a-1"].source.served


def test_whoever_had_to_go_has_gone_before_the_next_comes() -> None:
    room = Room(4)
    room.enter("a-1", "b-1", "c-1", "d-1", "e-1", "f-1", "g-1")
    assert len(room.crowd) == 4
    assert room.gone == ["a-1", "b-1", "c-1"]
