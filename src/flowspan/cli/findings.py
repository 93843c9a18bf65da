"""Tells what was found: the end of the verbs that check something."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from flowspan.report import as_json as json_report
from flowspan.report.findings import problems
from flowspan.report.terminal import findings
from flowspan.report.terminal.surface import surface

if TYPE_CHECKING:
    from flowspan.report.findings import Section


def tell(ctx: click.Context, sections: Sequence[Section], *, as_json: bool) -> NoReturn:
    """Print sections for people or for programs, and exit: 1 if there is something to fix."""
    if as_json:
        click.echo(json_report.text(json_report.findings(sections)))
    else:
        output = surface(sys.stdout)
        output.print(*findings.lines(sections, output))
    ctx.exit(1 if problems(sections) else 0)
