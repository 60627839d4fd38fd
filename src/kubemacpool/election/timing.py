"""How long each thing about the Lease may take; each bound with its derivation. All in seconds."""

from typing import Final

LEASE_SECONDS: Final = 5
"""Without a renewal for so long, another replica may acquire it."""

MARGIN_SECONDS: Final = 1.0
"""So long before that the leader stops leading: more than two clocks can differ by in five seconds."""

RENEWAL_SECONDS: Final = 1.3
"""Between two renewals. Two of them may fail before the leader has to stop."""

WRITE_SECONDS: Final = 2.0
"""For the API server to answer one; it normally takes milliseconds."""

SIGHT_SECONDS: Final = 0.5
"""For what was allocated last to be observed before a release; it normally takes tens of milliseconds. What was refused
after us is never seen, so this is not for waiting long."""

OBSTACLE_SECONDS: Final = 5.0
"""For which the leader may be kept from leading by something of its own; then another one may try. As long as the
Lease lasts, which is what everybody would wait if it had died."""

CATCH_UP_SECONDS: Final = 30.0
"""For a new leader to observe all that it has to. A list of 100,000 objects takes some ten seconds."""

RETRY_SECONDS: Final = 0.2
"""Until the next attempt, after one that was not answered."""
