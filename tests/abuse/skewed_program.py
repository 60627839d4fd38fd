"""The program on a machine whose clock is 400 days ahead: what it takes from `datetime` is, and OpenSSL's is not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from kubemacpool import expiry
from kubemacpool.cli.main import main
from kubemacpool.kube import client

if TYPE_CHECKING:
    from typing import Self

AHEAD = dt.timedelta(days=400)


class Skewed(dt.datetime):
    """Says that it is later than it is."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        """Later than it is."""
        return super().now(tz) + AHEAD


for module in (expiry, client):
    vars(module)["datetime"] = Skewed
main()
