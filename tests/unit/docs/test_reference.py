"""The pages that are made from the code are as they would be made now."""

from references import metrics


def test_the_reference_of_metrics_is_current() -> None:
    assert metrics.PAGE.read_text() == metrics.text(), "run `make references`"


def test_every_family_has_a_sample_to_tell_its_labels_from() -> None:
    without = [family.name for family in metrics.families() if not family.samples]
    assert not without, "have `exposition` in references/metrics.py give each of them one"
