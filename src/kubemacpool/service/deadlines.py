"""By when an admission has to be answered, over all the times that the API server asks for it.

After a 503 the API server asks again with the same request uid, and tells the same time-out each time (`?timeout=`),
though it counts that from the first time (seen on 1.34 and 1.37).
"""

from collections import OrderedDict
from typing import Final

from kubemacpool.wire.admission import decode_uid

REMEMBERED: Final = 4096
"""Admissions that wait at a time. One that is forgotten is held a little too long, and that is all."""


class Deadlines:
    """The admissions that could not be answered at once."""

    def __init__(self) -> None:
        self._first_asked: OrderedDict[str, float] = OrderedDict()

    def of(self, body: bytes, asked: float, patience: float) -> float:
        """When the API server gives up on a review.

        Args:
            body: the review.
            asked: when it came, seconds on the monotonic clock.
            patience: the time-out that the API server told, in seconds.
        """
        uid = decode_uid(body)
        first = self._first_asked.setdefault(uid, asked) if uid else asked
        if asked >= first + patience:  # not the same admission any more
            first = self._first_asked[uid] = asked
        if len(self._first_asked) > REMEMBERED:
            self._first_asked.popitem(last=False)
        return first + patience
