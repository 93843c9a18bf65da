"""Prints a report as a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.imports import Import
from benchmarks.result import Report, Row

_MET = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _spread(row: Row) -> str:
    low, high = _number(row.value.low), _number(row.value.high)
    return f"{_number(row.value.median)} ({low}…{high})" if low != high else low


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _cells(row: Row) -> Sequence[str]:
    return (
        row.side,
        _spread(row),
        row.unit,
        _number(row.added),
        _ratio(row.ratio),
        _number(row.instructions, 0),
        _ratio(row.instruction_ratio),
        _ratio(row.delivered_ratio),
        f"{row.aim} {_MET[row.met]}".strip(),
    )


def show(report: Report, console: Console) -> None:
    """Print the figures, then what must be said about them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (
        "",
        "median (quartiles)",
        "",
        "added",
        "times",
        "added k instr.",
        "times",
        "delivered",
        "aim",
    ):
        table.add_column(name, justify="left" if name in {"", "aim"} else "right")
    for subject, rows in groupby(report.rows, key=lambda row: row.subject):
        table.add_section()
        table.add_row(f"[bold]{subject}[/]")
        for row in rows:
            table.add_row(*_cells(row))
    console.print(table)
    for remark in report.remarks:
        console.print(f"[yellow]{remark}[/]")
    for difference in report.differences:
        console.print(f"[red]The sides differ, and their ratios mean nothing: {difference}[/]")


def show_imports(imports: Sequence[Import], console: Console, most: int = 40) -> None:
    """Print the dearest imports."""
    table = Table(box=box.SIMPLE_HEAD, title="Imported by flowspan, not by a bare start")
    table.add_column("own ms", justify="right")
    table.add_column("with its own imports", justify="right")
    table.add_column("module")
    for each in imports[:most]:
        table.add_row(_number(each.own / 1000, 2), _number(each.together / 1000, 2), each.module)
    console.print(table)
    total = sum(each.own for each in imports) / 1000
    console.print(f"{len(imports)} modules, {_number(total)} ms together.")
