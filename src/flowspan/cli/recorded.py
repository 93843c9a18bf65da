"""What ``flowspan run`` says when the program has ended."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from flowspan import config
from flowspan.report import summary
from flowspan.report.terminal import box
from flowspan.report.terminal.surface import surface
from flowspan.report.tree import build
from flowspan.store import location
from flowspan.store.queries import open_store
from flowspan.store.records import RunFilter

_ELSEWHERE: Final = (
    "flowspan: a collector writes what was recorded to {place}: "
    "flowspan runs lists it when it has come there"
)

_SWITCHED_OFF: Final = "flowspan: nothing was recorded, because OTEL_SDK_DISABLED is true: unset it"


def tell(environ: Mapping[str, str], invocation: str, *, given_store: object) -> None:
    """Print the box on the standard error; never in the way of the program's own end.

    Args:
        environ: Of the program that has ended.
        invocation: What its runs carry.
        given_store: The store that the user named on the command line, if one was named.
    """
    settings = config.load(environ)
    if not settings.store_enabled:
        return
    try:
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            click.echo(_SWITCHED_OFF, err=True)
            return
        place = location.place(settings.store)
        if not isinstance(place, Path):
            click.echo(_ELSEWHERE.format(place=place), err=True)
            return
        _tell(place, invocation, f" --store {shlex.quote(str(given_store))}" if given_store else "")
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - the exit code is the program's, whatever happens here
        click.echo(f"flowspan: {error}", err=True)


def _tell(path: Path, invocation: str, place: str) -> None:
    output = surface(sys.stderr)
    if not path.exists():
        output.print(*box.nothing(output, store=str(path)))
        return

    with open_store(path) as opened:
        runs = opened.runs(RunFilter(limit=None, invocation=invocation))
        longest = opened.trace(summary.longest(runs).trace_id) if runs else []
    if not runs:
        output.print(*box.nothing(output, store=str(path)))
        return
    tree = build(longest, now_ns=time.time_ns())
    output.print(*box.lines(summary.invocation(runs, tree), output, place=place))
