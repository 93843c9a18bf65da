"""The list of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.text import Text

from flowspan.report import amounts
from flowspan.report.reason import failure
from flowspan.report.sequel import SHORT_ID, sequel
from flowspan.report.terminal import colours, facts, table
from flowspan.report.terminal.header import status_sign
from flowspan.report.terminal.surface import Surface
from flowspan.report.terminal.table import Column
from flowspan.store.location import Place
from flowspan.store.records import RunRow


def lines(runs: Sequence[RunRow], surface: Surface, *, now_ns: int) -> Iterator[Text]:
    """One line for each run, its error and its neighbours below it.

    Args:
        runs: At least one.
        surface: Where they are shown.
        now_ns: The present, since the epoch.
    """
    head, *rows = table.lines(_columns(runs, surface, now_ns), surface)
    yield from head
    for run, row in zip(runs, rows, strict=True):
        yield from row
        told = surface.own(f" {surface.glyphs.dot} ", colours.QUIET).join(_told(run, surface))
        if told:
            line = surface.own(f"{' ' * SHORT_ID}  {surface.glyphs.corner}", colours.QUIET)
            yield surface.shortened(line.append_text(told), surface.width)
    if any(run.unpriced_calls for run in runs):
        yield Text("", end="")
        yield from surface.paragraph(facts.UNKNOWN_PRICE_NOTE, colours.QUIET)


def _told(run: RunRow, surface: Surface) -> Iterator[Text]:
    """What stands below a run: which ones it goes on with, how it stopped, why it failed."""
    for words in sequel(run):
        yield surface.text(words, colours.QUIET)
    if error := failure(run):
        yield surface.text(error, colours.FAILED)


def _columns(runs: Sequence[RunRow], surface: Surface, now_ns: int) -> list[Column]:
    own, text = surface.own, surface.text
    return [
        Column(title="run", cells=[own(run.trace_id[:SHORT_ID], "bold") for run in runs]),
        Column(
            title="started",
            cells=[own(amounts.moment(run.started_ns, now=now_ns)) for run in runs],
            dropped=5,
        ),
        Column(
            title="workflow",
            cells=[text(run.workflow or run.name) for run in runs],
            flexible=True,
        ),
        Column(
            title="engine",
            cells=[text(run.engine or "", colours.QUIET) for run in runs],
            dropped=1,
        ),
        Column(title="status", cells=[_status(run, surface) for run in runs]),
        Column(
            title="time",
            cells=[own(amounts.duration(_lasted(run, now_ns))) for run in runs],
            right=True,
        ),
        Column(
            title="steps", cells=[own(_number(run.steps)) for run in runs], right=True, dropped=2
        ),
        Column(
            title="calls",
            cells=[own(_number(run.llm_calls)) for run in runs],
            right=True,
            dropped=4,
        ),
        Column(
            title=f"tokens in{surface.glyphs.arrow}out",
            cells=[own(_tokens(run)) for run in runs],
            right=True,
            dropped=3,
        ),
        Column(title="cost", cells=_costs(runs, surface), right=True, dropped=6),
    ]


def _status(run: RunRow, surface: Surface) -> Text:
    words = f"{status_sign(run.status, surface)} {run.status}"
    return surface.own(words, colours.COLOUR_OF_STATUS[run.status])


def _lasted(run: RunRow, now_ns: int) -> int:
    return now_ns - run.started_ns if run.status == "running" else run.duration_ns


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _tokens(run: RunRow) -> str:
    if not run.input_tokens and not run.output_tokens:
        return ""
    about = "~" if run.estimated_calls else ""
    return f"{about}{amounts.tokens(run.input_tokens)}→{amounts.tokens(run.output_tokens)}"


def _costs(runs: Sequence[RunRow], surface: Surface) -> list[Text]:
    """The costs, with the dollars below each other whether or not calls are missing in them."""
    words = []
    for run in runs:
        usd = None if run.cost_usd is None else Decimal(str(run.cost_usd))
        words.append(facts.cost(usd, run.unpriced_calls))
    rest = " " * len(facts.UNKNOWN_REST) if any(word.endswith("?") for word in words) else ""
    return [surface.own(word if word.endswith("?") or not word else word + rest) for word in words]


def nothing(surface: Surface, *, store: Place, filtered: bool) -> Iterator[Text]:
    """What is said where there is no run to list.

    Args:
        surface: Where it is shown.
        store: What was asked.
        filtered: Whether the user asked for some runs only.
    """
    if filtered:
        yield from surface.paragraph(f"No run in {store} matches.")
        return
    yield from surface.paragraph(f"No run is recorded yet in {store}.")
    yield from surface.paragraph("Start your program with flowspan, unchanged:")
    yield Text("", end="")
    yield surface.own("    flowspan run python your_program.py", "bold")
    yield Text("", end="")
    yield from surface.paragraph(
        "If it has run already and nothing is here, flowspan doctor tells why."
    )
