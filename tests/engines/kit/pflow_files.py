"""Random graphs as workflows of pflow's own: its nodes, error edges, batches, workflows in files.

::

    n0          code, tried as often as ``retry`` says; or a workflow of which that is the only node
    n0_body     that node, inside
    n0_handler  where the error edge leads: what answers in place of n0
    n0_worker   a batch
    n0_join     behind a batch or a workflow, which choose no way themselves
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pflow_kit
from graphs import END, Graph, Node, Player, Work

playing: Final[dict[str, Player]] = {}
"""The player of the run that is under way, for the code of nodes."""

_PLAYER: Final = "from pflow_files import playing\nplayer = playing['now']\n"
_FILE: Final = """\
# Body

## Steps

### {name}

Plays a node.

- type: code
- retry:
    max: {tries}
    wait: 0

```python code
{code}
```
"""


def plain(graph: Graph) -> Graph:
    """The graph without fallbacks of workers, as a batch has no error edge for each item."""
    nodes = (
        node if node.worker is None else replace(node, worker=replace(node.worker, fallback=False))
        for node in graph.nodes
    )
    return Graph(tuple(nodes))


class Files:
    """A graph in pflow's words.

    Attributes:
        glue: Nodes that only decide, each with the node for which it does.
        handlers: Nodes that answer for others.
        parts: Nodes that do the work of others, inside of them.
    """

    def __init__(
        self, graph: Graph, folder: Path, *, parallel: bool, nested: Collection[str]
    ) -> None:
        """Translate a graph.

        Args:
            graph: What is to be played.
            folder: Where workflows inside the workflow are written.
            parallel: Whether workers work at once.
            nested: Nodes that are workflows.
        """
        self._folder = folder
        self._parallel = parallel
        self._nodes: list[dict[str, Any]] = []
        self._edges: list[tuple[str, ...]] = []
        self.glue: dict[str, str] = {}
        self.handlers: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        for node in graph.nodes:
            self._add(node, nested=node.name in nested)

    def run(self, player: Player) -> bool:
        """Play it; whether the run failed."""
        playing["now"] = player
        result = pflow_kit.run(pflow_kit.workflow(*self._nodes, edges=tuple(self._edges)))
        return not result.success

    def _add(self, node: Node, *, nested: bool) -> None:
        name, worker = node.name, node.worker
        decides = worker is None and not nested
        made = self._nested(node.work) if nested else self._code(node.work, decides=decides)
        self._nodes.append(made)
        last = name
        if worker is not None:
            self._nodes.append(self._batch(worker, node.width))
            self._edges.append((name, worker.name))
            last = worker.name
        if not decides:
            joined = self._join(name)
            self._edges.append((last, joined))
            last = joined
        self._lead(node, last)
        if node.work.fallback:
            self._handle(node, decides=worker is None)

    def _lead(self, node: Node, last: str) -> None:
        self._edges.extend((last, to, to) for to in sorted(set(node.routes) - {END}))

    def _handle(self, node: Node, *, decides: bool) -> None:
        """A handler of a node with workers goes on to them, as the node itself would have."""
        handler = f"{node.name}_handler"
        self.handlers[handler] = node.name
        source = f"{_PLAYER}result: dict = player.fall_back('{node.name}')\n"
        if decides:
            source += f"next: str = player.route('{node.name}')"
            self._lead(node, handler)
        elif node.worker is not None:
            self._edges.append((handler, node.worker.name))
        self._nodes.append(pflow_kit.code(handler, source))
        self._edges.append((node.name, handler, "error"))

    def _join(self, name: str) -> str:
        joined = f"{name}_join"
        self.glue[joined] = name
        source = f"{_PLAYER}result: int = 0\nnext: str = player.route('{name}')"
        self._nodes.append(pflow_kit.code(joined, source))
        return joined

    def _code(self, work: Work, *, decides: bool) -> dict[str, Any]:
        made = pflow_kit.code(work.name, _source(work.name, decides=decides))
        return {**made, "retry": {"max": work.tries, "wait": 0}}

    def _nested(self, work: Work) -> dict[str, Any]:
        inside = f"{work.name}_body"
        self.parts[inside] = work.name
        file = self._folder / f"{work.name}.pflow.md"
        source = _source(work.name, decides=False)
        file.write_text(_FILE.format(name=inside, tries=work.tries, code=source), "utf-8")
        return {"id": work.name, "type": "workflow", "params": {"workflow": str(file)}}

    def _batch(self, worker: Work, width: int) -> dict[str, Any]:
        made = self._code(worker, decides=False)
        made["params"] = {
            "code": f"item: int\n{_PLAYER}result: dict = player.attempt('{worker.name}', item)",
            "inputs": {"item": "${item}"},
        }
        return {**made, "batch": {"items": list(range(width)), "parallel": self._parallel}}


def _source(name: str, *, decides: bool) -> str:
    way = f"\nnext: str = player.route('{name}')" if decides else ""
    return f"{_PLAYER}result: dict = player.attempt('{name}'){way}"
