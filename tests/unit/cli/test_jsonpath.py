"""JSONPath templates, as kubectl has them."""

import pytest

from kubemacpool.cli.jsonpath import JsonPathError, evaluate

DATA = {
    "items": [
        {"name": "a", "n": 1, "labels": {"app.kubernetes.io/name": "x"}, "list": [1, 2]},
        {"name": "b", "n": 2, "flag": True},
    ]
}


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{.items[*].name}", "a b"),
        ("{.items[0].name}", "a"),
        ("{.items[-1].name}", "b"),
        ("{$.items[1].flag}", "true"),
        ("{.items[0].list}", "[1,2]"),
        ("{.items[0]['name']}", "a"),
        (r"{.items[0].labels.app\.kubernetes\.io/name}", None),
        (r"{.items[0].labels['app.kubernetes.io/name']}", "x"),
        ('{.items[?(@.name=="b")].n}', "2"),
        ("{.items[?(@.n>1)].name}", "b"),
        ("{.items[?(@.flag)].name}", "b"),
        ('{range .items[*]}{.name}{"\\t"}{.n}{"\\n"}{end}', "a\t1\nb\t2\n"),
        ("first: {.items[0].name}!", "first: a!"),
        (".items[0].name", "a"),
        ("{.nothing.here}", ""),
        ("{.items.*.name}", "a b"),
    ],
)
def test_a_template_says_what_it_says_to_kubectl(template: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(JsonPathError):
            evaluate(template, DATA)
    else:
        assert evaluate(template, DATA) == written


@pytest.mark.parametrize("template", ["{.items[}", "{range .items[*]}{.name}", "{end}", "{.items[?(nonsense)]}", "{.a"])
def test_a_template_that_cannot_be_read_is_a_mistake(template: str) -> None:
    with pytest.raises(JsonPathError):
        evaluate(template, DATA)
