"""The trees of the engines' examples, as the documents show them: what is the same in every run."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from examples import offline

_ROUTES: Final = "flowspan.route.taken"
_FALLBACK: Final = "flowspan.fallback"
_INDEX: Final = "flowspan.batch.index"

Span = Mapping[str, Any]


def tree(name: str) -> str | None:
    """The runs of an example; ``None`` where what it needs is not installed."""
    if offline.missing(name):
        return None
    with tempfile.TemporaryDirectory() as folder:
        played = offline.play(name, Path(folder) / "store.db")
    if played.status:
        raise SystemExit(f"the example {name} ended with status {played.status}:\n{played.errors}")
    return text(played.runs)


def text(runs: Sequence[Sequence[Span]]) -> str:
    """The trees of runs, as a page shows them."""
    lines = [line for run in runs for line in drawn(run)]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def drawn(spans: Sequence[Span]) -> Iterator[str]:
    """The lines of one run."""
    below: dict[str | None, list[Span]] = {}
    here = {span["span_id"] for span in spans}
    for span in spans:
        parent = span["parent_id"] if span["parent_id"] in here else None
        below.setdefault(parent, []).append(span)
    for root in below.get(None, ()):
        yield _line(root)
        yield from _branches(root, below, "")


def _branches(span: Span, below: Mapping[Any, list[Span]], indent: str) -> Iterator[str]:
    children = below.get(span["span_id"], [])
    children = sorted(children, key=_order(span, children))
    for number, child in enumerate(children, 1):
        last = number == len(children)
        yield f"{indent}{'└─' if last else '├─'} {_line(child)}"
        yield from _branches(child, below, f"{indent}{'   ' if last else '│  '}")


def _order(parent: Span, children: Sequence[Span]) -> Any:
    """In the order of their start; what is run at once, by name or by its number."""
    if parent["kind"] == "step":
        return lambda span: (span["name"], span["attributes"].get("flowspan.node.id", ""))
    numbered = [span["start_ns"] for span in children if _INDEX in span["attributes"]]
    first = min(numbered, default=0)

    def place(span: Span) -> tuple[int, int]:
        index = span["attributes"].get(_INDEX)
        return (span["start_ns"], 0) if index is None else (first, index)

    return place


def _line(span: Span) -> str:
    known = span["attributes"]
    step, node = known.get("gen_ai.step.name"), known.get("flowspan.node.id")
    name = span["name"]
    if span["kind"] == "node" and node is not None and step is not None:
        name = name.replace(step, node)
    return "  ".join([name, *_remarks(span, known)])


def _remarks(span: Span, known: Mapping[str, Any]) -> Iterator[str]:
    if known.get("flowspan.attempt", 1) > 1:
        yield f"{known['flowspan.attempt']} attempts"
    if any(event["name"] == _FALLBACK for event in span["events"]):
        yield "falls back"
    if known.get("flowspan.cache.hit"):
        yield "from a cache"
    if known.get("flowspan.resumed"):
        yield "resumes the run before"
    if "flowspan.interruption" in known:
        yield known["flowspan.interruption"]
    if "error.type" in known:
        yield f"fails: {known['error.type']}"
    taken = Counter(
        event["attributes"].get("flowspan.route.to") or event["attributes"]["flowspan.route.action"]
        for event in span["events"]
        if event["name"] == _ROUTES
    )
    for to, count in taken.items():
        yield f"→ {to}" if count == 1 else f"→ {count} {to}"
