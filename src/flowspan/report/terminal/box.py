"""The box that ``flowspan run`` leaves behind: what the command recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from flowspan.report import amounts
from flowspan.report.reason import failure
from flowspan.report.sequel import SHORT_ID, sequel
from flowspan.report.summary import Invocation
from flowspan.report.terminal import colours, facts
from flowspan.report.terminal.header import status_sign
from flowspan.report.terminal.surface import Surface
from flowspan.store.records import RunRow

_RUNS_NAMED = 3


def lines(recorded: Invocation, surface: Surface, *, place: str) -> Iterator[Text]:
    """The box, line by line.

    Args:
        recorded: What was recorded.
        surface: Where it is shown.
        place: What to add to ``flowspan show ID``, so that it looks where this run is stored.
    """
    glyphs = surface.glyphs
    title = " flowspan "
    rule = glyphs.rule * max(0, surface.width - len(title) - 2)
    line = surface.own(glyphs.rule * 2, colours.QUIET)
    line.append(title, "bold")
    yield line.append(rule, colours.QUIET)
    for run in recorded.runs[:_RUNS_NAMED]:
        yield from surface.facts(_run(run, surface), indent=1)
    if len(recorded.runs) > _RUNS_NAMED:
        more = amounts.count(len(recorded.runs) - _RUNS_NAMED, "more run")
        yield surface.own(f" {glyphs.ellipsis} {more}", colours.QUIET)
    yield from surface.facts(_sums(recorded, surface), indent=1)
    yield from _next(recorded.runs, surface, place)
    yield surface.own(glyphs.rule * surface.width, colours.QUIET)


def nothing(surface: Surface, *, store: str) -> Iterator[Text]:
    """What is said where no run was recorded."""
    words = (
        f"flowspan: no run was recorded in {store}. Either the program called no engine and no "
        "model that flowspan knows, or it ran in a Python that flowspan is not installed in: "
        "flowspan doctor -- COMMAND tells"
    )
    yield from surface.paragraph(words)


def _run(run: RunRow, surface: Surface) -> Iterator[Text]:
    colour = colours.COLOUR_OF_STATUS[run.status]
    name = surface.own(f"{status_sign(run.status, surface)} ", f"bold {colour}")
    name.append(surface.cut(surface.plain(run.workflow or run.name), surface.width // 2), "bold")
    yield name.append(f" {run.status}", colour)
    yield surface.own(amounts.duration(run.duration_ns))
    for words in sequel(run):
        yield surface.text(words, colours.COLOUR_OF_STATUS["paused"])
    if error := failure(run):
        yield surface.shortened(surface.text(error, colours.FAILED), surface.width - 2)


def _sums(recorded: Invocation, surface: Surface) -> Iterator[Text]:
    own = surface.own
    if len(recorded.runs) > 1:
        yield own(f"{len(recorded.runs):,} runs in {amounts.duration(recorded.duration_ns)}")
    yield own(amounts.count(recorded.llm_calls, "model call"))
    if recorded.llm_calls:
        about = "~" if recorded.estimated_calls else ""
        yield own(f"{about}{recorded.input_tokens:,} → {recorded.output_tokens:,} tokens")
    price = facts.cost_in_words(recorded.cost_usd, recorded.unpriced_calls)
    if price:
        yield own(price, "bold")
    if recorded.errors:
        yield own(amounts.count(recorded.errors, "error"), colours.FAILED)
    if recorded.slowest is not None:
        slowest = recorded.slowest
        name = surface.cut(surface.plain(slowest.name), surface.width // 3)
        share = f"{slowest.share:.0%}"
        yield own(f"slowest {slowest.role} {name} {amounts.duration(slowest.own_ns)} ({share})")


def _next(runs: Sequence[RunRow], surface: Surface, place: str) -> Iterator[Text]:
    # Never cut: these are to be copied.
    yield surface.text(f" flowspan show {runs[0].trace_id[:SHORT_ID]}{place}", "bold")
    if len(runs) > 1:
        yield surface.text(f" flowspan runs{place}", "bold")
