"""How long nobody has decided."""

from kubemacpool.ports.clock import Clock


class Vacancy:
    """Counts the time in which nobody is known to decide. It begins with nobody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before = 0.0
        self._since: float | None = clock.now()

    @property
    def seconds(self) -> float:
        """Altogether, until now."""
        return self._before + (0.0 if self._since is None else self._clock.now() - self._since)

    def see(self, *, somebody: bool) -> None:
        """Somebody decides from now on, or nobody does; said again, it changes nothing."""
        if somebody:
            self._before, self._since = self.seconds, None
        elif self._since is None:
            self._since = self._clock.now()

    def reach_back(self, since: float) -> None:
        """Nobody has decided since then already, as is known only now."""
        until = self._clock.now() if self._since is None else self._since
        self._before += max(0.0, until - since)
