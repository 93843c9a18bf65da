"""The lines under a span: its states and prompts, its error, its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from flowspan.report import amounts
from flowspan.report.story import Prompt, Route, States, Story, tell
from flowspan.report.terminal import colours
from flowspan.report.terminal.surface import Surface
from flowspan.report.totals import of_span
from flowspan.report.tree import Mark, TreeNode
from flowspan.store.records import EventRecord, SpanRow

_STATES_SHOWN: Final = 7
_FACTS_SHOWN: Final = 6
_LEVELS_ASKED: Final = 4

_MEANING: Final[dict[Mark, str]] = {
    "orphan": "its parent {parent} is not in the store",
    "remote": "goes on from span {parent} of another process",
    "cycle": "its parent {parent} is one of its own descendants",
}
_UNENDED: Final = {
    "open": ("still open", colours.COLOUR_OF_STATUS["running"]),
    "interrupted": ("interrupted", colours.WARNING),
}
"""Said of the innermost spans that have not ended: there the run is, or was."""


def lines(node: TreeNode, surface: Surface) -> Iterator[Text]:
    """What is to be said of a span, one line for each kind of thing."""
    story = tell(node.span)
    if node.mark is not None:
        words = _MEANING[node.mark].format(parent=node.span.parent_id)
        yield surface.text(words, colours.QUIET if node.mark == "remote" else colours.WARNING)
    known = [*_states(story, surface), *_prompts(node, story, surface), *_routes(story, surface)]
    known += [*_loops(story, surface), *_remarks(node, story, surface), *_rest(node, surface)]
    if known:
        yield _separated(known, surface)
    if story.error is not None and began_here(node):
        yield surface.text(story.error, colours.FAILED)


def began_here(node: TreeNode) -> bool:
    """Whether a span failed by itself, not because something that it called did."""
    failed_below = any(child.totals.failures for child in node.children)
    return node.span.status == "error" and not failed_below


def events(span: SpanRow, surface: Surface) -> Iterator[Text]:
    """Every event of a span, with the time since its begin."""
    for event in span.events:
        after = amounts.duration(event.time_ns - span.start_ns)
        words = surface.own(f"+{after} ", colours.QUIET)
        words.append(surface.plain(event.name))
        words.append(surface.plain(_attributes(event)), colours.QUIET)
        yield words


def _attributes(event: EventRecord) -> str:
    return "".join(f" {name}={value}" for name, value in event.attrs.items())


def _states(story: Story, surface: Surface) -> list[Text]:
    return [_labelled("state", _path(states, surface), surface) for states in story.states]


def _path(states: States, surface: Surface) -> str:
    path = list(states.path)
    if len(path) > _STATES_SHOWN:
        half = _STATES_SHOWN // 2
        path[half:-half] = [surface.glyphs.ellipsis]
    whose = f"{states.node_id}: " if states.node_id else ""
    return whose + f" {surface.glyphs.arrow} ".join(map(surface.plain, path))


def _prompts(node: TreeNode, story: Story, surface: Surface) -> list[Text]:
    """The prompts that were chosen here; not those that were told further up already."""
    told = _told_above(node) if story.prompts else set()
    return [
        _labelled("prompt", _prompt(prompt), surface)
        for prompt in story.prompts
        if (prompt.name, prompt.version) not in told
    ]


def _told_above(node: TreeNode) -> set[tuple[str, str | None]]:
    told = set()
    above = node.parent
    for _ in range(_LEVELS_ASKED):
        if above is None:
            break
        told |= {(prompt.name, prompt.version) for prompt in tell(above.span).prompts}
        above = above.parent
    return told


def _prompt(prompt: Prompt) -> str:
    version = f"@{prompt.version}" if prompt.version else ""
    return prompt.name + version + (f" ({prompt.reason})" if prompt.reason else "")


def _routes(story: Story, surface: Surface) -> list[Text]:
    return [_labelled("next", _route(route), surface) for route in story.routes]


def _route(route: Route) -> str:
    return route.to + (f" ({route.action})" if route.action else "")


def _loops(story: Story, surface: Surface) -> list[Text]:
    return [
        surface.own(f"a loop? {surface.plain(loop.node)}, {loop.rounds} rounds", colours.WARNING)
        for loop in story.loops
    ]


def _remarks(node: TreeNode, story: Story, surface: Surface) -> list[Text]:
    """How it began and ended: told at the top, and where it arose, and not on what is between."""
    passed_on: set[str] = set()
    if story.remarks and node.parent is not None:
        passed_on = {remark for child in node.children for remark in tell(child.span).remarks}
    return [
        surface.own(surface.plain(remark), colours.QUIET)
        for remark in story.remarks
        if remark not in passed_on
    ]


def _rest(node: TreeNode, surface: Surface) -> list[Text]:
    facts = []
    retries = of_span(node.span).retries
    if retries:
        facts.append(surface.own(amounts.count(retries, "retry", "retries"), colours.WARNING))
    if node.span.state != "done" and not any(child.totals.open_spans for child in node.children):
        words, style = _UNENDED[node.span.state]
        facts.append(surface.own(words, style))
    if node.span.cost_status == "replayed":
        facts.append(surface.own("replayed", colours.QUIET))
    return facts


def _labelled(label: str, words: str, surface: Surface) -> Text:
    text = surface.own(f"{label} ", colours.QUIET)
    text.append(surface.plain(words), colours.OTHER)
    return text


def _separated(known: list[Text], surface: Surface) -> Text:
    shown = known[:_FACTS_SHOWN]
    if len(known) > len(shown):
        shown.append(surface.own(f"{len(known) - len(shown)} more", colours.QUIET))
    separator = surface.own(f" {surface.glyphs.dot} ", colours.QUIET)
    line = separator.join(shown)
    line.end = ""
    return line
