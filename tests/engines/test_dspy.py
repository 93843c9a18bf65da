"""DSPy: programs and the modules inside them, by rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest
from adopted import Watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, Played, Script, Stage, Words

from flowspan.instrumentation.engines.dspy import INTEGRATION
from flowspan.testing import ReceivedRequest, Reply, ToolCall

dspy: Any = pytest.importorskip("dspy")

_FRAMES: Final = re.compile(r"(?<=Traceback \(most recent call last\):\n)(?: .*\n)+")


class Spoken(Stage):
    """A stage whose model says in JSON what it wants, and in the end, what its answer is."""

    def respond(self, request: ReceivedRequest) -> Reply:
        said = super().respond(request)
        if "next_tool_name" not in str(request.body["messages"][0]):
            return Reply(json.dumps({"reasoning": "so", "answer": "done"}))
        (call,) = said.tool_calls or (None,)
        tool, arguments = ("finish", {}) if call is None else (call.name, call.arguments)
        wish = {"next_thought": "so", "next_tool_name": tool, "next_tool_args": arguments}
        return Reply(json.dumps(wish))


class Dspy(Engine):
    integration = INTEGRATION
    ways = ("sync", "later")
    most_at_once = 1

    def told(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of a tool that fails the model is told with the traceback, where our frames are too."""
        said = [
            {**each, "content": _FRAMES.sub("", str(each.get("content")))}
            for each in request["messages"]
        ]
        return {**request, "messages": said}

    @property
    def base(self) -> Any:
        """The class of its agents."""
        return dspy.ReAct

    def agents(self, stage: Stage) -> Any:
        def work(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        def helper(task: str) -> str:
            """Ask the one who helps."""
            return str(agent(HELPER, work)(question=task).answer)

        def agent(name: str, *tools: Any) -> Any:
            named: Any = type(name, (self.base,), {})
            made = named("question -> answer", tools=list(tools), max_iters=30)
            made.set_lm(dspy.LM("openai/gpt-4o-mini", cache=False))
            return made

        return agent(FIRST, work, helper)

    def sync(self, agents: Any, task: str) -> Any:
        with dspy.context(adapter=dspy.JSONAdapter()):
            return agents(question=task).answer

    async def later(self, agents: Any, task: str) -> Any:
        with dspy.context(adapter=dspy.JSONAdapter()):
            return (await agents.acall(question=task)).answer

    def agents_seen(self, played: Played) -> Counter[tuple[str, ...]]:
        """Each asks its model once more, for the answer."""
        played.asked.update(played.begun)
        return played.begun


class Several(Dspy):
    """Agents whose answers want several tools, and which say their last word by another one."""

    words = Words(done=lambda text: Reply(tool_calls=(ToolCall("submit", {"answer": text}),)))
    most_at_once = 3

    @property
    def base(self) -> Any:
        return dspy.ReActV2

    def agents_seen(self, played: Played) -> Counter[tuple[str, ...]]:
        return played.begun


class TestDspy(Watched):
    engine = "dspy"


class TestAsked(Asked):
    engine = Dspy()

    # In test_dspy_programs: this play's answers want two tools at once, which ReAct does not know,
    # and litellm's worker lets go of what it logs some runs later only.
    test_a_hundred_at_once_in_one_loop = None  # type: ignore[assignment]
    test_memory_is_flat = None  # type: ignore[assignment]

    def stage(self, script: Script, *, plays: int = 1) -> Stage:
        return Spoken(script, self.engine.words, plays=plays)

    @property
    def everything(self) -> Script:
        """One thing at a time."""
        turns = super().everything.turns
        return Script(tuple((_alone(act),) for turn in turns for act in turn))


@pytest.mark.skipif(not hasattr(dspy, "ReActV2"), reason="this version has no ReActV2")
class TestSeveralAsked(Asked):
    engine = Several()

    test_memory_is_flat = None  # type: ignore[assignment]  # as above


def _alone(act: Any) -> Any:
    if act.script is None:
        return act
    turns = tuple((inner,) for turn in act.script.turns for inner in turn)
    return type(act)(act.what, Script(turns))
