"""Names of the spans, which are also the labels of their rows."""

from typing import Final

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
