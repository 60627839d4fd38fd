"""Counting by key: what has come to nothing is not kept."""

from typing import TypeVar

KeyT = TypeVar("KeyT")


def add(counts: dict[KeyT, int], key: KeyT, number: int) -> None:
    """Count more of a key, or less where the number is negative."""
    left = counts.get(key, 0) + number
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)
