"""WriteHERE: paths that a good run never takes."""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from traces import attributes
from writehere_kit import watch
from writehere_kit.program import MakeJob, run
from writehere_kit.watch import events, watching

from flowspan import semconv
from flowspan.instrumentation.engines.writehere import describing, launch
from flowspan.instrumentation.integration import Attributes
from flowspan.testing import FakeProvider


def test_out_of_steps(
    job: MakeJob, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that reaches the most steps says so, and is no error."""
    with watching() as recording:
        from recursive import engine  # noqa: PLC0415 - the stand-in comes and goes

        monkeypatch.setattr(engine, "MOST_STEPS", 3)
        run(job("story"), "imported")

    span = recording.spans.one("Engine.Run")
    assert events([span], "Engine loop finished") == [{"status": "max_steps_reached"}]
    assert span.status.is_unset


def test_no_condition_matches(
    job: MakeJob, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose conditions all fail says which were tried."""
    with watching("full") as recording:
        from recursive.graph import RegularDummyNode, TaskStatus  # noqa: PLC0415

        define = RegularDummyNode.define_status

        def define_without(node: Any) -> None:
            define(node)
            rows = node.status_action_mapping[TaskStatus.READY]
            rows[:] = [(lambda *_, **__: False, row[1], row[2]) for row in rows]

        monkeypatch.setattr(RegularDummyNode, "define_status", define_without)
        run(job("story"), "imported")

    span = recording.spans.one("Node.SelectAction")
    assert [event.name for event in span.events] == [
        "Action determination started",
        "Checking condition",
        "Checking condition",
        "No condition matched",
        "exception",
    ]
    assert [one["result"] for one in events([span], "Checking condition")] == [False, False]
    assert events([span], "Checking condition")[1]["condition"].startswith(
        "READY[1] test_writehere"
    )


def test_conditions_and_actions_of_ones_own(job: MakeJob, provider: FakeProvider) -> None:
    """A condition need not be a function, and an action may leave the status as it was."""
    with watching("full") as recording:
        from recursive.graph import TaskStatus  # noqa: PLC0415

        engine, root = _ready_engine()
        root.status = TaskStatus.PLAN_DONE
        always = partial(lambda *_, **__: True)
        row = (always, "prior_reflect", TaskStatus.PLAN_DONE)
        root.status_action_mapping[TaskStatus.PLAN_DONE] = [row]
        root.next_action_step(engine.memory)

    span = recording.spans.one("Node.SelectAction")
    checked = events([span], "Checking condition")
    assert checked == [{"condition": "PLAN_DONE[0]", "result": True}]
    assert events(recording.spans, semconv.EVENT_STATE_TRANSITION) == []


def test_deep_programs(
    job: MakeJob, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How the run was started is looked for among the nearest callers, and no further."""
    monkeypatch.setattr(sys, "argv", ["engine.py", "--mode", "report"])

    def deep(levels: int) -> Attributes:
        return deep(levels - 1) if levels else launch.attributes()

    assert deep(100)["engine.mode"] == "report"


def test_a_program_of_ones_own(job: MakeJob, provider: FakeProvider) -> None:
    """The engine driven by other functions is watched all the same; what nobody said is absent."""
    with watching() as recording:
        engine, _ = _ready_engine()
        one = job("story")
        engine.forward_one_step_untill_done(save_folder=str(one.folder))
        assert engine.find_need_next_step_nodes() == []

    span = recording.spans.named("Engine.Run")[0]
    assert not any(key.startswith("engine.") for key in attributes(span))
    assert attributes(span)[semconv.WORKFLOW_NAME] == "WriteHERE"


def test_a_chosen_node(job: MakeJob, provider: FakeProvider) -> None:
    """A step for a chosen node names it, and scans for all nodes that could be next."""
    with watching("full") as recording:
        engine, root = _ready_engine()
        engine.forward_one_step_not_parallel(select_node_hashkey=root.hashkey)

    step = recording.spans.one("Engine.Step")
    assert attributes(step)["engine.step.selected_node_hashkey"] == root.hashkey
    assert attributes(step)["engine.step.number"] == 0
    scan = recording.spans.one("Engine.FindNextNode")
    assert attributes(scan)["engine.find.single_mode"] is False
    assert events([scan], "Scan finished") == [{"found_node.nid": ("",)}]


def _ready_engine() -> tuple[Any, Any]:
    from recursive import settings  # noqa: PLC0415
    from recursive.engine import GraphRunEngine  # noqa: PLC0415
    from recursive.graph import NodeType, RegularDummyNode, TaskStatus  # noqa: PLC0415
    from recursive.memory import caches  # noqa: PLC0415

    caches.update(llm=None, search=None)
    place: dict[str, Any] = {"outer_node": None, "root_node": None, "parent_nodes": [], "layer": 0}
    info = {"goal": "Short", "task_type": "write", "length": "10", "dependency": []}
    config = settings.story("gpt-4o")
    root = RegularDummyNode(config, "", place, info, NodeType.PLAN_NODE)
    root.node_graph_info["root_node"] = root
    root.status = TaskStatus.READY
    return GraphRunEngine(root, "xml", config), root


def test_agents_of_ones_own(job: MakeJob, provider: FakeProvider) -> None:
    """An agent class that is defined later is seen like the engine's own."""
    with watching() as recording:
        from recursive.agent.agent_base import Agent  # noqa: PLC0415

        class PoetAgent(Agent):
            def forward(self, node: Any, memory: Any, *args: Any, **kwargs: Any) -> Any:
                return {"result": "a poem"}

            def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any:
                return agent_output

        engine, root = _ready_engine()
        assert PoetAgent().forward(root, engine.memory) == {"result": "a poem"}
        assert PoetAgent().forward("no node", {}) == {"result": "a poem"}

    span = recording.spans.one()
    assert span.name == "Agent.Forward.Poet"
    assert attributes(span)["agent.class"] == "PoetAgent"


def test_parts_on_their_own(job: MakeJob, provider: FakeProvider) -> None:
    """Parts of the engine that a program uses outside any run are seen, or left alone, in peace."""
    with watching("full") as recording:
        engine, root = _ready_engine()
        from recursive.executor.actions.bing_browser import BingBrowser  # noqa: PLC0415
        from recursive.graph import Graph, TaskStatus  # noqa: PLC0415

        graph = Graph(root)
        graph.add_node(root)
        graph.add_edge(root, root)
        root.status = TaskStatus.DOING
        root.do_exam(verbose=True)
        root.status = TaskStatus.DOING
        engine.forward_exam(root, verbose=False)
        engine.save(str(job("story").folder))
        root.do_action("prior_reflect", engine.memory)
        assert BingBrowser("gpt-4o-mini", "gpt-4o-mini")({}, "no").errmsg == "invalid"

    assert [span.name for span in recording.spans] == [
        "Node.EvaluateState",
        "Engine.ExamGraphState",
        "Node.EvaluateState",
        "Node.ExecuteAction",
        "Agent.Forward.DummyRandomPriorReflection",
    ]


def test_parts_inside_another_program(job: MakeJob, provider: FakeProvider) -> None:
    """Parts used inside another program's run are its children, and tell it nothing of theirs."""
    with watching("full") as recording:
        engine, root = _ready_engine()
        watch.somebody(lambda: _use_parts(engine, root, str(job("story").folder)))

    assert [span.name for span in recording.spans.roots()] == ["invoke_workflow somebody"]
    told = [event.name for event in recording.spans[0].events]
    assert [name for name in told if not name.startswith("flowspan.")] == []
    asked = [span for span in recording.spans if span.name.startswith("Agent.")]
    assert [span.name for span in asked] == [
        "Agent.LLMInteraction",
        "Agent.LLMInteraction",
        "Agent.SearchMerge",
    ]


def _use_parts(engine: Any, root: Any, folder: str) -> None:
    from recursive import settings  # noqa: PLC0415
    from recursive.agent.agents import regular  # noqa: PLC0415
    from recursive.agent.prompts.base import PromptTemplate  # noqa: PLC0415
    from recursive.executor.actions.action_executor import ActionExecutor  # noqa: PLC0415
    from recursive.executor.actions.bing_browser import BingBrowser  # noqa: PLC0415
    from recursive.executor.agents.claude_fc_react import SearchAgent  # noqa: PLC0415
    from recursive.graph import TaskStatus  # noqa: PLC0415

    inner = type(root)(root.config, "1", {**root.node_graph_info}, root.task_info, root.node_type)
    root.inner_graph.add_node(inner)
    root.inner_graph.add_edge(inner, inner)
    root.inner_graph.clear()
    root.inner_graph.topological_sort()
    PromptTemplate("", None).construct_prompt()  # type: ignore[arg-type]
    engine.memory.collect_node_run_info(root)
    root.status = TaskStatus.DOING
    root.do_exam(verbose=True)
    engine.forward_exam(root, verbose=False)
    engine.find_need_next_step_nodes(single=True)
    engine.save(folder)
    planner, executor = root.agent_proxy.proxy("plan"), regular.SimpleExcutor()
    planner.call_llm("", "goal_updating", {}, model="gpt-4o")
    regular.get_llm_output(root, planner, engine.memory, "atom")
    regular.get_llm_output(root, executor, engine.memory, "execute")
    root.config["RETRIEVAL"] = settings.report("gpt-4o", "today")["RETRIEVAL"]
    executor.search_merge(root, engine.memory, "found", "outer")
    browser = ActionExecutor([BingBrowser("gpt-4o-mini", "gpt-4o-mini")])
    rules = root.config["RETRIEVAL"]["execute"]["react_parse_arg_dict"]
    searcher = SearchAgent("SearchAgentENPrompt", browser, parse_arg_dict=rules)
    searcher.chat("Find it", 1, "", "", "", "today")


def test_contexts_that_are_too_long(job: MakeJob, provider: FakeProvider) -> None:
    """Where the engine gets no answer at all, the trace has none, and the error is the engine's."""
    with watching() as recording:
        from recursive.llm.llm import OpenAIApiProxy  # noqa: PLC0415

        engine, _ = _ready_engine()
        original = OpenAIApiProxy._openai
        OpenAIApiProxy._openai = lambda *_: []  # type: ignore[method-assign]
        try:
            with pytest.raises(IndexError):
                engine.forward_one_step_untill_done(save_folder=str(job("story").folder))
        finally:
            OpenAIApiProxy._openai = original  # type: ignore[method-assign]

    assert events(recording.spans, "LLM response received") == [{}]


def test_prompts_by_depth(job: MakeJob, provider: FakeProvider) -> None:
    """A configuration that neither mode uses chooses the planning prompt by the node's depth."""
    with watching() as recording:
        engine, root = _ready_engine()
        root.config["COMPOSITION"]["planning"] |= {
            "depth_diff": True,
            "depth_1_prompt_version": "StoryWritingNLPlanningEN",
            "depth_N_prompt_version": "ReportPlanning",
        }
        root.task_info["goal"] = "By depth (plan: ending)"
        engine.forward_one_step_not_parallel()

    selected = events(recording.spans, semconv.EVENT_PROMPT_SELECTED)
    assert selected[-1][semconv.PROMPT_REASON] == "planning_depth"
    candidates = ("StoryWritingNLPlanningEN", "ReportPlanning")
    assert selected[-1][semconv.PROMPT_CANDIDATES] == candidates


def test_the_command_line_of_engine_py(
    job: MakeJob, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no entry function is on the stack, the options of ``engine.py`` tell."""
    command = ["path/engine.py", "--mode=story", "--filename", "in.jsonl", "--model"]
    with watching() as recording:
        engine, _ = _ready_engine()
        monkeypatch.setattr(sys, "argv", command)
        engine.forward_one_step_untill_done(save_folder=str(job("story").folder))

    span = recording.spans.one("Engine.Run")
    found = {key: value for key, value in attributes(span).items() if key.startswith("engine.")}
    assert found == {"engine.mode": "story", "engine.input.filename": "in.jsonl"}


def test_odd_values() -> None:
    """What rows say of values that no good run has."""
    assert describing.summary({}) == "empty dict"
    assert describing.summary(7) == "int"
    assert describing.plan_summary("no plan") == "{}"
    assert describing.task_type({"no_type": True}, {}) == "GENERAL"
    assert describing.task_type({}, {"task_type": "dance"}) is None
    assert describing.settings(SimpleNamespace(config={}, task_info={}), "atom") == {}
