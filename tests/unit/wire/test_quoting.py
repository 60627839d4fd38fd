import pytest

from kubemacpool.wire.quoting import LONGEST_QUOTE, first_of, listed, quoted, quoted_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", '""'),
        ("net1", '"net1"'),
        ("größe 😀", '"größe 😀"'),
        ("a\nb\0c\x1b[31m", '"a\\nb\\x00c\\x1b[31m"'),
        ("\u202eback", '"\\u202eback"'),
        ("\ud800", '"\\ud800"'),
        ("x" * LONGEST_QUOTE, '"' + "x" * LONGEST_QUOTE + '"'),
        ("x" * (LONGEST_QUOTE + 1), '"' + "x" * (LONGEST_QUOTE - 1) + '…"'),
    ],
)
def test_a_quotation_is_short_and_printable(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"[1, 2]", '"[1, 2]"'),
        (b'{"a":"' + b"x" * 200, '"{"a":"' + "x" * (LONGEST_QUOTE - 7) + '…"'),
        (b"\xff", '"\ufffd"'),
    ],
)
def test_json_is_quoted_as_it_was_written(raw: bytes, shown: str) -> None:
    assert quoted_json(raw) == shown


def test_of_huge_json_only_the_beginning_is_looked_at() -> None:
    class Watched(bytes):
        def decode(self, *_: object, **__: object) -> str:
            raise AssertionError("all of it was decoded")

    assert len(quoted_json(Watched(b"x" * 1_000_000))) == LONGEST_QUOTE + 2


NUMBERS = [str(number) for number in range(1, 13)]


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], []),
        (NUMBERS[:1], ["1"]),
        (NUMBERS[:10], NUMBERS[:10]),
        (NUMBERS[:11], [*NUMBERS[:10], "and 1 more"]),
        (NUMBERS, [*NUMBERS[:10], "and 2 more"]),
    ],
)
def test_ten_are_told_and_how_many_more_there_are(items: list[str], told: list[str]) -> None:
    assert first_of(items) == told
    assert listed(items) == "; ".join(told)
