"""Which lines of a tree are shown: as deep and as many as a reader can take in, the rest folded.

What failed and what is still open is never folded among its siblings: it is what one looks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from flowspan.report.totals import Totals
from flowspan.report.tree import Tree, TreeNode

_COMFORTABLE: Final = 120
_FIRST: Final = 24
_LAST: Final = 8
_SIBLINGS: Final = 40
_NOTABLE: Final = 12
_SHALLOWEST: Final = 2
_PATH: Final = 32
"""Levels that a line remembers: more cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Several spans on one line.

    Attributes:
        spans: How many, descendants included.
        totals: What they used together.
    """

    spans: int
    totals: Totals


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the outline.

    Attributes:
        content: A span, or several folded ones.
        depth: 0 for roots.
        path: For each of the nearest levels, the line's own last: whether more siblings follow
            there. Empty for roots.
    """

    content: TreeNode | Fold
    depth: int
    path: tuple[bool, ...]


def outline(tree: Tree, *, depth: int | None = None, everything: bool = False) -> Iterator[Line]:
    """The lines of a tree from top to bottom.

    Args:
        tree: The tree.
        depth: Levels below the roots that are shown; as many as fit comfortably unless given.
        everything: Fold nothing.
    """
    if everything:
        depth, siblings = len(tree.order), len(tree.order)
    else:
        depth, siblings = depth or comfortable_depth(tree), _SIBLINGS
    waiting = [iter(_arranged(tree.roots, siblings))]
    while waiting:
        line = next(waiting[-1], None)
        if line is None:
            waiting.pop()
            continue
        yield line
        if isinstance(line.content, TreeNode) and line.content.children:
            waiting.append(iter(_below(line.content, line, depth, siblings)))


def comfortable_depth(tree: Tree) -> int:
    """The deepest level down to which the tree has no more than a few screens of lines."""
    widths: dict[int, int] = {}
    for node in tree.order:
        widths[node.depth] = widths.get(node.depth, 0) + 1
    depth, lines = 0, 0
    for level in sorted(widths):
        lines += widths[level]
        if level > _SHALLOWEST and lines > _COMFORTABLE:
            break
        depth = level
    return max(depth, 1)


def _below(node: TreeNode, line: Line, depth: int, siblings: int) -> list[Line]:
    if node.depth >= depth:
        return [Line(_fold(node.children), line.depth + 1, (*line.path, False)[-_PATH:])]
    return _arranged(node.children, siblings, line)


def _arranged(nodes: Sequence[TreeNode], limit: int, above: Line | None = None) -> list[Line]:
    contents = list(_contents(nodes, limit))
    if above is None:
        return [Line(content, 0, ()) for content in contents]
    last = len(contents) - 1
    return [
        Line(content, above.depth + 1, (*above.path, index < last)[-_PATH:])
        for index, content in enumerate(contents)
    ]


def _contents(nodes: Sequence[TreeNode], limit: int) -> Iterator[TreeNode | Fold]:
    if len(nodes) <= limit:
        yield from nodes
        return
    shown = set(range(_FIRST)) | set(range(len(nodes) - _LAST, len(nodes)))
    notable = [i for i, n in enumerate(nodes) if n.totals.failures or n.span.state != "done"]
    shown.update(notable[:_NOTABLE])
    for is_shown, group in groupby(range(len(nodes)), key=lambda index: index in shown):
        members = [nodes[index] for index in group]
        if is_shown or len(members) == 1:
            yield from members
        else:
            yield _fold(members)


def _fold(nodes: Iterable[TreeNode]) -> Fold:
    spans, totals = 0, Totals()
    for node in nodes:
        spans += node.spans
        totals.add(node.totals)
    return Fold(spans, totals)
