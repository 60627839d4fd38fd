"""`kubemacpool list`: which address is whose."""

from typing import TYPE_CHECKING, Annotated

import typer

from kubemacpool.cli.complete import complete_kind
from kubemacpool.cli.exits import fail
from kubemacpool.cli.flags import SELECTION, AllNamespaces, ClusterFlags, Namespace, Output, Selector, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster
    from kubemacpool.cli.cluster.survey import Survey
    from kubemacpool.cli.output import Answer, Json
    from kubemacpool.core.parties import ObjectKey

app = command_app()

EXAMPLES = """\
Examples:
  kubemacpool list -A                     # every address in use
  kubemacpool list -A --collisions        # those that several objects have
  kubemacpool list --free 3               # the next three that nobody has
  kubemacpool list -A -o jsonpath='{range .items[*]}{.address}{"\\n"}{end}'
"""


@app.command(cls=GroupedCommand, epilog=EXAMPLES)
@with_cluster
def list_(
    cluster: ClusterFlags,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    selector: Selector = None,
    mac: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=SELECTION, metavar="<address>", help="Show who has this address; repeated for several."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=SELECTION,
            metavar="<kind>",
            autocompletion=complete_kind,
            help="Show objects of this kind, such as VirtualMachine; repeated for several.",
        ),
    ] = None,
    collisions: Annotated[
        bool,
        typer.Option(
            "--collisions", rich_help_panel=SELECTION, help="Show addresses that several running objects have."
        ),
    ] = False,
    free: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=SELECTION, metavar="<number>", min=1, help="Show so many addresses that nobody has instead."
        ),
    ] = None,
    output: Output = "table",
) -> None:
    """List the addresses in use and the objects that have them."""
    from kubemacpool.cli.cluster.connection import run
    from kubemacpool.cli.output import checked_format, show

    checked_format(output)
    wanted = _addresses(mac or [])

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.cluster.reading import read, selected

        found = await read(connection, namespace or "")
        if free is not None:
            show(_free(found, free), output)
            return 0
        shown = None if all_namespaces else namespace or connection.namespace
        keys = await selected(connection, selector) if selector else None
        kinds = {each.lower() for each in kind or ()}
        items = [
            item
            for item in items_of(found, keys)
            if (shown is None or item["namespace"] == shown)
            and (not wanted or item["address"] in wanted)
            and (not kinds or str(item["kind"]).lower() in kinds)
            and (not collisions or item["collides"])
        ]
        show(answer_of(items, f"Nothing has an address{f' in namespace {shown}' if shown else ''}."), output)
        return 0

    raise typer.Exit(run(cluster, work))


def items_of(found: "Survey", keys: "frozenset[ObjectKey] | None") -> "list[Json]":
    """Every address with each of its objects, for programs.

    Args:
        found: what was read.
        keys: the objects that are shown; None for all.
    """
    from kubemacpool.cli.output import age
    from kubemacpool.core.addresses import format_address

    ledger = found.desk.ledger
    collisions = ledger.collisions()
    served = {
        (kind, namespace): found.is_served(kind, namespace)
        for kind, namespace in {(holder.key.kind, holder.key.namespace) for holder in ledger.holders()}
    }
    return [
        {
            "address": format_address(address),
            "namespace": holder.key.namespace,
            "kind": holder.key.kind,
            "name": holder.key.name,
            "role": found.role(holder),
            "created": found.created.get(holder.key, ""),
            "age": age(found.created.get(holder.key, "")),
            "inPool": address in ledger.pool,
            "managed": served[holder.key.kind, holder.key.namespace],
            "collides": address in collisions,
            "uid": holder.uid,
        }
        for address, holder in found.holders()
        if keys is None or holder.key in keys
    ]


def answer_of(items: "list[Json]", none: str) -> "Answer":
    """The table of them.

    Args:
        items: what it has.
        none: what is said where there is nothing in it.
    """
    from kubemacpool.cli.output import BAD, FAINT, Answer, Column

    columns = [
        Column("ADDRESS", "address", whole=True),
        Column("NAMESPACE", "namespace"),
        Column("KIND", "kind"),
        Column("NAME", "name"),
        Column("POOL", "inPool", styles={"no": FAINT}, whole=True),
        Column("COLLIDES", "collides", styles={"yes": BAD, "no": FAINT}, whole=True),
        Column("AGE", "age", whole=True),
        Column("ROLE", "role", wide=True),
        Column("MANAGED", "managed", wide=True, styles={"no": FAINT}, whole=True),
        Column("UID", "uid", wide=True),
    ]
    return Answer("AddressList", items, columns, none, ("address",))


def _free(found: "Survey", count: int) -> "Answer":
    from itertools import islice

    from kubemacpool.cli.output import Answer, Column
    from kubemacpool.core.addresses import format_address

    ledger = found.desk.ledger
    reserved = found.lease.reserved if found.lease is not None else frozenset[int]()

    def addresses() -> "list[int]":
        given: list[int] = []
        position, first = ledger.next_free(ledger.pool.beginning), None
        while position is not None and position != first and len(given) < count:
            first = position if first is None else first
            address = ledger.pool.address_at(position)
            if address not in reserved:
                given.append(address)
            position = ledger.next_free((position + 1) % ledger.pool.size)
        return given

    items: list[Json] = [{"address": format_address(each)} for each in islice(addresses(), count)]
    return Answer("AddressList", items, [Column("ADDRESS", "address")], "No address is free.", ("address",))


def _addresses(given: list[str]) -> frozenset[str]:
    from kubemacpool.core.addresses import AddressError, format_address, parse_address

    try:
        return frozenset(format_address(parse_address(each)) for each in given)
    except AddressError as error:
        fail(f"--mac: {error}")
