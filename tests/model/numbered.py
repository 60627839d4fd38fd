"""Values by number: comparing numbers is comparing values, and cheap."""

from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Numbered(Generic[ItemT]):
    """Values in the order in which they came up."""

    def __init__(self) -> None:
        self.values: list[ItemT] = []
        self._numbers: dict[ItemT, int] = {}

    def number(self, value: ItemT) -> int:
        """The number of a value; the next one if it is new."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number
