"""The reference of errors: what the webhook answers, written by the functions that answer it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kubemacpool.admission import messages
from kubemacpool.core.addresses import AddressError, check_interface_address, format_address
from kubemacpool.core.budgets import SHARE, over_budget
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, Party
from kubemacpool.core.requests import Exhausted, Fault, Limit, OverBudget, OverLimit, Refusal
from kubemacpool.wire.objects import MOST_INTERFACES
from references.tables import FOLDER, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE: Final = FOLDER / "errors.md"

_POD: Final = Party(POD, "shop", "web")
_OTHER: Final = Party(VIRTUAL_MACHINE, "shop", "db")
_LABELS: Final = ('entry 0 ("blue")', 'entry 1 ("red")')
_ADDRESS: Final = 0x02_00_00_00_00_17
_MULTICAST: Final = 0x03_00_00_00_00_01
_WHERE: Final = "annotation k8s.v1.cni.cncf.io/networks"


def _unusable() -> str:
    try:
        check_interface_address(_MULTICAST)
    except AddressError as error:
        return str(error)
    raise AssertionError(format_address(_MULTICAST))


FAULTS: Final[Mapping[Fault, tuple[Refusal, str, str]]] = {
    Fault.HELD: (
        Refusal(0, _ADDRESS, Fault.HELD, _OTHER),
        "403",
        "That object carries it; a machine also while it is stopped.",
    ),
    Fault.IN_FLIGHT: (
        Refusal(0, _ADDRESS, Fault.IN_FLIGHT, _OTHER),
        "403",
        "An object with it is being created. If that fails, it is free after the wait time.",
    ),
    Fault.TWICE: (Refusal(1, _ADDRESS, Fault.TWICE, 0), "400", "One address for two interfaces of an object."),
    Fault.UNUSABLE: (Refusal(0, _MULTICAST, Fault.UNUSABLE, _unusable()), "400", "No interface may have it."),
}
"""Why an address is refused: an example, the status, and what it means."""


def refused() -> list[Sequence[str]]:
    """The answers that refuse an object."""
    rows: list[Sequence[str]] = [
        (_said(messages.field_fault(_POD, _WHERE, messages.refusals(_LABELS, [refusal], "mac"))), status, meaning)
        for refusal, status, meaning in FAULTS.values()
    ]
    return [
        *rows,
        (
            _said(messages.exhausted(_POD, Exhausted("02:00:00:00:00:00-02:00:00:00:00:ff", 255, 2, 1, 3))),
            "403",
            "Too few addresses are free.",
        ),
        (
            _said(
                messages.over_limit(
                    _POD, OverLimit("shop", 500, 1, Limit(500, "annotation kubemacpool.io/address-limit"))
                )
            ),
            "403",
            "An administrator has limited the namespace.",
        ),
        (
            _said(messages.too_many_entries(_POD, _WHERE, MOST_INTERFACES + 1)),
            "400",
            "More interfaces than anybody needs.",
        ),
    ]


def postponed() -> list[Sequence[str]]:
    """The answers after which the API server comes again, and then whoever asked it."""
    return [
        (
            _said(over_budget(OverBudget("shop", 2, SHARE, SHARE))),
            "Objects of this namespace are admitted and not created: because of a quota, say.",
        ),
        (
            "another replica may have allocated … just before it ended; it will be known within minutes",
            "A replica crashed. Other addresses are given meanwhile.",
        ),
        ("replica … which leads, does not answer", "Replicas cannot reach each other: a NetworkPolicy, or a crash."),
    ]


def warned() -> list[Sequence[str]]:
    """Warnings beside an answer that admits."""
    shared = messages.conflict(_LABELS, FAULTS[Fault.HELD][0])
    return [
        (_said(messages.admitted(shared)), "Somebody else has it, too: a collision once both run."),
        (_said(messages.short_form_warning("blue")), "The annotation is not JSON."),
    ]


def _said(message: str) -> str:
    """As text: what Markdown would take for a mark is escaped."""
    return re.sub(r"([*_\[\]<>])", r"\\\1", message)


_NOT_YET: Final = """## Not yet

The message begins with `kubemacpool cannot decide yet`, with code 503. The API server has tried again for as long as
the webhook's time-out allows; controllers do, too.
"""


def text() -> str:
    """Return the page as it is to be."""
    return "\n".join(
        [
            "# Errors\n",
            "Made from the code by `make references`: examples, written by the functions that answer so.\n",
            "## Refused\n\nThe object is not created, or not changed.\n",
            table(("answer", "code", "meaning"), refused()),
            _NOT_YET,
            table(("message", "meaning"), postponed()),
            "## Warnings\n\nThe object is admitted.\n",
            table(("warning", "meaning"), warned()),
            "What to do about what else people see stands under [When something is wrong](../howto/trouble.md).\n",
        ]
    )
