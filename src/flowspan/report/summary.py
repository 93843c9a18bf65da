"""The facts of a whole run, or of the runs of one command, beside its tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from flowspan.report.intervals import length, union
from flowspan.report.title import title
from flowspan.report.totals import Totals, of_span
from flowspan.report.tree import Tree, TreeNode
from flowspan.store.records import RunRow


@dataclass(slots=True)
class ModelUse:
    """What one model was used for.

    Attributes:
        model: The model that answered; ``unknown`` where neither side named it.
        totals: Sums over its calls.
    """

    model: str
    totals: Totals = field(default_factory=Totals)


def models(tree: Tree) -> list[ModelUse]:
    """The models of a trace, the dearest first, then the busiest."""
    uses: dict[str, ModelUse] = {}
    for node in tree.order:
        if node.span.kind == "llm":
            model = node.span.model or "unknown"
            uses.setdefault(model, ModelUse(model)).totals.add(of_span(node.span))
    return sorted(
        uses.values(), key=lambda use: (-use.totals.cost_usd, -use.totals.llm_calls, use.model)
    )


class Slowest(NamedTuple):
    """The span that took most of a run.

    Attributes:
        role: ``node``, or what comes next to it in a trace without nodes.
        name: Its name.
        own_ns: Its time, without that of spans of the same role inside it.
        share: Of the run's duration, from 0 to 1.
    """

    role: str
    name: str
    own_ns: int
    share: float


def slowest(tree: Tree) -> Slowest | None:
    """The slowest node; where there are no nodes the slowest agent, tool or model call."""
    for roles in (("node",), ("agent",), ("tool", "llm")):
        candidates = [node for node in tree.order if node.span.kind in roles]
        if candidates:
            return max(_timed(candidates, tree), key=lambda found: found.own_ns)
    return None


def _timed(candidates: Sequence[TreeNode], tree: Tree) -> Iterable[Slowest]:
    whole = max(tree.interval.end - tree.interval.start, 1)
    inner = _nearest_inside(candidates)
    for node in candidates:
        inside = union((other.interval for other in inner.get(id(node), ())), node.interval)
        own_ns = node.duration_ns - length(inside)
        name = title(node.span)
        yield Slowest(name.role, name.name, own_ns, own_ns / whole)


def _nearest_inside(candidates: Sequence[TreeNode]) -> Mapping[int, list[TreeNode]]:
    """For each candidate the candidates below it with no other one between."""
    chosen = {id(node) for node in candidates}
    inside: dict[int, list[TreeNode]] = {}
    for candidate in candidates:
        waiting = list(candidate.children)
        while waiting:
            node = waiting.pop()
            if id(node) in chosen:
                inside.setdefault(id(candidate), []).append(node)
            else:
                waiting.extend(node.children)
    return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What one ``flowspan run`` command recorded.

    Attributes:
        runs: Newest first.
        duration_ns: From the first run's begin to the last one's end.
        llm_calls: Model calls of all runs.
        input_tokens: Of all runs.
        output_tokens: Of all runs.
        cost_usd: Sum of the known prices; ``None`` where none is known.
        unpriced_calls: Calls whose price is not known.
        estimated_calls: Calls whose tokens are an estimate.
        errors: Failed spans, each error counted where it arose.
        slowest: The slowest node of the longest run.
    """

    runs: Sequence[RunRow]
    duration_ns: int
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int
    estimated_calls: int
    errors: int
    slowest: Slowest | None


def longest(runs: Iterable[RunRow]) -> RunRow:
    """The run that took longest, whose tree is worth reading."""
    return max(runs, key=lambda run: run.duration_ns)


def invocation(runs: Sequence[RunRow], tree: Tree | None = None) -> Invocation:
    """Sum up the runs of one command.

    Args:
        runs: At least one, newest first.
        tree: Of the longest of them, if it was read.
    """
    begin = min(run.started_ns for run in runs)
    end = max(run.started_ns + run.duration_ns for run in runs)
    return Invocation(
        runs=runs,
        duration_ns=end - begin,
        llm_calls=sum(run.llm_calls for run in runs),
        input_tokens=sum(run.input_tokens for run in runs),
        output_tokens=sum(run.output_tokens for run in runs),
        cost_usd=known_cost(runs),
        unpriced_calls=sum(run.unpriced_calls for run in runs),
        estimated_calls=sum(run.estimated_calls for run in runs),
        errors=sum(run.errors for run in runs),
        slowest=slowest(tree) if tree is not None else None,
    )


def known_cost(runs: Iterable[RunRow]) -> Decimal | None:
    """Sum of the known costs of runs; ``None`` where none is known."""
    costs = [Decimal(str(run.cost_usd)) for run in runs if run.cost_usd is not None]
    return sum(costs, Decimal(0)) if costs else None
