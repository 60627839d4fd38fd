"""Whether this replica can do its work, and if not, what it waits for."""


class Readiness:
    """Obstacles by name, each with a sentence for people; ready while there are none.

    Remarks are what people should know of a replica that is ready.
    """

    def __init__(self) -> None:
        self._obstacles: dict[str, str] = {}
        self._remarks: dict[str, str] = {}

    def hinder(self, name: str, sentence: str) -> None:
        """Something is missing; said again under the same name, the sentence is replaced."""
        self._obstacles[name] = sentence

    def clear(self, name: str) -> None:
        """The obstacle of this name is gone, if it was there."""
        self._obstacles.pop(name, None)

    def remark(self, name: str, sentence: str) -> None:
        """Something will be missing unless somebody looks at it; said again, the sentence is replaced."""
        self._remarks[name] = sentence

    def forget(self, name: str) -> None:
        """The remark of this name does not apply any more, if it was there."""
        self._remarks.pop(name, None)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What is missing, a sentence each."""
        return tuple(self._obstacles.values())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What will be, a sentence each."""
        return tuple(self._remarks.values())
