"""A stream of bytes cut into lines, with a bound on how long a line may get. Pure."""

from collections.abc import Iterator

from kubemacpool.kube.transport import LONGEST_LINE_BYTES


class Overlong:
    """Stands for a line that was longer than the bound and has been passed over."""


class LineSplitter:
    """Cuts what it is fed into lines. What has no line end yet is kept: half a line is never passed on.

    Args:
        longest: bytes that one line may have; of a longer one nothing is kept.
    """

    def __init__(self, longest: int = LONGEST_LINE_BYTES) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._passing_over = False

    @property
    def pending_bytes(self) -> int:
        """How much of a line without an end is kept."""
        return len(self._begun)

    def feed(self, piece: bytes) -> Iterator[bytes | Overlong]:
        """The lines that end in this piece, without their ends; empty lines are left out."""
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            if self._begun or self._passing_over:
                self._keep(piece[begin:end])
                yield Overlong() if self._passing_over else bytes(self._begun)
                self._begun.clear()
                self._passing_over = False
            elif end - begin > self._longest:
                yield Overlong()
            elif end > begin:
                yield piece[begin:end]
            begin = end + 1
        if begin < len(piece):
            self._keep(piece[begin:])

    def _keep(self, part: bytes) -> None:
        if len(self._begun) + len(part) > self._longest:
            self._passing_over = True
            self._begun.clear()
        if not self._passing_over:
            self._begun += part
