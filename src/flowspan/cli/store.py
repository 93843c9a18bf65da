"""``flowspan store``: what a database needs to be a store."""

from __future__ import annotations

import click

from flowspan.store.clickhouse.address import TRACES_TABLE


@click.group()
def store() -> None:
    """Prepare a database for runs."""


@store.command()
@click.option("--clickhouse", is_flag=True, help="For a collector's ClickHouse database.")
@click.option(
    "--table",
    metavar="NAME",
    default=TRACES_TABLE,
    show_default=True,
    help="The collector's table.",
)
@click.option(
    "--keep-days",
    metavar="N",
    type=click.IntRange(min=1),
    help="Delete rows of our tables after so many days.",
)
def ddl(*, clickhouse: bool, table: str, keep_days: int | None) -> None:
    """Print the statements that make flowspan's view and tables.

    Nothing is connected to. flowspan reads a collector's database without them; with them lists and
    sums take a fraction of the time, and the view `spans` is there for SQL of your own.
    """
    if not clickhouse:
        raise click.UsageError("name the database to print for: --clickhouse")

    from flowspan.store.clickhouse import tables  # noqa: PLC0415 - the help need not wait for it

    click.echo(tables.script(collected=table, keep_days=keep_days), nl=False)
