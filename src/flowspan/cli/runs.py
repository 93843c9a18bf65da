"""``flowspan runs``: the list of runs."""

from __future__ import annotations

import sys
import time
from typing import get_args

import click

from flowspan.cli import options
from flowspan.report import as_json as json_report
from flowspan.report import since as moments
from flowspan.report.terminal import runs as renderer
from flowspan.report.terminal.surface import surface
from flowspan.store.queries import is_there, open_store
from flowspan.store.records import RunFilter, RunStatus


@click.command()
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many, the newest.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Begun since then: how long ago (30m, 2h, 7d) or a date (2026-11-20T14:30).",
)
@click.option("--workflow", metavar="NAME", help="Only runs of this workflow.")
@click.option("--engine", metavar="NAME", help="Only runs of this engine.")
@click.option(
    "--status",
    type=click.Choice(get_args(RunStatus)),
    multiple=True,
    help="Only runs that became this; may be given several times.",
)
@options.store
@options.as_json
def runs(  # noqa: PLR0913 - one for each option
    *,
    limit: int,
    since: str | None,
    workflow: str | None,
    engine: str | None,
    status: tuple[RunStatus, ...],
    store: str | None,
    as_json: bool,
) -> None:
    """List the last runs.

    Shows when each began, what became of it, how long it took, and what it used. The first column
    is what `flowspan show` takes.
    """
    place = options.place(store)
    wanted = RunFilter(
        limit=limit,
        since=None if since is None else moments.moment(since),
        workflow=workflow,
        engine=engine,
        status=frozenset(status) or None,
    )
    rows = []
    if is_there(place):
        with open_store(place) as opened:
            rows = opened.runs(wanted)
    if as_json:
        click.echo(json_report.text(json_report.runs(rows)))
        return
    output = surface(sys.stdout)
    if rows:
        output.print(*renderer.lines(rows, output, now_ns=time.time_ns()))
    else:
        output.print(
            *renderer.nothing(output, store=place, filtered=wanted != RunFilter(limit=limit))
        )
