"""`kubemacpool who`: everything about one address."""

from typing import TYPE_CHECKING, Annotated

import typer

from kubemacpool.cli.exits import FOUND, fail
from kubemacpool.cli.flags import ClusterFlags, Output, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster
    from kubemacpool.cli.cluster.survey import Survey
    from kubemacpool.cli.output import Json

app = command_app()


@app.command(cls=GroupedCommand)
@with_cluster
def who(
    cluster: ClusterFlags,
    address: Annotated[str, typer.Argument(metavar="MAC", help="In any common spelling.")],
    output: Output = "table",
) -> None:
    """Show who has an address, and what would happen to somebody who asked for it."""
    from kubemacpool.cli.cluster.connection import run
    from kubemacpool.cli.output import NAME, TABLE, WIDE, Answer, checked_format, show, show_data, versioned
    from kubemacpool.core.addresses import AddressError, parse_address

    checked_format(output)
    try:
        wanted = parse_address(address)
    except AddressError as error:
        fail(f"{address!r} is {error}")

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.cluster.reading import read

        found = await read(connection)
        told = await _told(found, wanted)
        if output == NAME:
            show(Answer("Address", told["holders"], (), name=("kind", "namespace", "name")), output)
        elif output in {TABLE, WIDE}:
            _show(told)
        else:
            show_data(versioned("Address", told), output)
        return FOUND if told["collides"] else 0

    raise typer.Exit(run(cluster, work))


async def _told(found: "Survey", address: int) -> "Json":
    from kubemacpool.cli.output import age
    from kubemacpool.core.addresses import format_address

    ledger = found.desk.ledger
    reserved = found.lease is not None and address in found.lease.reserved
    holders = [
        {
            "kind": holder.key.kind,
            "namespace": holder.key.namespace,
            "name": holder.key.name,
            "role": found.role(holder),
            "created": found.created.get(holder.key, ""),
            "age": age(found.created.get(holder.key, "")),
            "managed": found.is_served(holder.key.kind, holder.key.namespace),
        }
        for each, holder in found.holders()
        if each == address
    ]
    return {
        "address": format_address(address),
        "inPool": address in ledger.pool,
        "pool": str(ledger.pool),
        "reserved": reserved,
        "collides": address in ledger.collisions(),
        "holders": holders,
        "ifAskedFor": await _if_asked_for(found, address, reserved=reserved and not holders),
    }


async def _if_asked_for(found: "Survey", address: int, *, reserved: bool) -> str:
    """What the admission of pods says to somebody new who asks for the address."""
    import json

    from kubemacpool.core.addresses import format_address
    from kubemacpool.core.parties import POD
    from kubemacpool.wire.networks import NETWORKS_ANNOTATION

    networks = json.dumps([{"name": "a-network", "mac": format_address(address)}])
    pod = {"metadata": {"generateName": "somebody-", "annotations": {NETWORKS_ANNOTATION: networks}}}
    judged = await found.desk.judge(POD, "default", pod, dry_run=True)
    if not judged.allowed:
        return f"refused: {judged.message.partition(': mac ')[2] or judged.message}"
    warning = "".join(f"; warning: {each.removeprefix('kubemacpool: ')}" for each in judged.warnings)
    if reserved:
        warning += "; it is set aside in the Lease: if it is on its way to somebody, the answer is to try again"
    return f"allowed{warning}"


def _show(told: "Json") -> None:
    from kubemacpool.cli.output import BAD, FAINT, Column, show_table

    place = "in" if told["inPool"] else "outside"
    typer.echo(f"{told['address']} is {place} the pool {told['pool']}.")
    if told["holders"]:
        columns = [
            Column("KIND", "kind"),
            Column("NAMESPACE", "namespace"),
            Column("NAME", "name"),
            Column("ROLE", "role"),
            Column("AGE", "age"),
            Column("MANAGED", "managed", styles={"no": FAINT}),
        ]
        show_table(columns, told["holders"])
    else:
        typer.echo("Nobody has it.")
    if told["collides"]:
        show_table([Column("COLLISION", "text", styles={})], [{"text": "several running objects have it"}])
    show_table([Column("WHO ASKS FOR IT IS", "text", styles={"refused": BAD})], [{"text": told["ifAskedFor"]}])
