"""Label selectors, as webhook configurations have them.

Source: apimachinery, LabelSelector: everything that it says has to hold; one that says nothing matches everything.
"""

from collections.abc import Mapping
from typing import Any


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether labels are what a selector wants."""
    wanted = selector or {}
    exact = all(labels.get(key) == value for key, value in (wanted.get("matchLabels") or {}).items())
    return exact and all(_holds(each, labels) for each in wanted.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
