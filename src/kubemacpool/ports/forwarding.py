"""Handing a review to the replica that decides."""

from typing import Protocol

from kubemacpool.wire.answers import Answer


class PeerError(Exception):
    """The other replica gave no answer: not reached, broken off, or too late. The message says which."""


class UnreachableError(PeerError):
    """The other replica has taken nothing: there was no connection to it, or it does not know us for a replica."""


class Peer(Protocol):
    """Reaches other replicas."""

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """The other replica's answer to a review.

        Args:
            endpoint: its host and port, as the Lease tells.
            path: where the review was sent to.
            body: the review, as it came.
            seconds: how long to wait at most.

        Raises:
            PeerError: there is no answer. The other replica may have decided nevertheless, so addresses may be pending.
        """
        ...
