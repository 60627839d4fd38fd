import json

import pytest

from kubemacpool.wire.access import User, access_review, read_access_review, read_token_review, token_review
from kubemacpool.wire.listing import UnexpectedAnswerError

USER = User("system:serviceaccount:monitoring:prometheus", "u-1", ("system:authenticated",), {"k": ["v"]})


def test_a_token_review_asks_whose_a_token_is() -> None:
    asked = json.loads(token_review('a"b'))
    assert (asked["apiVersion"], asked["kind"]) == ("authentication.k8s.io/v1", "TokenReview")
    assert asked["spec"] == {"token": 'a"b'}


def test_who_is_authenticated_is_read_with_all_that_authorization_may_look_at() -> None:
    user = {"username": USER.username, "uid": "u-1", "groups": ["system:authenticated"], "extra": {"k": ["v"]}}
    assert read_token_review(json.dumps({"status": {"authenticated": True, "user": user}}).encode()) == USER


@pytest.mark.parametrize("status", [{}, {"authenticated": False, "user": {"username": "x"}, "error": "expired"}])
def test_a_token_that_is_not_authenticated_is_nobodys(status: dict[str, object]) -> None:
    assert read_token_review(json.dumps({"status": status}).encode()) is None


def test_an_access_review_asks_for_a_path_that_is_no_resource_as_that_user() -> None:
    asked = json.loads(access_review(USER, "/metrics", "get"))
    assert (asked["apiVersion"], asked["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    assert asked["spec"] == {
        "user": USER.username,
        "uid": "u-1",
        "groups": ["system:authenticated"],
        "extra": {"k": ["v"]},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }


@pytest.mark.parametrize(("status", "allowed"), [({"allowed": True}, True), ({"allowed": False}, False), ({}, False)])
def test_only_a_plain_yes_is_one(status: dict[str, object], *, allowed: bool) -> None:
    assert read_access_review(json.dumps({"status": status}).encode()) is allowed


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"status":{"allowed":"yes","authenticated":1}}', b"\xff"])
def test_anything_else_is_no_answer(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="TokenReview"):
        read_token_review(body)
    with pytest.raises(UnexpectedAnswerError, match="SubjectAccessReview"):
        read_access_review(body)
