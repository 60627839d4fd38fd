"""How much one client, or all of them, may ask of the server; each bound with its derivation."""

from typing import Final

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes. The API server takes request bodies up to 3 MiB; a review holds at most two objects of that size (object and
oldObject) and a little about the request."""

MAX_BODIES: Final = 64 * 1024 * 1024
"""Bytes of all bodies together, from their first byte until they are answered. An API server has at most 200 changing
requests under way by default (--max-mutating-requests-inflight), of some ten kilobytes each, where three of them make
8 MiB; eight times that, and the greatest body still fits several times. A single source may have half of it."""

SMALL_PIECE: Final = 4 * 1024
"""Bytes. What arrives in smaller pieces is joined, or the objects that hold it would be larger than what they hold."""

READ_AHEAD: Final = 64 * 1024
"""Bytes of one connection that are read before somebody wants them, by the TLS layer and by the HTTP layer each."""

RECEIVE_BUFFER: Final = 16 * 1024
"""Bytes that the kernel keeps for us on one connection (it doubles that). A read of the socket gives no more than this,
and the TLS layer keeps buffers as large as the greatest read that there was: without it, 400 bodies that are arriving
cost 200 MiB beside what is counted. A pod's review goes in one or two round trips, a megabyte in fifty milliseconds."""

MAX_LINE: Final = 8 * 1024
"""Bytes of the request line and of one header. The API server sends a path, a host and half a dozen short headers."""

MAX_HEADERS: Final = 64
"""Of one request, for the same reason."""

MAX_HEAD: Final = 32 * 1024
"""Bytes of a request's head as it arrives: room for a few lines of the greatest length, the others being short. A head
is in memory, outside every other bound, until it is complete."""

MAX_PIPELINED: Final = 4
"""Requests on one connection that wait for the one before them. The API server sends none; HTTP/1.1 allows it."""

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

FEW_CONNECTIONS: Final = 64
"""At once, to a port for metrics or probes only: a few scrapers and one kubelet, each with one at a time."""

SOURCE_DIVISOR: Final = 2
"""A single address may have half of all connections, and of the memory for bodies: several API servers may come from
one address (NAT), so the bound lets one and a half of them through at their worst, and whatever one address does, the
other half remains."""

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
