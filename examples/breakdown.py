"""Where the time and the money of a run went, by node and by provider, from what is recorded of it.

    $ flowspan show last --json | python breakdown.py

A node's share is of the time that the run took by the clock on the wall: nodes that ran at once may
have more than 100 % together.  What happened in nodes inside a node is part of it.

Where runs are inside the run, each has a row as well (pflow's planner beside the workflow); where
an engine tells types of nodes, each type has one, with the calls that its nodes made themselves.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

BOTTLENECK = 0.5
"""A node that took this share of its run's time or more is worth looking at."""

TYPE = "pflow.node.type"
"""The attribute that says of which type a node is."""

Span = dict[str, Any]


@dataclass
class Part:
    """What one node or one provider took; rounds of the same node are added up."""

    name: str
    seconds: float = 0.0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    failed: int = 0
    replayed: int = 0

    def add(self, span: Span) -> None:
        """Add a span, with the model calls in it."""
        used = span["subtree"]
        self.seconds += span["duration_ns"] / 1e9
        self.calls += used["llm_calls"]
        self.input_tokens += used["tokens"]["input"]
        self.output_tokens += used["tokens"]["output"]
        self.usd += used["cost"]["usd"] or 0.0
        self.failed += span["status"] == "error"
        self.replayed += bool(span["attributes"].get("flowspan.replayed"))


def by_node(spans: Iterable[Span]) -> list[Part]:
    """The nodes of a run, the slowest first."""
    parts = _added_up((span["title"], span) for span in spans if span["kind"] == "node")
    return sorted(parts, key=lambda part: -part.seconds)


def by_provider(spans: Iterable[Span]) -> list[Part]:
    """The providers of a run, the dearest first."""
    parts = _added_up((span["provider"], span) for span in spans if span["kind"] == "llm")
    return sorted(parts, key=lambda part: -part.usd)


def by_workflow(spans: Iterable[Span]) -> list[Part]:
    """The runs inside the run, in their order; what happened in runs inside them is part of it."""
    return _added_up(
        (span["title"], span) for span in spans if span["kind"] == "run" and span["depth"]
    )


def by_type(spans: Iterable[Span]) -> list[Part]:
    """The types of nodes, the dearest first, each with the calls that its nodes made themselves.

    A node that runs a workflow is not charged for the nodes in there; its time is all its time.
    """
    parts: dict[str, Part] = {}
    node_of: dict[str, Span] = {}
    for span in spans:  # from top to bottom
        around = node_of.get(span["parent_id"])
        node = span if span["kind"] == "node" else around
        if node is None:
            continue
        node_of[span["span_id"]] = node
        name = node["attributes"].get(TYPE)
        if name is None:
            continue
        part = parts.setdefault(name, Part(name))
        if span is node:
            part.add({**span, "subtree": _NOTHING})
        elif span["kind"] == "llm":
            part.add({**span, "duration_ns": 0, "status": "ok", "attributes": {}})
    return sorted(parts.values(), key=lambda part: -part.usd)


_NOTHING = {"llm_calls": 0, "tokens": {"input": 0, "output": 0}, "cost": {"usd": None}}


def _added_up(named: Iterable[tuple[str, Span]]) -> list[Part]:
    parts: dict[str, Part] = {}
    for name, span in named:
        parts.setdefault(name, Part(name)).add(span)
    return list(parts.values())


def table(parts: Iterable[Part], run_seconds: float) -> str:
    """The parts as Markdown."""
    head = ("", "seconds", "of the run", "calls", "input", "output", "dollars", "")
    rows = [head, ("---",) * len(head)]
    for part in parts:
        share = part.seconds / run_seconds
        remarks = ["bottleneck"] * (share >= BOTTLENECK) + ["failed"] * bool(part.failed)
        remarks += [f"{part.replayed} replayed"] * bool(part.replayed)
        numbers = (part.calls, part.input_tokens, part.output_tokens, f"{part.usd:.6f}")
        rows.append(
            (
                part.name,
                f"{part.seconds:.3f}",
                f"{share:.0%}",
                *map(str, numbers),
                ", ".join(remarks),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Print both tables of the run that is read."""
    spans = json.load(sys.stdin)["spans"]
    run_seconds = spans[0]["duration_ns"] / 1e9
    parts = (by_workflow(spans), by_type(spans))
    shown = (by_node(spans), by_provider(spans), *filter(None, parts))
    print(*(table(each, run_seconds) for each in shown), sep="\n\n")


if __name__ == "__main__":
    main()
