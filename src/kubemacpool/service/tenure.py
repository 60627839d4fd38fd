"""What those who answer reviews ask of the election."""

from typing import Protocol


class Tenure(Protocol):
    """Who decides, as the election knows it."""

    @property
    def deciding(self) -> bool:
        """Whether this replica does."""
        ...

    @property
    def endpoint_of_decider(self) -> str | None:
        """Where another one is reached that does; None where none is known."""
        ...

    @property
    def out_of_touch(self) -> bool:
        """Whether this replica has heard nothing for so long that the others may well know of one."""
        ...

    @property
    def seconds_since_renewal(self) -> float:
        """Since the Lease was last renewed, as far as this replica knows."""
        ...

    async def until_changed(self, seconds: float) -> None:
        """Returns when that has changed, or after so many seconds."""
        ...
