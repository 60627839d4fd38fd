"""Every page that is made from the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from references import commands, errors, events, exits, metrics, names, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    module.PAGE: module.text for module in (commands, errors, events, exits, metrics, names, settings)
}
