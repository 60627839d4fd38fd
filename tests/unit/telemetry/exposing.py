"""The names of all series that a replica exposes."""

from references.metrics import families


def exposed() -> set[str]:
    """Of families and of their samples, each of which has been there once."""
    return {name for family in families() for name in (family.name, *(sample.name for sample in family.samples))}
