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

FIRST_REQUEST_SECONDS: Final = KEEP_ALIVE_SECONDS
"""From the end of the handshake to a complete request head. No less than for any idle connection: the API server also
keeps those that it opened for a request which another connection then served."""

MAX_CONNECTIONS: Final = 2048
"""At once. An API server opens one for each admission that is under way; it limits itself to 600 requests by default
(--max-requests-inflight and --max-mutating-requests-inflight), and large clusters have three or five of them."""

SWEEP_SECONDS: Final = 1.0
"""Between two looks for connections on which nothing was ever asked, or nothing is read."""

FRESH_SECONDS: Final = 1.0
"""A connection made no longer ago than this when the server drains is about to carry its first request."""

DRAIN_PACE_SECONDS: Final = 0.05
"""Between two looks, while draining, for connections that have become idle."""
