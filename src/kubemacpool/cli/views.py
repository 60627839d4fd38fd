"""Views of the pool for a terminal of any width."""

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kubemacpool.cli.output import BAD, FAINT, GOOD, WORRY

Json = dict[str, Any]

NARROWEST_BAR: Final = 10
WIDEST_BAR: Final = 60
LABELS: Final = 14
"""Columns of what stands before the values."""

_PARTS: Final = " ▏▎▍▌▋▊▉█"
_FULL, _HALF = 0.9, 0.5


def status_view(state: Json, width: int) -> RenderableType:
    """The state of the pool and the installation."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=LABELS, style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    pool = state["pool"]
    table.add_row("Pool", _pool_text(pool))
    for each in pool["ranges"]:
        table.add_row("Range", f"{each['first']} to {each['last']}")
        table.add_row("", bar(each["held"], each["size"], min(WIDEST_BAR, width - LABELS - 40)))
    held = Text(f"{pool['held']:,} held, {pool['free']:,} free, {pool['reserved']:,} set aside or in flight")
    if pool["heldOutside"]:
        held.append(f", {pool['heldOutside']:,} held outside the pool", FAINT)
    table.add_row("Addresses", held)
    collisions = pool["collisions"]
    table.add_row("Collisions", Text(f"{collisions:,}", BAD if collisions else GOOD))
    lead = state["leader"]
    table.add_row("Leader", _leader(lead))
    replicas = state["replicas"]
    well = replicas["ready"] == replicas["wanted"] and replicas["wanted"] > 0
    table.add_row("Replicas", Text(f"{replicas['ready']} of {replicas['wanted']} ready", GOOD if well else WORRY))
    if replicas["image"]:
        table.add_row("Version", Text(f"{replicas['image']} (this program: {state['version']})"))
    for each in state["certificates"]:
        style = GOOD if each["days"] > 7 else WORRY if each["days"] > 0 else BAD  # noqa: PLR2004 (a week)
        table.add_row("Certificate", Text(f"{each['name']}: until {each['notAfter']} ({each['days']} days)", style))
    parts: list[RenderableType] = [table]
    if state["faults"]:
        parts.append(Text(""))
        parts += [Text(f"! {fault}", WORRY) for fault in state["faults"]]
    return Group(*parts)


def bar(part: int, whole: int, width: int) -> Text:
    """How full something is, with its figure."""
    width = max(NARROWEST_BAR, width)
    share = part / whole if whole else 0.0
    eighths = round(share * width * 8)
    if part and not eighths:
        eighths = 1
    filled = "█" * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")
    style = BAD if share > _FULL else WORRY if share > _HALF else GOOD
    text = Text("▕")
    text.append(filled.ljust(width), style)
    text.append(f"▏ {_percent(part, share)} of {whole:,}")
    return text


def _percent(part: int, share: float) -> str:
    if part and share < 0.001:  # noqa: PLR2004 (a tenth of a percent)
        return "< 0.1 %"
    return f"{share:.1%}".replace("%", " %")


def _pool_text(pool: Json) -> Text:
    text = Text(f"{pool['size']:,} addresses")
    if pool["excluded"]:
        text.append(f", {pool['excluded']} excluded", FAINT)
    return text


def _leader(lead: Json) -> Text:
    if not lead["identity"]:
        return Text("nobody leads", BAD)
    return Text(f"{lead['identity']} (acquired {lead['transitions']} times)")
