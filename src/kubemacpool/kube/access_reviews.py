"""Asking the API server who a caller is, and what he may do.

Needs the verb create on tokenreviews and subjectaccessreviews.
"""

from kubemacpool.kube.transport import WritingTransport
from kubemacpool.ports import ClusterUnavailableError
from kubemacpool.wire.access import (
    ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    User,
    access_review,
    read_access_review,
    read_token_review,
    token_review,
)
from kubemacpool.wire.listing import UnexpectedAnswerError


class AccessReviews:
    """Implements `kubemacpool.server.access.Reviews`."""

    def __init__(self, client: WritingTransport) -> None:
        self._client = client

    async def user_of(self, token: str) -> User | None:
        """Whose a bearer token is; None where it is nobody's."""
        try:
            return read_token_review(await self._client.create(TOKEN_REVIEWS, token_review(token)))
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"POST {TOKEN_REVIEWS}: {error}") from error

    async def may(self, user: User, path: str, verb: str) -> bool:
        """Whether a user may do this with a path that is no resource."""
        try:
            return read_access_review(await self._client.create(ACCESS_REVIEWS, access_review(user, path, verb)))
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"POST {ACCESS_REVIEWS}: {error}") from error
