"""The flags that commands share, as kubectl has them, and `-o`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kubemacpool.cli.complete import complete_context, complete_namespace
from kubemacpool.settings import DEFAULT_NAMESPACE

CLUSTER: Final = "Cluster"
SELECTION: Final = "Selection"
OUTPUT: Final = "Output"

FORMATS: Final = ("table", "wide", "json", "yaml", "name", "jsonpath=<template>")


def _behind_equals(value: str | None) -> str | None:
    """What stands behind -o, -n or -l; kubectl takes an equals sign between the two."""
    return None if value is None else value.removeprefix("=")


Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        callback=_behind_equals,
        rich_help_panel=OUTPUT,
        metavar="<format>",
        help=f"One of {', '.join(FORMATS)}.",
        autocompletion=lambda: [*FORMATS[:-1], "jsonpath="],
    ),
]

Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        callback=_behind_equals,
        rich_help_panel=SELECTION,
        metavar="<name>",
        autocompletion=complete_namespace,
        help="Show what is in this namespace.",
        show_default="the context's",
    ),
]
AllNamespaces = Annotated[
    bool,
    typer.Option("--all-namespaces", "-A", rich_help_panel=SELECTION, help="Show what is in all namespaces."),
]
Selector = Annotated[
    str | None,
    typer.Option(
        "--selector",
        "-l",
        callback=_behind_equals,
        rich_help_panel=SELECTION,
        metavar="<labels>",
        help="Show objects with these labels, such as app=web. What others have is taken into account all the same.",
    ),
]


@dataclass(frozen=True)
class ClusterFlags:
    """Which cluster, and who asks.

    Attributes:
        kubeconfig: the only kubeconfig to read.
        context: of the kubeconfig.
        user: to act as.
        groups: to act as a member of.
        request_timeout: as kubectl takes it: seconds, or a duration; 0 for none.
        pool_namespace: where KubeMacPool is installed.
    """

    kubeconfig: Path | None = None
    context: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    request_timeout: str = "0"
    pool_namespace: str = DEFAULT_NAMESPACE


_SHARED: Final[dict[str, tuple[Any, object]]] = {
    "kubeconfig": (
        Annotated[
            Path | None,
            typer.Option(
                rich_help_panel=CLUSTER,
                metavar="<path>",
                help="The kubeconfig to use.",
                show_default="those in KUBECONFIG, or ~/.kube/config, or else the pod's own",
            ),
        ],
        None,
    ),
    "context": (
        Annotated[
            str,
            typer.Option(
                rich_help_panel=CLUSTER,
                metavar="<name>",
                help="The context of the kubeconfig.",
                autocompletion=complete_context,
                show_default="the current one",
            ),
        ],
        "",
    ),
    "as_user": (
        Annotated[
            str,
            typer.Option(
                "--as", rich_help_panel=CLUSTER, metavar="<user>", help="Whom to act as.", show_default="oneself"
            ),
        ],
        "",
    ),
    "as_group": (
        Annotated[
            list[str] | None,
            typer.Option(
                rich_help_panel=CLUSTER, metavar="<group>", help="Group to act as a member of; repeated for several."
            ),
        ],
        None,
    ),
    "request_timeout": (
        Annotated[
            str,
            typer.Option(
                rich_help_panel=CLUSTER,
                metavar="<duration>",
                help="How long one request may take, such as 30 or 1m30s; 0 for as long as the server allows.",
            ),
        ],
        "0",
    ),
    "pool_namespace": (
        Annotated[
            str,
            typer.Option(
                rich_help_panel=CLUSTER,
                metavar="<name>",
                envvar="KUBEMACPOOL_NAMESPACE",
                help="Where KubeMacPool is installed.",
            ),
        ],
        DEFAULT_NAMESPACE,
    ),
}


def with_cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of a cluster; it gets them as its argument `cluster`."""

    def run(**given: Any) -> None:  # noqa: ANN401 (the flags of a command)
        shared = {name: given.pop(name) for name in _SHARED}
        cluster = ClusterFlags(
            shared["kubeconfig"],
            shared["context"],
            shared["as_user"],
            tuple(shared["as_group"] or ()),
            shared["request_timeout"],
            shared["pool_namespace"],
        )
        command(cluster=cluster, **given)

    own = [each for name, each in inspect.signature(command, eval_str=True).parameters.items() if name != "cluster"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _SHARED.items()
    ]
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *more]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run
