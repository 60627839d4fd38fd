"""What goes back over HTTP, whoever has decided it."""

from typing import Final, NamedTuple

RETRY_AFTER: Final = 1
"""Seconds after which the API server asks again, inside the same admission, until the webhook's time-out."""

SERVICE_UNAVAILABLE: Final = 503

MISDIRECTED: Final = 421
"""What a replica answers to a review that was handed to it while it does not decide (RFC 9110, section 15.5.20)."""


class Answer(NamedTuple):
    """A response.

    Attributes:
        status: of HTTP.
        body: what it says.
        content_type: of the body.
        retry_after: after how many seconds to ask again, where the status is 503.
        elsewhere: whether to ask another replica then: the connection is closed, so that the Service picks one anew.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after: int | None = None
    elsewhere: bool = False


def in_words(status: int, message: str) -> Answer:
    """An answer for people, for what is no AdmissionReview or cannot be decided now; a 503 says when to ask again."""
    retry_after = RETRY_AFTER if status == SERVICE_UNAVAILABLE else None
    return Answer(status, message.encode() + b"\n", "text/plain", retry_after)
