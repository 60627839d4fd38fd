"""Reading what a replica exposes, as Prometheus does: tests and chaos name the figures alike."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def figures_of(exposition: str) -> dict[str, float]:
    """Every figure, named like `kubemacpool_addresses{state=held}`."""
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }
