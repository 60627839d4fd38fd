"""What a review costs in our own code, against what any program in Python pays for it."""

from bench.own_code import measure

MOST = 15.0
"""Times the floor: 10.5 to 12.6 were seen, and 17.3 before the path was made short."""


async def test_a_review_costs_little_more_than_reading_it_and_answering() -> None:
    figures = await measure(60)
    assert figures.ours / figures.plain < MOST, figures
