"""What the tests of small integrations play: the examples' agents, in every way to ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from packaging.version import Version

QUESTION: Final = "What will the weather be in Oslo?"


class Program(NamedTuple):
    """One way to ask one engine.

    Attributes:
        engine: The example's name, without ``_weather``.
        way: How it is asked.
        package: What must be importable.
        act: Asks, and gives what the program would look at.
        workflow: Name of the run.
        agents: Names of the agents, in the order in which they begin.
        tools: Names of the tools.
        known_as: ``flowspan.engine``, where it is not the engine with ``-`` for ``_``.
    """

    engine: str
    way: str
    package: str
    act: Callable[[], Any]
    workflow: str
    agents: tuple[str, ...] = ("forecaster",)
    tools: tuple[str, ...] = ("forecast",)
    known_as: str = ""

    @property
    def name(self) -> str:
        """As tests are chosen."""
        return f"{self.engine}-{self.way}"

    @property
    def is_called(self) -> str:
        """``flowspan.engine``."""
        return self.known_as or self.engine.replace("_", "-")


def _example(engine: str) -> Any:
    return import_module(f"{engine}_weather.__main__")


# --- OpenAI Agents --------------------------------------------------------------------------------


def _desk() -> Any:
    agents, openai = import_module("agents"), import_module("openai")
    agents.set_tracing_disabled(True)
    agents.set_default_openai_client(openai.AsyncOpenAI(), use_for_tracing=False)
    return _example("openai_agents").desk()


@contextmanager
def loop_of_the_thread() -> Iterator[None]:
    """Before 0.5 ``run_sync`` wants a loop that the program has set; later it needs none."""
    if Version(version("openai-agents")) >= Version("0.5"):
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def openai_agents_sync() -> Any:
    runner = import_module("agents").Runner
    with loop_of_the_thread():
        return runner.run_sync(_desk(), QUESTION).final_output


async def openai_agents_async() -> Any:
    runner = import_module("agents").Runner
    return (await runner.run(_desk(), QUESTION)).final_output


async def openai_agents_stream() -> Any:
    runner = import_module("agents").Runner
    result = runner.run_streamed(_desk(), QUESTION)
    kinds = [event.type async for event in result.stream_events()]
    return kinds, result.final_output


# --- pydantic-ai ----------------------------------------------------------------------------------


def pydantic_ai_sync() -> Any:
    return _example("pydantic_ai").forecaster().run_sync(QUESTION).output


async def pydantic_ai_async() -> Any:
    return (await _example("pydantic_ai").forecaster().run(QUESTION)).output


async def pydantic_ai_stream() -> Any:
    async with _example("pydantic_ai").forecaster().run_stream(QUESTION) as result:
        return [text async for text in result.stream_text(debounce_by=None)]


async def pydantic_ai_traced() -> Any:
    """With its own spans switched on."""
    agent = _example("pydantic_ai").forecaster()
    agent.instrument = True
    return (await agent.run(QUESTION)).output


# --- smolagents -----------------------------------------------------------------------------------


def smolagents_sync() -> Any:
    return str(_example("smolagents").desk().run(QUESTION))


def smolagents_stream() -> Any:
    steps = list(_example("smolagents").desk().run(QUESTION, stream=True))
    return [type(step).__name__ for step in steps], str(steps[-1].output)


# --- AutoGen and AG2 ------------------------------------------------------------------------------


async def autogen_team() -> Any:
    example = _example("autogen")
    client = example.OpenAIChatCompletionClient(model=example.MODEL)
    result = await example.team(client).run(task=QUESTION)
    await client.close()
    return [message.to_text() for message in result.messages]


async def autogen_stream() -> Any:
    example = _example("autogen")
    client = example.OpenAIChatCompletionClient(model=example.MODEL)
    said = [type(item).__name__ async for item in example.team(client).run_stream(task=QUESTION)]
    await client.close()
    return said


async def autogen_agent() -> Any:
    """One agent without a team."""
    example = _example("autogen")
    client = example.OpenAIChatCompletionClient(model=example.MODEL)
    agent = example.AssistantAgent("forecaster", client, tools=[example.forecast])
    result = await agent.run(task=QUESTION)
    await client.close()
    return [message.to_text() for message in result.messages]


async def ag2_async() -> Any:
    return (await _example("ag2").forecaster().ask(QUESTION)).body


async def ag2_traced() -> Any:
    """With its own spans switched on."""
    telemetry = import_module("ag2.middleware.builtin.telemetry")
    own = telemetry.TelemetryMiddleware(agent_name="forecaster")
    return (await _example("ag2").forecaster(middleware=[own]).ask(QUESTION)).body


# --- LlamaIndex, ADK, DSPy, Haystack --------------------------------------------------------------


async def llamaindex_async() -> Any:
    return await _example("llamaindex").Weather(timeout=60).run(city="Oslo")


async def llamaindex_stream() -> Any:
    handler = _example("llamaindex").Weather(timeout=60).run(city="Oslo")
    kinds = [type(event).__name__ async for event in handler.stream_events()]
    return kinds, await handler


async def adk_async() -> Any:
    return [answer async for answer in _example("adk").answers()]


def _context() -> Any:
    dspy = import_module("dspy")
    model = dspy.LM("openai/gpt-4o-mini", cache=False)
    return dspy.context(lm=model, adapter=dspy.JSONAdapter())


def dspy_sync() -> Any:
    with _context():
        return _example("dspy").forecaster()(question=QUESTION).answer


async def dspy_async() -> Any:
    with _context():
        return (await _example("dspy").forecaster().acall(question=QUESTION)).answer


def haystack_sync() -> Any:
    example = _example("haystack")
    return example.pipeline().run(example.ASKED)["forecaster"]["last_message"].text


async def haystack_async() -> Any:
    example = _example("haystack")
    result = await example.pipeline().run_async(example.ASKED)
    return result["forecaster"]["last_message"].text


def haystack_agent() -> Any:
    """An agent without a pipeline."""
    example = _example("haystack")
    model = example.OpenAIChatGenerator(model="gpt-4o-mini")
    agent = example.Agent(chat_generator=model, tools=[example.forecast])
    return agent.run(messages=[example.ChatMessage.from_user(QUESTION)])["last_message"].text


def _adk_workflow() -> str:
    """Before 2.13 the span of a run names nobody."""
    try:
        names_it = Version(version("google-adk")) >= Version("2.13")
    except PackageNotFoundError:
        names_it = True
    return "forecaster" if names_it else "google-adk"


_TURNS: Final = ("desk", "forecaster", "forecaster")
_MANAGED: Final = ("desk", "forecaster"), ("forecast", "final_answer", "final_answer")
_TEAM: Final = "RoundRobinGroupChat", ("forecaster", "reviewer")
_REASONING: Final = "ReAct", ("ReAct",), ("forecast", "finish")

PROGRAMS: Final = (
    Program("openai_agents", "sync", "agents", openai_agents_sync, "desk", _TURNS),
    Program("openai_agents", "async", "agents", openai_agents_async, "desk", _TURNS),
    Program("openai_agents", "stream", "agents", openai_agents_stream, "desk", _TURNS),
    Program("pydantic_ai", "sync", "pydantic_ai", pydantic_ai_sync, "forecaster"),
    Program("pydantic_ai", "async", "pydantic_ai", pydantic_ai_async, "forecaster"),
    Program("pydantic_ai", "stream", "pydantic_ai", pydantic_ai_stream, "forecaster"),
    Program("pydantic_ai", "traced", "pydantic_ai", pydantic_ai_traced, "forecaster"),
    Program("smolagents", "sync", "smolagents", smolagents_sync, "desk", *_MANAGED),
    Program("smolagents", "stream", "smolagents", smolagents_stream, "desk", *_MANAGED),
    Program("autogen", "team", "autogen_agentchat", autogen_team, *_TEAM),
    Program("autogen", "stream", "autogen_agentchat", autogen_stream, *_TEAM),
    Program("autogen", "agent", "autogen_agentchat", autogen_agent, "forecaster"),
    Program("ag2", "async", "ag2", ag2_async, "forecaster"),
    Program("ag2", "traced", "ag2", ag2_traced, "forecaster"),
    Program("llamaindex", "async", "llama_index", llamaindex_async, "Weather"),
    Program("llamaindex", "stream", "llama_index", llamaindex_stream, "Weather"),
    Program("adk", "async", "google.adk", adk_async, _adk_workflow(), known_as="google-adk"),
    Program("dspy", "sync", "dspy", dspy_sync, *_REASONING),
    Program("dspy", "async", "dspy", dspy_async, *_REASONING),
    Program("haystack", "sync", "haystack", haystack_sync, "weather"),
    Program("haystack", "async", "haystack", haystack_async, "weather"),
    Program("haystack", "agent", "haystack", haystack_agent, "agent", ("agent",)),
)
