"""The release manifests with what somebody wants changed in them: edited as text, so that their comments stay."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from kubemacpool.cli.manifest.documents import Document, ManifestFile, at, parse
from kubemacpool.cli.manifest.edits import Edit, apply
from kubemacpool.cli.pool.ranges import PoolFlagError, pool_of, pool_of_flags, split_range
from kubemacpool.core.addresses import format_address, parse_address
from kubemacpool.settings import DEFAULT_NAMESPACE
from kubemacpool.wire.config import EXCLUDE, RANGE_CONFIG_MAP, RANGE_END, RANGE_START

_TREE: Final = Path(__file__).parents[4] / "config"
_LABELS: Final = {
    "pods": ("mutatepods.kubemacpool.io",),
    "virtual-machines": ("mutatevirtualmachines.kubemacpool.io",),
}
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][\w./:@-]*")

_CERT_MANAGER_ANNOTATION: Final = "cert-manager.io/inject-ca-from"


class WantedError(ValueError):
    """Something that nothing can be installed with."""


class Wanted(NamedTuple):
    """What is to be different from the release.

    Attributes:
        opt_in: what is served in labelled namespaces alone.
        range: FIRST-LAST.
        excluded: addresses and ranges that the pool is without.
        namespace: where it is installed.
        replicas: how many.
        image: of them.
        cert_manager: whether that issues the certificates.
        monitoring: whether there are objects for the Prometheus operator.
    """

    opt_in: frozenset[str] = frozenset()
    range: str | None = None
    excluded: tuple[str, ...] = ()
    namespace: str = DEFAULT_NAMESPACE
    replicas: int | None = None
    image: str | None = None
    cert_manager: bool = False
    monitoring: bool = False


def release(wanted: Wanted) -> str:
    """The manifests, in one text.

    Raises:
        WantedError: it cannot be.
    """
    _check(wanted)
    text = _file("release/kubemacpool.yaml")
    file = parse("kubemacpool.yaml", text.encode())
    text = apply(text, _edits(file, wanted))
    if wanted.cert_manager:
        text = _with_cert_manager(text)
        text += "---\n" + _file("components/cert-manager/certificates.yaml")
    if wanted.monitoring:
        text += "---\n" + _file("release/kubemacpool-monitoring.yaml")
    if wanted.namespace != DEFAULT_NAMESPACE:
        text = re.sub(rf"(?<![\w-]){re.escape(DEFAULT_NAMESPACE)}(?![\w-])", wanted.namespace, text)
    return text


def _check(wanted: Wanted) -> None:
    try:
        if wanted.range is not None:
            pool_of_flags(wanted.range, wanted.excluded)
        else:
            pool_of({RANGE_START: "02:00:00:00:00:00", RANGE_END: "FD:FF:FF:FF:FF:FF"}, wanted.excluded)
    except PoolFlagError as error:
        raise WantedError(str(error)) from error
    unknown = sorted(wanted.opt_in - _LABELS.keys())
    if unknown:
        raise WantedError(f"--opt-in {unknown[0]!r} is not known; use one of {', '.join(_LABELS)}")
    if _NAME.fullmatch(wanted.namespace) is None:
        raise WantedError(f"--namespace {wanted.namespace!r} cannot be the name of a namespace")
    if wanted.image is not None and _IMAGE.fullmatch(wanted.image) is None:
        raise WantedError(f"--image {wanted.image!r} is no name of an image; write it like registry/kubemacpool:v0.1.0")


def _edits(file: ManifestFile, wanted: Wanted) -> Iterator[Edit]:
    for document in file.documents:
        value: Any = document.value
        kind, name = value["kind"], value["metadata"]["name"]
        if kind == "ConfigMap" and name == RANGE_CONFIG_MAP:
            yield from _range(document, wanted)
        elif kind == "Deployment":
            if wanted.replicas is not None:
                yield _set(document, str(wanted.replicas), "spec", "replicas")
            if wanted.image is not None:
                yield _set(document, wanted.image, "spec", "template", "spec", "containers", 0, "image")
        elif kind == "MutatingWebhookConfiguration":
            yield from _opt_in(document, wanted)


def _range(document: Document, wanted: Wanted) -> Iterator[Edit]:
    if wanted.range is not None:
        for key, text in zip((RANGE_START, RANGE_END), split_range(wanted.range), strict=True):
            yield _set(document, f'"{format_address(parse_address(text))}"', "data", key)
    if wanted.excluded:
        node = _node(document, "data", RANGE_END)
        begin = node.end_mark.index
        yield Edit(begin, begin, f'\n  {EXCLUDE}: "{", ".join(wanted.excluded)}"')


def _opt_in(document: Document, wanted: Wanted) -> Iterator[Edit]:
    keys = {key for each in wanted.opt_in for key in _LABELS[each]}
    value: Any = document.value
    for index, webhook in enumerate(value["webhooks"]):
        for place, expression in enumerate(webhook["namespaceSelector"]["matchExpressions"]):
            if expression["key"] in keys:
                way = ("webhooks", index, "namespaceSelector", "matchExpressions", place)
                yield _set(document, "In", *way, "operator")
                yield _set(document, '["allocate"]', *way, "values")


def _with_cert_manager(text: str) -> str:
    """The certificates are cert-manager's: what the component of kustomize changes."""
    component: Any = yaml.safe_load(_file("components/cert-manager/kustomization.yaml"))
    patches = [yaml.safe_load(each["patch"]) for each in component["patches"]]
    inject = next(each for each in patches if each["kind"] == "MutatingWebhookConfiguration")["metadata"]["annotations"]
    spec = next(each for each in patches if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    edits: list[Edit] = []
    for document in parse("kubemacpool.yaml", text.encode()).documents:
        value: Any = document.value
        if value["kind"] == "MutatingWebhookConfiguration":
            begin = _node(document, "metadata", "name").end_mark.index
            edits.append(Edit(begin, begin, _block({"annotations": inject}, 2)))
        elif value["kind"] == "Deployment":
            way = ("spec", "template", "spec")
            env = _node(document, *way, "containers", 0, "env", 0)
            column = env.start_mark.column - len("- ")
            more = _block(container["env"], column).lstrip()
            begin = env.start_mark.index - len("- ")
            edits.append(Edit(begin, begin, f"{more}\n{' ' * column}"))
            ports = _key(document, *way, "containers", 0, "ports")
            column = ports.start_mark.column
            mounts = _block({"volumeMounts": container["volumeMounts"]}, column).lstrip()
            edits.append(Edit(ports.start_mark.index, ports.start_mark.index, f"{mounts}\n{' ' * column}"))
            containers = _key(document, *way, "containers")
            column = containers.start_mark.column
            volumes = _block({"volumes": spec["volumes"]}, column).lstrip()
            edits.append(Edit(containers.start_mark.index, containers.start_mark.index, f"{volumes}\n{' ' * column}"))
    return apply(text, edits)


def _block(value: object, indent: int) -> str:
    """A value in lines of its own, each of which begins at a column."""
    written: str = yaml.safe_dump(value, sort_keys=False)
    return "".join(f"\n{' ' * indent}{line}" for line in written.splitlines())


def _set(document: Document, text: str, *path: str | int) -> Edit:
    node = _node(document, *path)
    return Edit(node.start_mark.index, node.end_mark.index, text)


def _node(document: Document, *path: str | int) -> Node:
    *_, node = at(document.node, path)
    if node is None:
        raise WantedError(f"the release manifest has no {'.'.join(map(str, path))}; use the program of its version")
    return node


def _key(document: Document, *path: str | int) -> ScalarNode:
    parent = _node(document, *path[:-1])
    if isinstance(parent, MappingNode):
        for key, _ in parent.value:
            if isinstance(key, ScalarNode) and key.value == path[-1]:
                return key
    raise WantedError(f"the release manifest has no {'.'.join(map(str, path))}; use the program of its version")


def _file(name: str) -> str:
    """A manifest, as it is installed with the package, or as it stands in the source tree."""
    packed = files("kubemacpool") / "config" / name
    return packed.read_text("utf-8") if packed.is_file() else (_TREE / name).read_text("utf-8")
