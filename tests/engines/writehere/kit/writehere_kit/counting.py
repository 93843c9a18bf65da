"""A plain counter of what an engine does: Python's profiler, and no tracing.

It sees every call of the engine's own functions, in all threads, and touches none of them.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Final

_BY_NAME: Final = {
    "GraphRunEngine.forward_one_step_untill_done": "runs",
    "GraphRunEngine.forward_one_step_not_parallel": "steps",
    "GraphRunEngine.find_need_next_step_nodes": "scans",
    "GraphRunEngine.forward_exam": "graph exams",
    "GraphRunEngine.save": "saves",
    "AbstractNode.__init__": "nodes",
    "AbstractNode.next_action_step": "selections",
    "AbstractNode.do_action": "actions",
    "AbstractNode.do_exam": "exams",
    "AbstractNode.plan2graph": "plans",
    "Graph.add_edge": "edges",
    "RegularDummyNode.define_status.<locals>.<lambda>": "conditions",
    "get_llm_output": "interactions",
    "SimpleExcutor.search_merge": "merges",
    "BingBrowser.full_pipeline_search": "searches",
    "PromptTemplate.construct_prompt": "prompts",
}


class Tally:
    """Counts by what happened, and the transitions of nodes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._names: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        """The profiler's function."""
        if event == "call" and (name := self._name(frame)) is not None:
            with self._lock:
                self.counts[name] += 1

    def _name(self, frame: FrameType) -> str | None:
        code = frame.f_code
        if code.co_name == "is_activate":
            caller = frame.f_back.f_code.co_name if frame.f_back else ""
            return "checked nodes" if caller == "find_need_next_step_nodes" else None
        if code.co_name == "forward":
            return "agents"
        return _BY_NAME.get(code.co_qualname)


@contextmanager
def counted() -> Iterator[Tally]:
    """Count what happens in the block."""
    tally = Tally()
    former = sys.getprofile()
    threading.setprofile(tally)
    sys.setprofile(tally)
    try:
        yield tally
    finally:
        sys.setprofile(former)
        threading.setprofile(None)


@contextmanager
def transitions_of(node_class: Any) -> Iterator[Counter[tuple[str, str]]]:
    """Count changes of status, by assignment to the class's instances."""
    seen: Counter[tuple[str, str]] = Counter()

    def assign(node: Any, name: str, value: Any) -> None:
        if name == "status" and "status" in vars(node) and node.status != value:
            seen[node.status.name, value.name] += 1
        object.__setattr__(node, name, value)

    node_class.__setattr__ = assign
    try:
        yield seen
    finally:
        del node_class.__setattr__
