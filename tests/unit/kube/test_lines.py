from hypothesis import given
from hypothesis import strategies as st

from kubemacpool.kube.lines import LineSplitter, Overlong

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8)


@given(LINES, st.lists(st.integers(min_value=1, max_value=20)))
def test_lines_come_out_as_they_went_in_however_the_stream_is_cut(lines: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    found: list[bytes | Overlong] = []
    for size in sizes:
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    found += splitter.feed(stream)
    assert found == [line for line in lines if line]
    assert splitter.pending_bytes == 0


def test_what_has_no_end_yet_is_kept_back_and_counted() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"one\ntwo")) == [b"one"]
    assert splitter.pending_bytes == 3
    assert list(splitter.feed(b"!\n")) == [b"two!"]


def test_of_a_line_past_the_bound_nothing_is_kept_and_the_next_line_is_whole() -> None:
    splitter = LineSplitter(longest=5)
    assert list(splitter.feed(b"12345\n123")) == [b"12345"]
    assert list(splitter.feed(b"456")) == []
    assert splitter.pending_bytes == 0
    found = list(splitter.feed(b"789\nshort\n"))
    assert isinstance(found[0], Overlong)
    assert found[1:] == [b"short"]
