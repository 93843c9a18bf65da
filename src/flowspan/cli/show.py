"""``flowspan show``: one run as a tree."""

from __future__ import annotations

import sys
import time
from typing import IO

import click

from flowspan.cli import options
from flowspan.report import as_json as json_report
from flowspan.report.terminal import page
from flowspan.report.terminal.picture import picture
from flowspan.report.terminal.surface import surface
from flowspan.report.tree import build
from flowspan.store.queries import open_store


@click.command()
@click.argument("run", default="last")
@click.option(
    "--depth",
    metavar="N",
    type=click.IntRange(min=1),
    help="Levels below the run. [default: as many as fit a few screens]",
)
@click.option("--all", "everything", is_flag=True, help="Fold nothing.")
@click.option("--events", is_flag=True, help="Show every event below its span.")
@click.option(
    "--width",
    metavar="COLUMNS",
    type=click.IntRange(40, 400),
    help="Columns to use. [default: the terminal's, 100 in a pipe]",
)
@click.option(
    "--svg",
    metavar="FILE",
    type=click.File("w", encoding="utf-8", lazy=True),
    help="Write the tree as a picture instead; - is the standard output.",
)
@options.store
@options.as_json
def show(  # noqa: PLR0913 - one for each option
    *,
    run: str,
    depth: int | None,
    everything: bool,
    events: bool,
    width: int | None,
    svg: IO[str] | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Show one run as a tree.

    RUN is `last`, or how the id of a run or a trace begins.

    Each span has a bar on a common time axis: thick where it was at work itself, a thin line where
    it waited for what it had called. Tokens and cost behind a sum sign are those of all model calls
    below.
    """
    with open_store(options.place(store)) as opened:
        found = opened.find_run(run)
        spans = opened.trace(found.trace_id)
    now_ns = time.time_ns()
    tree = build(spans, now_ns=now_ns)
    view = page.View(depth=depth, everything=everything, events=events, now_ns=now_ns)
    if as_json:
        click.echo(json_report.text(json_report.show(found, tree)))
    elif svg is not None:
        drawn = picture(
            lambda canvas: page.lines(found, tree, view, canvas),
            width=width or 110,
            title=f"flowspan show {run}",
        )
        svg.write(drawn)
        click.echo(f"wrote {svg.name}", err=True)
    else:
        output = surface(sys.stdout, width=width)
        output.print(*page.lines(found, tree, view, output))
