"""The tree of one trace: from a heap of span rows to nodes with self time and sums.

Rows come as they were written: out of order, twice, without their parent, in circles.  Nothing here
recurses, so that the depth of a tree has no limit but memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from flowspan.report.intervals import Interval, length, union
from flowspan.report.totals import Totals, of_span
from flowspan.store.records import SpanRow

Mark = Literal["orphan", "remote", "cycle"]
"""Why a span is a root though it names a parent.

``orphan``: the parent is not there. ``remote``: nor need it be, it belongs to another process.
``cycle``: the parent is the span's own descendant.
"""


@dataclass(slots=True, eq=False)
class TreeNode:
    """One span in its place.

    Attributes:
        span: The row.
        end_ns: Its end. The present while it is open; where it was interrupted, the last moment
            that the trace knows of.
        mark: Why it is a root, if it should not be one.
        parent: The node above; ``None`` for roots.
        depth: 0 for roots.
        children: In order of their start.
        covered: The time in which at least one child ran.
        totals: Sums over the subtree, itself included.
        spans: Number of spans in the subtree, itself included.
    """

    span: SpanRow
    end_ns: int
    mark: Mark | None = None
    parent: TreeNode | None = None
    depth: int = 0
    children: list[TreeNode] = field(default_factory=list)
    covered: list[Interval] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    spans: int = 1

    @property
    def interval(self) -> Interval:
        """From start to end."""
        return Interval(self.span.start_ns, self.end_ns)

    @property
    def duration_ns(self) -> int:
        """From start to end, in nanoseconds."""
        return self.end_ns - self.span.start_ns

    @property
    def self_ns(self) -> int:
        """The part of the duration in which no child ran."""
        return self.duration_ns - length(self.covered)


@dataclass(frozen=True, slots=True)
class Tree:
    """All spans of one trace.

    Attributes:
        roots: In order of their start.
        order: Every node, parents before children, as a reader sees them from top to bottom.
        interval: From the first start to the last end.
        totals: Sums over all spans.
    """

    roots: Sequence[TreeNode]
    order: Sequence[TreeNode]
    interval: Interval
    totals: Totals

    def __iter__(self) -> Iterator[TreeNode]:
        """Every node from top to bottom."""
        return iter(self.order)


def build(rows: Iterable[SpanRow], *, now_ns: int = 0) -> Tree:
    """Put the spans of one trace into their places.

    Args:
        rows: The spans, in any order. Of several with the same id an ended one is kept, else the
            first.
        now_ns: The present, in nanoseconds since the epoch: open spans last up to it.

    Returns:
        The tree, with every span in it exactly once.
    """
    spans = _without_duplicates(rows)
    last_ns = _last_moment(spans.values())
    ends = {"open": max(now_ns, last_ns), "interrupted": last_ns, "done": last_ns}
    nodes = {key: TreeNode(span, _end(span, ends[span.state])) for key, span in spans.items()}
    roots = _connect(nodes)
    order = _from_top_to_bottom(roots)
    for node in reversed(order):
        _sum_up(node)
    totals = Totals()
    for root in roots:
        totals.add(root.totals)
    return Tree(roots, order, _extent(order), totals)


def _without_duplicates(rows: Iterable[SpanRow]) -> dict[str, SpanRow]:
    spans: dict[str, SpanRow] = {}
    for row in rows:
        known = spans.setdefault(row.span_id, row)
        if known.end_ns is None and row.end_ns is not None:
            spans[row.span_id] = row
    return spans


def _last_moment(spans: Iterable[SpanRow]) -> int:
    moments = [0]
    for span in spans:
        moments.append(span.start_ns if span.end_ns is None else span.end_ns)
        moments.extend(event.time_ns for event in span.events)
    return max(moments)


def _end(span: SpanRow, otherwise: int) -> int:
    # A clock that was set back must not make a duration negative.
    return max(span.start_ns, otherwise if span.end_ns is None else span.end_ns)


def _connect(nodes: Mapping[str, TreeNode]) -> list[TreeNode]:
    roots = []
    for node in sorted(nodes.values(), key=_by_start):
        parent_id = node.span.parent_id
        parent = nodes.get(parent_id) if parent_id else None
        if parent is not None:
            node.parent = parent
            parent.children.append(node)
            continue
        if parent_id:
            node.mark = "remote" if node.span.parent_is_remote else "orphan"
        roots.append(node)
    return sorted(roots + _open_circles(nodes, roots), key=_by_start)


def _by_start(node: TreeNode) -> tuple[int, str]:
    return node.span.start_ns, node.span.span_id


def _open_circles(nodes: Mapping[str, TreeNode], roots: Iterable[TreeNode]) -> list[TreeNode]:
    """Make the first span of each circle of parents a root; it is a child no longer."""
    reached = {id(node) for node in _from_top_to_bottom(roots)}
    opened = []
    for start in sorted(nodes.values(), key=_by_start):
        if id(start) in reached:
            continue
        first = min(_circle_above(start, nodes), key=_by_start)
        first.mark, first.parent = "cycle", None
        nodes[first.span.parent_id or ""].children.remove(first)
        reached.update(id(node) for node in _from_top_to_bottom([first]))
        opened.append(first)
    return opened


def _circle_above(node: TreeNode, nodes: Mapping[str, TreeNode]) -> list[TreeNode]:
    path: dict[str, TreeNode] = {}
    while node.span.span_id not in path:
        path[node.span.span_id] = node
        node = nodes[node.span.parent_id or ""]
    keys = list(path)
    return [path[key] for key in keys[keys.index(node.span.span_id) :]]


def _from_top_to_bottom(roots: Iterable[TreeNode]) -> list[TreeNode]:
    order = []
    waiting = list(reversed(list(roots)))
    while waiting:
        node = waiting.pop()
        order.append(node)
        for child in reversed(node.children):
            child.depth = node.depth + 1
            waiting.append(child)
    return order


def _sum_up(node: TreeNode) -> None:
    node.covered = union((child.interval for child in node.children), node.interval)
    node.totals = of_span(node.span)
    failed_below = 0
    for child in node.children:
        node.totals.add(child.totals)
        node.spans += child.spans
        failed_below += child.totals.failures
    if node.span.status == "error" and not failed_below:
        node.totals.failures += 1


def _extent(order: Iterable[TreeNode]) -> Interval:
    intervals = [node.interval for node in order]
    if not intervals:
        return Interval(0, 0)
    return Interval(min(i.start for i in intervals), max(i.end for i in intervals))
