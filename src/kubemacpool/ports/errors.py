"""What can go wrong outside, sorted by what the caller does next.

::

    OutsideError
    ├── ClusterUnavailableError   try again later, with back-off: no connection, time-out, 429, 5xx
    ├── ConflictError             read again, then judge: it may be one's own earlier write (409)
    ├── NotFoundError             the object is not there (404)
    ├── ResourceExpiredError      the resourceVersion or continue token is too old: list afresh (410)
    └── RefusedError              the request itself is wrong or not allowed: a person must act (400, 401, 403, 422)
"""


class OutsideError(Exception):
    """Something outside did not go as asked."""


class ClusterUnavailableError(OutsideError):
    """The API server did not answer, or asked to be left alone for now.

    Attributes:
        retry_after: seconds for which the API server asked to be left alone, None where it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConflictError(OutsideError):
    """The object changed or exists already."""


class NotFoundError(OutsideError):
    """The object, or its kind, is not there."""


class ResourceExpiredError(OutsideError):
    """The resourceVersion or continue token asked for is no longer kept."""


class RefusedError(OutsideError):
    """The API server understood and said no."""
