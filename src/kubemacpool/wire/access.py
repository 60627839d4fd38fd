"""Who a caller is, and what he may do, as the API server is asked: TokenReview and SubjectAccessReview."""

import msgspec

from kubemacpool.wire.listing import UnexpectedAnswerError

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 (a path)
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class User(msgspec.Struct, frozen=True):
    """A user as the API server knows one.

    Attributes:
        username: such as `system:serviceaccount:monitoring:prometheus`.
        uid: empty where there is none.
        groups: of which the user is a member.
        extra: whatever else authorization may look at.
    """

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = msgspec.field(default_factory=dict)


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: User = User()


class _TokenReview(msgspec.Struct):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessStatus


_token_reviews = msgspec.json.Decoder(_TokenReview)
_access_reviews = msgspec.json.Decoder(_AccessReview)


def token_review(token: str) -> bytes:
    """The question whose a bearer token is."""
    question = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    return msgspec.json.encode(question)


def read_token_review(body: bytes) -> User | None:
    """Whose the token is; None where it is nobody's.

    Raises:
        UnexpectedAnswerError: it is no TokenReview.
    """
    try:
        status = _token_reviews.decode(body).status
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnexpectedAnswerError(f"not a TokenReview: {error}") from error
    return status.user if status.authenticated else None


def access_review(user: User, path: str, verb: str) -> bytes:
    """The question whether a user may do this with a path that is no resource.

    Args:
        user: who.
        path: such as `/metrics`.
        verb: the method of HTTP in small letters.
    """
    spec = {
        "user": user.username,
        "uid": user.uid,
        "groups": user.groups,
        "extra": user.extra,
        "nonResourceAttributes": {"path": path, "verb": verb},
    }
    question = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return msgspec.json.encode(question)


def read_access_review(body: bytes) -> bool:
    """Whether the user may.

    Raises:
        UnexpectedAnswerError: it is no SubjectAccessReview.
    """
    try:
        return _access_reviews.decode(body).status.allowed
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnexpectedAnswerError(f"not a SubjectAccessReview: {error}") from error
