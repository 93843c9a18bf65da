"""Where a call happens: what is around it, by the names of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from flowspan.instrumentation.integration import Call, Frame

RUN: Final = "Engine.Run"
STEP: Final = "Engine.Step"
FIND: Final = "Engine.FindNextNode"
EXAM_GRAPH: Final = "Engine.ExamGraphState"
CREATE: Final = "Node.Create"
SELECT: Final = "Node.SelectAction"
EXECUTE: Final = "Node.ExecuteAction"
EVALUATE: Final = "Node.EvaluateState"
PLAN_TO_GRAPH: Final = "Node.PlanToGraph"
FORWARD: Final = "Agent.Forward"
LLM_INTERACTION: Final = "Agent.LLMInteraction"
SEARCH_MERGE: Final = "Agent.SearchMerge"
"""Labels of the rows, which are also the names of their spans."""


def here(call: Call) -> Frame:
    """The frame of a call (of the one around it, for a row without a span).

    Extractors other than ``when``, ``name`` and ``span_name`` are never asked without one.
    """
    return cast("Frame", call.frame)


def is_in(call: Call, *labels: str) -> bool:
    """Whether a row without a span speaks of a span with one of these labels."""
    return here(call).label in labels


def caller(call: Call, label: str) -> Frame | None:
    """The frame around a call, if it has that label."""
    frame = call.enclosing
    return frame if frame is not None and frame.label == label else None
