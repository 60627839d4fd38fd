import pytest

from kubemacpool.wire.quoting import LONGEST_QUOTE, quoted


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
