"""Manifests as people write them: every style of YAML, with comments, odd spaces and line ends."""

from __future__ import annotations

import json

from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z]([a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)
COMMENTS = st.sampled_from(["", " # a note", "  # mac: 02:00:00:00:00:99", " #'quoted\"", " # ünïcode 🜁"])
GIVEN = st.sampled_from([None, None, None, "GIVEN"])
SPACES = st.sampled_from([(",", ":"), (", ", ": ")])


@st.composite
def json_networks(draw: st.DrawFn, given: list[str]) -> str:
    """The JSON form of the annotation, in one line or in several."""
    entries = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=3)):
        entry: dict[str, object] = {"name": name}
        if draw(st.booleans()):
            entry["x-unknown"] = draw(st.sampled_from([1.50, None, {"mac": "not this"}, ["[{}]", "it's"]]))
        if draw(GIVEN):
            entry["mac"] = next_given(given)
        entries.append(entry)
    return json.dumps(entries, separators=draw(SPACES), indent=draw(st.sampled_from([None, None, 2])))


def next_given(given: list[str]) -> str:
    """An address that a user has chosen, none twice."""
    given.append(f"02:00:00:00:00:{0x80 + len(given):02x}")
    return given[-1]


def _quoted(draw: st.DrawFn, text: str, indent: str) -> str:
    styles = ["double", "block"] if "\n" in text else ["single", "double", "block", "folded"]
    match draw(st.sampled_from(styles)):
        case "single":
            return "'" + text.replace("'", "''") + "'"
        case "double":
            return json.dumps(text, ensure_ascii=draw(st.booleans()))
        case "folded":
            return f">-\n{indent}  {text}"
        case _:
            return f"|{draw(st.sampled_from(['', '-', '+']))}\n" + "\n".join(
                f"{indent}  {line}" for line in text.splitlines()
            )


@st.composite
def pods(draw: st.DrawFn, name: str, given: list[str]) -> str:
    """A pod, or a template of pods."""
    annotation = _quoted(draw, draw(json_networks(given)), "    ")
    comment = draw(COMMENTS)
    inner = "\n".join(
        [
            "metadata:",
            f"  labels: {{app: {name}}}{comment}",
            "  annotations:",
            "    other/annotation: 'it''s'",
            f"    k8s.v1.cni.cncf.io/networks: {annotation}",
        ]
    )
    if draw(st.booleans()):
        return f"apiVersion: v1{comment}\nkind: Pod\n{inner}\n  name: {name}\nspec: {{}}"
    inner = "\n".join(f"    {line}" for line in inner.splitlines())
    return f"kind: StatefulSet\napiVersion: apps/v1\nmetadata: {{name: {name}}}\nspec:\n  template:\n{inner}"


@st.composite
def machines(draw: st.DrawFn, name: str, given: list[str]) -> str:
    """A virtual machine."""
    dash = draw(st.sampled_from(["- ", "  - ", "-   "]))
    inner = " " * len(dash)
    lines: list[str] = []
    networks: list[str] = []
    for number, interface in enumerate(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))):
        comment = draw(COMMENTS)
        quotes = draw(st.sampled_from(["", "'", '"']))
        name_of_it = interface if quotes else f"{interface}x"  # a plain y or no would be no text
        networks.append(f'{{"name": "{name_of_it}", "multus": {{"networkName": "x{number}"}}}}')
        members = [f"name: {quotes}{name_of_it}{quotes}", "bridge: {}", "model: virtio"]
        if draw(GIVEN):
            quote = draw(st.sampled_from(["", "'", '"']))
            members.append(f"macAddress: {quote}{next_given(given)}{quote}")
        elif draw(st.booleans()):
            members.append(draw(st.sampled_from(["macAddress:", 'macAddress: ""', "macAddress: null"])))
        members = draw(st.permutations(members))
        if draw(st.booleans()):
            members = [each.replace("macAddress:", "macAddress: ") if each.endswith(":") else each for each in members]
            lines.append(f"{dash}{{{', '.join(members)}}}{comment}")
        else:
            lines += [f"{dash if index == 0 else inner}{each}{comment}" for index, each in enumerate(members)]
            lines += draw(st.lists(st.sampled_from(["", "# between"]), max_size=1))
    interfaces = "\n".join(f"          {line}" if line else "" for line in lines)
    return (
        f"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n"
        f"      domain:\n        devices:\n          interfaces:\n{interfaces}\n      networks: [{', '.join(networks)}]"
    )


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """A file of several documents."""
    given: list[str] = []
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    documents = [draw(st.one_of(pods(name, given), machines(name, given))) for name in names]
    documents.insert(draw(st.integers(0, len(documents))), "# nothing but a note")
    text = "\n---\n".join(documents) + draw(st.sampled_from(["", "\n", "\n\n", "\n...\n", "\n# the end"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from(["", "", "\ufeff"])) + text
