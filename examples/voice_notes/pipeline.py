"""The pipeline: a graph of four stages that goes on for as long as none of them has failed."""

from itertools import pairwise
from typing import Any

from google import genai
from langgraph.graph import END, START, StateGraph

from voice_notes.stages import STAGES, Notes, Stage, run_stage

FAILED = "error"


def pipeline(client: genai.Client) -> Any:
    """The compiled graph."""

    def node(stage: Stage) -> Any:
        def process(state: Notes) -> Notes:
            try:
                return run_stage(client, stage, state)
            except Exception as error:  # noqa: BLE001 - as such pipelines do: no stage ever raises
                return {
                    "current_stage": FAILED,
                    "error_type": type(error).__name__,
                    "error_message": f"{stage.name} failed",
                }

        return process

    def goes_on(state: Notes) -> str:
        return FAILED if state["current_stage"] == FAILED else "on"

    graph = StateGraph(Notes)
    for stage in STAGES:
        graph.add_node(stage.name, node(stage))
    graph.add_edge(START, STAGES[0].name)
    for stage, following in pairwise(STAGES):
        graph.add_conditional_edges(stage.name, goes_on, {"on": following.name, FAILED: END})
    graph.add_edge(STAGES[-1].name, END)
    return graph.compile(name="voice notes")
