"""Limits as administrators write them."""

import pytest

from kubemacpool.wire.config import RangeError, parse_limit, parse_namespace_limit


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("500", 500), ("007", 7), ("9" * 15, 10**15 - 1)])
def test_a_limit_is_a_whole_number_of_at_least_one(text: str, limit: int) -> None:
    assert parse_limit(text) == limit
    assert parse_namespace_limit({"NAMESPACE_LIMIT": f" {text}\n"}) == limit


@pytest.mark.parametrize("text", ["0", "-1", "+1", "1.5", "1e3", "1_000", "none", "٣", "²", "9" * 16, "9" * 900_000])
def test_whatever_else_is_none_and_is_told_with_its_remedy(text: str) -> None:
    assert parse_limit(text) is None
    with pytest.raises(
        RangeError, match=r'^NAMESPACE_LIMIT is ".*"; write a whole number of at least 1, such as 500, '
    ):
        parse_namespace_limit({"NAMESPACE_LIMIT": text})


@pytest.mark.parametrize("data", [{}, {"NAMESPACE_LIMIT": ""}, {"NAMESPACE_LIMIT": " \n"}])
def test_without_the_key_there_is_no_limit(data: dict[str, str]) -> None:
    assert parse_namespace_limit(data) is None
