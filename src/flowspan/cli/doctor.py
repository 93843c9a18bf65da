"""``flowspan doctor``: what would be recorded here, and why something would not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from flowspan import interpreter, launcher
from flowspan.cli import options
from flowspan.cli.findings import tell
from flowspan.doctor import inspect
from flowspan.report.findings import Finding, Section


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, *, command: tuple[str, ...], as_json: bool) -> None:
    """Check what would be recorded, and why something is not.

    With a COMMAND it checks the Python that this command runs in, which need not be the one that
    `flowspan` itself is installed in. The exit code is 0 if all is well and 1 if there is something
    to fix.
    """
    program = launcher.resolve(command) if command else []
    python = interpreter.of_command(program) if program else None
    if program and (switch := interpreter.blinding_switch(program)) is not None:
        sections = [Section("start", [_blind(switch)])]
    elif python is not None and not interpreter.is_ours(python):
        if interpreter.has_flowspan(python):
            ctx.exit(_elsewhere(python, as_json=as_json))
        sections = [Section("start", [_absent(python)])]
    else:
        sections = inspect()
    tell(ctx, sections, as_json=as_json)


def _elsewhere(python: Path, *, as_json: bool) -> int:
    command = [str(python), "-m", "flowspan", "doctor", *(["--json"] if as_json else [])]
    return subprocess.call(command)  # noqa: S603 - the Python that the user's command names


def _blind(switch: str) -> Finding:
    text = f"is not started, because {switch} keeps Python from what starts it"
    return Finding("problem", "flowspan", text, f"leave {switch} out", {"switch": switch})


def _absent(python: Path) -> Finding:
    return Finding(
        "problem",
        "flowspan",
        f"is not installed for {python}, which runs this command",
        f"{python} -m pip install flowspan",
        {"python": str(python)},
    )
