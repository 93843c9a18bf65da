"""Programs of the engines that small tables of rows see, with nothing slow in them.

Each runs a number of nodes, whatever the engine calls them, and holds a state where the engine has
one to hold; models answer at once and from inside of the process.  (Some engines read annotations:
here they are what they say, and not their texts.)
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Self

State = dict[str, Any]
Run = Callable[[State], Any]

NODES: Final = 20
"""Nodes in one run: what the run itself costs is shared by so many."""


class Held:
    """A state that an engine hands on as it is: some would copy a plain one for each node."""

    def __init__(self, state: State) -> None:
        self.__dict__.update(state)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self


def _awaited(runner: asyncio.Runner, run: Callable[[State], Coroutine[Any, Any, Any]]) -> Run:
    loop = runner.get_loop()
    return lambda state: loop.run_until_complete(run(state))


def openai_agents(runner: asyncio.Runner) -> Run:
    """Turns of an agent, each with a tool; the state is the run's context."""
    import agents  # noqa: PLC0415 - only where it is installed, as all below
    from openai.types import responses  # noqa: PLC0415

    agents.set_tracing_disabled(True)

    class Model(agents.Model):
        turn = 0

        async def get_response(self, *_: Any, **__: Any) -> Any:
            self.turn = (self.turn + 1) % NODES
            if self.turn:
                said: Any = responses.ResponseFunctionToolCall(
                    type="function_call", name="work", call_id=str(self.turn), arguments="{}"
                )
            else:
                text = responses.ResponseOutputText(type="output_text", text="", annotations=[])
                said = responses.ResponseOutputMessage(
                    type="message", id="1", role="assistant", status="completed", content=[text]
                )
            return agents.ModelResponse(output=[said], usage=agents.Usage(), response_id=None)

        async def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    def work() -> str:
        return "worked"

    agent = agents.Agent("desk", model=Model(), tools=[agents.function_tool(work)])
    return _awaited(
        runner, lambda state: agents.Runner.run(agent, "work", context=state, max_turns=NODES + 1)
    )


def pydantic_ai(runner: asyncio.Runner) -> Run:
    """Tools of an agent; the state is what these depend on."""
    from pydantic_ai import Agent, messages  # noqa: PLC0415
    from pydantic_ai.models.function import FunctionModel  # noqa: PLC0415

    def answer(history: list[Any], _info: Any) -> Any:
        if len(history) < 2 * NODES:
            return messages.ModelResponse(parts=[messages.ToolCallPart("work", {})])
        return messages.ModelResponse(parts=[messages.TextPart("done")])

    def work() -> str:
        return "worked"

    agent = Agent(FunctionModel(answer), name="desk", deps_type=dict, tools=[work])
    return _awaited(runner, lambda state: agent.run("work", deps=state))


def smolagents(_runner: asyncio.Runner) -> Run:
    """Steps of an agent, each with a tool; the state is the agent's own."""
    import smolagents  # noqa: PLC0415
    from smolagents import models  # noqa: PLC0415

    class Model(smolagents.Model):
        turn = 0

        def generate(self, *_: Any, **__: Any) -> Any:
            self.turn = (self.turn + 1) % NODES
            name = "work" if self.turn else "final_answer"
            arguments = {} if self.turn else {"answer": "done"}
            function = models.ChatMessageToolCallFunction(name=name, arguments=arguments)
            call = models.ChatMessageToolCall(id="1", type="function", function=function)
            return models.ChatMessage(role="assistant", content="", tool_calls=[call])

    @smolagents.tool
    def work() -> str:
        """Work."""
        return "worked"

    agent = smolagents.ToolCallingAgent(
        [work], Model(), name="desk", max_steps=NODES + 1, verbosity_level=-1
    )

    def run(state: State) -> Any:
        agent.state = state
        return agent.run("work")

    return run


def ag2(runner: asyncio.Runner) -> Run:
    """Tools of an agent; the state is its variables."""
    from ag2 import Agent, testing  # noqa: PLC0415
    from ag2.events import ToolCallEvent  # noqa: PLC0415

    def work() -> str:
        return "worked"

    calls = [ToolCallEvent(name="work", arguments="{}") for _ in range(NODES)]
    agent = Agent("desk", config=testing.TestConfig(*calls, "done"), tools=[work])
    return _awaited(runner, lambda state: agent.ask("work", variables=state))


