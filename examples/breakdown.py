"""Where the time and the money of a run went, by node, agent, tool, provider and model.

    $ flowspan show last --json | python breakdown.py

Seconds are added up; the share of the run is that of its time by the clock on the wall in which a
part was at work, so what happens at once counts once there.  What happened in nodes inside a node
is part of it, also where they have its name, and so it is with agents.

Where runs are inside the run, each has a row as well (pflow's planner beside the workflow); where
an engine tells types of nodes, each type has one, with the calls that its nodes made themselves.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

BOTTLENECK = 0.5
"""A node that took this share of its run's time or more is worth looking at."""

TYPE = "pflow.node.type"
"""The attribute that says of which type a node is."""

Span = dict[str, Any]


@dataclass
class Part:
    """What one node, one agent or one provider took; rounds of the same are added up.

    Attributes:
        name: Of the part.
        times: How often it was at work.
        seconds: How long, all times together.
        calls: Model calls.
        input_tokens: Of these calls.
        output_tokens: Of these calls.
        usd: What is known of their price, in US dollars.
        unpriced: Calls whose price is not known.
        failed: How often it failed.
        replayed: How often the engine had its answer already.
        spells: From when to when it was at work, in nanoseconds.
    """

    name: str
    times: int = 0
    seconds: float = 0.0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    failed: int = 0
    replayed: int = 0
    spells: list[tuple[int, int]] = field(default_factory=list)

    def add(self, span: Span) -> None:
        """Add a span, with the model calls in it."""
        self.appear(span)
        self.seconds += span["duration_ns"] / 1e9
        self.spells.append((span["start_ns"], span["start_ns"] + span["duration_ns"]))
        self.use(span["subtree"])

    def appear(self, span: Span) -> None:
        """Count a span."""
        self.times += 1
        self.failed += span["status"] == "error"
        self.replayed += bool(span["attributes"].get("flowspan.replayed"))

    def use(self, used: dict[str, Any]) -> None:
        """Add what model calls used."""
        self.calls += used["llm_calls"]
        self.input_tokens += used["tokens"]["input"]
        self.output_tokens += used["tokens"]["output"]
        self.usd += used["cost"]["usd"] or 0.0
        self.unpriced += used["cost"]["unpriced_calls"]

    def share(self, run_seconds: float) -> float:
        """The share of the run in which it was at work, once or several times at once."""
        covered = reached = 0
        for start, end in sorted(self.spells):
            covered += max(0, end - max(start, reached))
            reached = max(reached, end)
        return covered / 1e9 / run_seconds if run_seconds else 0.0

    @property
    def dollars(self) -> str:
        """What it cost; a question mark stands for the calls whose price is not known."""
        if not self.unpriced:
            return f"{self.usd:.6f}"
        return f"{self.usd:.6f}+?" if self.usd else "?"


def by_node(spans: Iterable[Span]) -> list[Part]:
    """The nodes of a run, the slowest first."""
    parts = _added_up(spans, lambda span: span["title"] if span["kind"] == "node" else None)
    return sorted(parts, key=lambda part: -part.seconds)


def by_agent(spans: Iterable[Span]) -> list[Part]:
    """The agents of a run, the dearest first."""
    parts = _added_up(spans, lambda span: span["title"] if span["kind"] == "agent" else None)
    return sorted(parts, key=lambda part: -part.usd)


def by_tool(spans: Iterable[Span]) -> list[Part]:
    """The tools of a run, the slowest first; an agent inside a tool is part of it."""
    parts = _added_up(spans, lambda span: span["title"] if span["kind"] == "tool" else None)
    return sorted(parts, key=lambda part: -part.seconds)


def by_provider(spans: Iterable[Span]) -> list[Part]:
    """The providers of a run, the dearest first."""
    parts = _added_up(spans, lambda span: _provider(span) if span["kind"] == "llm" else None)
    return sorted(parts, key=lambda part: -part.usd)


def by_model(spans: Iterable[Span]) -> list[Part]:
    """The models of a run, each with who provides it, the dearest first."""

    def model(span: Span) -> str | None:
        return f"{_provider(span)}/{span['model']}" if span["kind"] == "llm" else None

    return sorted(_added_up(spans, model), key=lambda part: -part.usd)


def by_workflow(spans: Iterable[Span]) -> list[Part]:
    """The runs inside the run, in their order; what happened in runs inside them is part of it."""
    return _added_up(
        spans, lambda span: span["title"] if span["kind"] == "run" and span["depth"] else None
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
            part.use(span["subtree"])
    return sorted(parts.values(), key=lambda part: -part.usd)


_NOTHING = {
    "llm_calls": 0,
    "tokens": {"input": 0, "output": 0},
    "cost": {"usd": None, "unpriced_calls": 0},
}


def whole(spans: list[Span]) -> Part:
    """The run, to compare its parts with."""
    run = Part("the run")
    run.add(next((span for span in spans if span["kind"] == "run"), spans[0]))
    return run


def _provider(span: Span) -> str:
    return span["provider"] or "unknown"


def _added_up(spans: Iterable[Span], named: Callable[[Span], str | None]) -> list[Part]:
    """A part for each name; a span inside another of its name has been counted with that one."""
    parts: dict[str, Part] = {}
    names_around: dict[str, frozenset[str]] = {}
    for span in spans:  # from top to bottom
        around = names_around.get(span["parent_id"], frozenset())
        name = named(span)
        if name is not None:
            part = parts.setdefault(name, Part(name))
            (part.appear if name in around else part.add)(span)
            around |= {name}
        names_around[span["span_id"]] = around
    return list(parts.values())


_HEAD = ("", "seconds", "times", "each", "of the run", "calls", "input", "output", "dollars", "")


def table(parts: Iterable[Part], run: Part) -> str:
    """The parts as Markdown, and below them the run."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    rows += [_row(part, run) for part in parts]
    rows.append(_row(run, run))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(part: Part, run: Part) -> tuple[str, ...]:
    share = part.share(run.seconds)
    remarks = ["bottleneck"] * (part is not run and share >= BOTTLENECK)
    remarks += [f"{part.failed} failed"] * bool(part.failed)
    remarks += [f"{part.replayed} replayed"] * bool(part.replayed)
    return (
        part.name.replace("|", "\\|"),
        f"{part.seconds:.3f}",
        str(part.times),
        f"{part.seconds / part.times:.3f}",
        f"{share:.0%}",
        *map(str, (part.calls, part.input_tokens, part.output_tokens)),
        part.dollars,
        ", ".join(remarks),
    )


def main() -> None:
    """Print a table for each way to look at the run that is read."""
    spans = json.load(sys.stdin)["spans"]
    ways = (by_node, by_agent, by_tool, by_provider, by_model, by_workflow, by_type)
    shown = filter(None, (way(spans) for way in ways))
    print(*(table(parts, whole(spans)) for parts in shown), sep="\n\n")


if __name__ == "__main__":
    main()
