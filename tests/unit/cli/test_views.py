"""What people see at a terminal of 80 and of 160 columns: what is here is what was looked at and found good."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kubemacpool.cli.list import answer_of
from kubemacpool.cli.output import Answer, Column, styled_table
from kubemacpool.cli.views import bar, status_view

SNAPSHOTS = Path(__file__).parent / "snapshots"

STATE: dict[str, Any] = {
    "version": "0.1.0",
    "pool": {
        "size": 65536,
        "ranges": [{"first": "02:10:00:00:00:00", "last": "02:10:00:00:ff:ff", "size": 65536, "held": 42000}],
        "excluded": 2,
        "held": 42000,
        "heldOutside": 3,
        "free": 21488,
        "reserved": 2048,
        "collisions": 1,
    },
    "leader": {"identity": "kubemacpool-mac-controller-manager-7c9-x2x4z_5d1f", "endpoint": "", "transitions": 4},
    "replicas": {"wanted": 2, "ready": 1, "image": "registry.example.com/kubemacpool:v0.1.0", "pods": []},
    "certificates": [{"name": "authority 1a2b3c", "notAfter": "2027-11-28T07:43:07Z", "days": 364}],
    "faults": ["MutatingWebhookConfiguration kubemacpool-mutator is not there or may not be read"],
}
ROWS = [
    {
        "address": f"02:10:00:00:00:0{number}",
        "namespace": "tenant-a",
        "kind": kind,
        "name": name,
        "role": role,
        "age": "4h",
        "inPool": number < 3,
        "managed": True,
        "collides": number == 2,
        "uid": "79517ce9-49ce-41ac-914b-789ab8153712",
    }
    for number, kind, name, role in (
        (1, "Pod", "web-0", "pod"),
        (2, "VirtualMachine", "database-with-a-rather-long-name", "virtual machine"),
        (3, "Pod", "virt-launcher-database-x2x4z", "launcher pod of VirtualMachine tenant-a/database"),
    )
]
DIAGNOSIS = Answer(
    "Diagnosis",
    [
        {"check": "range", "result": "ok", "message": "02:10:00:00:00:00-02:10:00:00:ff:ff: 65536 addresses"},
        {
            "check": "leader",
            "result": "fault",
            "message": "nobody leads, so nothing is allocated",
            "remedy": "kubectl -n kubemacpool-system logs -l app=kubemacpool",
        },
    ],
    [Column("CHECK", "check"), Column("RESULT", "result"), Column("WHAT", "message"), Column("REMEDY", "remedy")],
)


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("view", ["status", "list", "doctor"])
def test_a_view_is_as_it_was_looked_at(view: str, columns: int) -> None:
    console = Console(file=io.StringIO(), width=columns, highlight=False, color_system=None)
    answer = DIAGNOSIS if view == "doctor" else answer_of(ROWS, "")
    shown = [column for column in answer.columns if not column.wide]
    console.print(status_view(STATE, columns) if view == "status" else styled_table(shown, answer.items))
    assert isinstance(console.file, io.StringIO)
    text = "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
    assert max(map(len, text.splitlines())) <= columns
    assert text == (SNAPSHOTS / f"{view}-{columns}.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 100, "▕          ▏ 0.0 % of 100"),
        (1, 10**12, "▕▏         ▏ < 0.1 % of 1,000,000,000,000"),
        (50, 100, "▕█████     ▏ 50.0 % of 100"),
        (100, 100, "▕██████████▏ 100.0 % of 100"),
        (0, 0, "▕          ▏ 0.0 % of 0"),
    ],
)
def test_a_bar_is_as_full_as_the_pool(part: int, whole: int, shown: str) -> None:
    assert bar(part, whole, 10).plain == shown