def llamaindex(runner: asyncio.Runner) -> Run:
    """Steps of a workflow that goes round; the state is what its events carry."""
    from workflows import Workflow, step  # noqa: PLC0415
    from workflows.events import Event, StartEvent, StopEvent  # noqa: PLC0415

    class Again(Event):
        turn: int
        state: Any

    class Counting(Workflow):
        @step
        async def first(self, event: StartEvent) -> Again:
            return Again(turn=1, state=event.state)

        @step
        async def count(self, event: Again) -> Again | StopEvent:
            if event.turn < NODES - 1:
                return Again(turn=event.turn + 1, state=event.state)
            return StopEvent(result="done")

    async def run(state: State) -> Any:
        return await Counting(timeout=None).run(state=state)

    return _awaited(runner, run)


def haystack(_runner: asyncio.Runner) -> Run:
    """Components of a pipeline in a line; the state is handed from each to the next."""
    from haystack import Pipeline, component  # noqa: PLC0415

    @component
    class Work:
        @component.output_types(state=Any)
        def run(self, state: Any) -> dict[str, Any]:
            return {"state": state}

    line = Pipeline(metadata={"name": "line"})
    for at in range(NODES):
        line.add_component(f"work {at}", Work())
    for at in range(NODES - 1):
        line.connect(f"work {at}.state", f"work {at + 1}.state")
    return lambda state: line.run({"work 0": {"state": Held(state)}})


def dspy(_runner: asyncio.Runner) -> Run:
    """Modules inside a module; the state is an argument."""
    import dspy  # noqa: PLC0415

    class Work(dspy.Module):
        def forward(self, state: Any, turn: int) -> Any:
            del turn
            return state

    class Line(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.work = Work()

        def forward(self, state: Any) -> None:
            for turn in range(NODES):
                self.work(state=state, turn=turn)

    line = Line()
    return lambda state: line(state=state)


def autogen(runner: asyncio.Runner) -> Run:
    """Turns of a team of two agents, which have spans of their own; it keeps no state.

    The runtime's spans, eleven of them for a turn, are switched off.
    """
    os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
    from autogen_agentchat import agents, base, messages, teams  # noqa: PLC0415

    class Quick(agents.BaseChatAgent):
        produced_message_types = (messages.TextMessage,)

        async def on_messages(self, *_: Any) -> Any:
            return base.Response(
                chat_message=messages.TextMessage(content="done", source=self.name)
            )

        async def on_reset(self, _: Any) -> None: ...

    async def run(_state: State) -> Any:
        both = [Quick("anna", "works"), Quick("bert", "works")]
        team = teams.RoundRobinGroupChat(both, max_turns=NODES)
        return await team.run(task="work")

    return _awaited(runner, run)


def adk(runner: asyncio.Runner) -> Run:
    """Agents inside a loop, which have spans of their own; the state is the session's."""
    from google.adk import runners  # noqa: PLC0415
    from google.adk.agents import BaseAgent, LoopAgent  # noqa: PLC0415
    from google.adk.events import Event  # noqa: PLC0415
    from google.genai import types  # noqa: PLC0415

    said = types.Content(role="model", parts=[types.Part(text="done")])
    asked = types.Content(role="user", parts=[types.Part(text="work")])

    class Quick(BaseAgent):
        async def _run_async_impl(self, ctx: Any) -> Any:
            yield Event(author=self.name, invocation_id=ctx.invocation_id, content=said)

    loop = LoopAgent(name="loop", sub_agents=[Quick(name="quick")], max_iterations=NODES)
    office = runners.InMemoryRunner(loop, app_name="office")

    async def run(state: State) -> None:
        sessions, whose = office.session_service, {"app_name": "office", "user_id": "one"}
        session = await sessions.create_session(**whose, state={"held": Held(state)})
        whose["session_id"] = session.id
        async for _ in office.run_async(user_id="one", session_id=session.id, new_message=asked):
            pass
        await sessions.delete_session(**whose)

    return _awaited(runner, run)


class Program(NamedTuple):
    """An engine's program.

    Attributes:
        module: Without which the engine is not installed.
        make: Makes what runs it, in a loop where it needs one.
        node: What a node of it is, and how many spans.
    """

    module: str
    make: Callable[[asyncio.Runner], Run]
    node: str


PROGRAMS: Final = {
    "openai-agents": Program("agents.run", openai_agents, "turn with its tool, 2 spans"),
    "pydantic-ai": Program("pydantic_ai", pydantic_ai, "tool, 1 span"),
    "smolagents": Program("smolagents", smolagents, "step with its tool, 2 spans"),
    "ag2": Program("ag2", ag2, "tool, 1 span"),
    "llamaindex": Program("workflows", llamaindex, "step, 1 span"),
    "haystack": Program("haystack", haystack, "component, 1 span"),
    "dspy": Program("dspy", dspy, "module, 1 span"),
    "autogen": Program("autogen_agentchat", autogen, "turn, 1 span of its own"),
    "google-adk": Program("google.adk", adk, "agent, 1 span of its own"),
}
"""By engine."""
