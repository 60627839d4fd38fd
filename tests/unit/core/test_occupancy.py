import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemacpool.core.pool import CHUNK, Occupancy


class CountedChunks(dict[int, bytearray]):
    """Chunks that count how often one is asked for: the steps of a search."""

    steps = 0

    def get(self, index: int, default: bytearray | None = None) -> bytearray | None:  # type: ignore[override]
        """One step."""
        self.steps += 1
        return super().get(index, default)


def occupied(size: int, *positions: int) -> Occupancy:
    occupancy = Occupancy(size)
    for position in positions:
        occupancy.take(position)
    return occupancy


@pytest.mark.parametrize("position", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_a_taken_position_is_passed_over_and_found_again_once_it_is_free(position: int) -> None:
    """At both sides of each border of chunks, and at the pool's own ends."""
    occupancy = occupied(2 * CHUNK + 6, position)
    assert occupancy.taken == 1
    assert occupancy.next_free(position) == (position + 1) % (2 * CHUNK + 6)
    occupancy.free(position)
    assert occupancy.taken == 0
    assert occupancy.next_free(position) == position


@pytest.mark.parametrize("size", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 65_536])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_the_only_free_position_is_found_from_everywhere(size: int, place: float) -> None:
    free = round((size - 1) * place)
    occupancy = occupied(size, *(position for position in range(size) if position != free))
    for start in {0, free, (free + 1) % size, (free - 1) % size, size - 1, size // 3}:
        assert occupancy.next_free(start) == free


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_full_pool_has_no_free_position(size: int) -> None:
    occupancy = occupied(size, *range(size))
    assert occupancy.taken == size
    assert occupancy.next_free(size - 1) is None


def test_taking_twice_and_freeing_twice_change_nothing() -> None:
    occupancy = occupied(10, 3, 3)
    assert occupancy.taken == 1
    occupancy.free(3)
    occupancy.free(3)  # its chunk is gone
    occupancy.take(4)
    occupancy.free(3)  # its chunk is there, for another's sake
    assert occupancy.taken == 1
    assert occupancy.next_free(3) == 3
    assert occupancy.next_free(4) == 5


def test_one_free_position_of_65536_is_found_in_a_step_a_chunk() -> None:
    """Steps, not time: what is full is not looked into."""
    occupancy = occupied(65_536, *(position for position in range(65_536) if position != 65_535))
    chunks = occupancy._chunks = CountedChunks(occupancy._chunks)
    assert occupancy.next_free(0) == 65_535
    assert chunks.steps == 65_536 // CHUNK


def test_a_chunk_is_kept_only_while_something_in_it_is_taken() -> None:
    """So a pool of any size costs what is taken from it."""
    occupancy = occupied(2**47, 0, 2**46, 2**47 - 1)
    assert len(occupancy._chunks) == 3
    assert occupancy.next_free(2**47 - 1) == 1
    for position in (0, 2**46, 2**47 - 1):
        occupancy.free(position)
    assert not occupancy._chunks
    assert not occupancy._taken


@given(st.integers(1, 3 * CHUNK), st.data())
def test_it_says_what_a_set_says(size: int, data: st.DataObject) -> None:
    positions = st.one_of(
        st.integers(0, size - 1),
        st.sampled_from([at for at in (0, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, size - 1) if at < size]),
    )
    runs = st.tuples(positions, st.integers(1, CHUNK + 1), st.booleans())
    occupancy, expected = Occupancy(size), set[int]()
    for first, length, take in data.draw(st.lists(runs, max_size=6)):
        run = range(first, min(first + length, size))
        for position in run:
            (occupancy.take if take else occupancy.free)(position)
        (expected.update if take else expected.difference_update)(run)
    assert occupancy.taken == len(expected)
    start = data.draw(positions)
    cycle = ((start + offset) % size for offset in range(size))
    assert occupancy.next_free(start) == next((each for each in cycle if each not in expected), None)


@given(st.sets(st.integers(0, 3 * CHUNK + 4)), st.sets(st.integers(0, 3 * CHUNK + 5), max_size=20))
def test_how_many_are_taken_before_a_position_is_what_a_set_says(taken: set[int], asked: set[int]) -> None:
    positions = sorted(asked)
    counted = list(occupied(3 * CHUNK + 5, *taken).taken_before(positions))
    assert counted == [sum(each < position for each in taken) for position in positions]
