"""What can go wrong in a benchmark."""


class BenchError(Exception):
    """The benchmark cannot go on, or what it measured does not count; the message names the thing and the remedy."""
