"""What stands above a run's tree: what it was, when, and its totals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from flowspan.report import amounts
from flowspan.report.reason import failure
from flowspan.report.sequel import sequel
from flowspan.report.summary import ModelUse
from flowspan.report.terminal import colours, facts
from flowspan.report.terminal.surface import Surface
from flowspan.report.tree import Tree
from flowspan.store.records import RunRow, RunStatus

_MODELS_SHOWN: Final = 4
_INDENT: Final = 2


def status_sign(status: RunStatus, surface: Surface) -> str:
    """The sign for what became of a run."""
    glyphs = surface.glyphs
    return {
        "ok": glyphs.ok,
        "error": glyphs.failed,
        "running": glyphs.running,
        "paused": glyphs.paused,
        "interrupted": glyphs.interrupted,
    }[status]


def lines(
    run: RunRow, tree: Tree, models: Sequence[ModelUse], surface: Surface, *, now_ns: int
) -> Iterator[Text]:
    """The lines above the tree."""
    yield from surface.facts(_identity(run, surface, now_ns))
    quiet = (surface.own(fact, colours.QUIET) for fact in _totals(run, tree))
    yield from surface.facts(quiet, indent=_INDENT)
    yield from surface.facts(_models(models, surface), indent=_INDENT)
    said = (surface.text(words, colours.COLOUR_OF_STATUS["paused"]) for words in sequel(run))
    yield from surface.facts(said, indent=_INDENT)
    if error := failure(run):
        words = surface.cut(surface.plain(error), surface.width - _INDENT)
        yield surface.own(" " * _INDENT + words, colours.FAILED)


def _identity(run: RunRow, surface: Surface, now_ns: int) -> Iterator[Text]:
    colour = colours.COLOUR_OF_STATUS[run.status]
    name = surface.own(f"{status_sign(run.status, surface)} ", f"bold {colour}")
    name.append(surface.cut(surface.plain(run.workflow or run.name), surface.width // 2), "bold")
    yield name.append(f" {run.status}", colour)
    service = None if run.service == run.engine else run.service
    for fact in (run.engine, service, amounts.moment(run.started_ns, now=now_ns)):
        if fact:
            yield surface.text(fact, colours.QUIET)
    yield surface.own(f"trace {run.trace_id}", colours.QUIET)


def _totals(run: RunRow, tree: Tree) -> Iterator[str]:
    totals = tree.totals
    yield amounts.duration(tree.interval.end - tree.interval.start)
    yield from _counted((run.steps, "step"), (run.nodes, "node"), (totals.llm_calls, "model call"))
    if totals.llm_calls:
        about = "~" if totals.estimated else ""
        yield f"{about}{totals.input_tokens:,} → {totals.output_tokens:,} tokens"
    price = facts.cost_in_words(facts.known_cost(totals), totals.unpriced_calls)
    if price:
        yield price
    yield from _counted((totals.failures, "error"))
    if totals.retries:
        yield amounts.count(totals.retries, "retry", "retries")
    if totals.open_spans:
        yield f"{totals.open_spans:,} open"


def _counted(*things: tuple[int, str]) -> Iterator[str]:
    return (amounts.count(number, thing) for number, thing in things if number)


def _models(models: Sequence[ModelUse], surface: Surface) -> Iterator[Text]:
    for use in models[:_MODELS_SHOWN]:
        price = facts.cost(facts.known_cost(use.totals), use.totals.unpriced_calls)
        words = surface.text(use.model, colours.of_role("llm"))
        often = f" {surface.glyphs.times}{use.totals.llm_calls:,} {price}"
        yield words.append(surface.own(often, colours.QUIET))
    if len(models) > _MODELS_SHOWN:
        more = amounts.count(len(models) - _MODELS_SHOWN, "more model")
        yield surface.own(more, colours.QUIET)
