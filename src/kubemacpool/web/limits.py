"""How much one client, or all of them, may ask of the server; each bound with its derivation."""

from typing import Final

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes. The API server takes request bodies up to 3 MiB; a review holds at most two objects of that size (object and
oldObject) and a little about the request."""

MAX_LINE: Final = 8 * 1024
"""Bytes of the request line and of one header. The API server sends a path, a host and half a dozen short headers."""

MAX_HEADERS: Final = 64
"""Of one request, for the same reason."""

BODY_SECONDS: Final = 10.0
"""For a body to arrive. The API server sends it at once and gives up after the webhook's time-out, 10 s by default."""

HANDSHAKE_SECONDS: Final = 5.0
"""For TLS. A healthy client on the cluster's network needs milliseconds."""

LINGER_SECONDS: Final = 2.0
"""For the rest of a body that was refused unread: a client that is still sending would not see the answer if the
connection were closed under it."""

UNREAD_SECONDS: Final = 10.0
"""For a client to read the answer that it asked for, once the buffers on the way are full."""

CLOSE_SECONDS: Final = 2.0
"""For the other side to agree to the end of a TLS connection; one that is dead or hostile never does."""

KEEP_ALIVE_SECONDS: Final = 150.0
"""For an idle connection. The API server keeps its own for 90 s and must be the one that closes, or it would run into a
closing connection now and then; with margin."""

FIRST_REQUEST_SECONDS: Final = 10.0
"""From the end of the handshake to a complete request head. A client that has something to ask does so at once, and
gives up after the webhook's time-out, 10 s by default. The API server also keeps connections that it opened for a
request which another connection then served, and may pick one up at the very moment at which we close it: net/http does
not send a POST again for that, and the create would fail. So a source that was served before may leave a connection
unused for KEEP_ALIVE_SECONDS, unless there is no room for others or it has begun with a request and does not go on."""

MAX_CONNECTIONS: Final = 2048
"""At once, those in the TLS handshake included. An API server opens one for each admission that is under way; it limits
itself to 600 requests by default (--max-requests-inflight and --max-mutating-requests-inflight), and large clusters
have three or five of them."""

SOURCE_DIVISOR: Final = 2
"""A single address may have half of all connections: several API servers may come from one address (NAT), so the bound
lets one and a half of them through at their worst, and whatever a single address does, the other half remains."""

BACKLOG: Final = 1024
"""Connections that the kernel keeps for us while we do something else: what an API server opens at once (600), and
more. They are accepted in one go, so this many may be open beyond the bound for a moment."""

TELL_SECONDS: Final = 10.0
"""Between two lines of the log about connections that were turned away, of which there may be thousands a second."""

SWEEP_SECONDS: Final = 1.0
"""Between two looks for connections on which nothing was ever asked, or nothing is read."""

FRESH_SECONDS: Final = 1.0
"""A connection made no longer ago than this when the server drains is about to carry its first request."""

DRAIN_PACE_SECONDS: Final = 0.05
"""Between two looks, while draining, for connections that have become idle."""
