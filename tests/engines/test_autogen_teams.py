"""AutoGen: whole traces of teams, of agents that hand over, and of the messages of its core."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("autogen_agentchat")

from adopted_whole import (
    Provider,
    Seen,
    check_calls,
    failed,
    known,
    named,
    provided,
    routes,
    seen,
    worked,
)
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from autogen_core import (
    AgentId,
    CancellationToken,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    default_subscription,
    message_handler,
)
from autogen_core.models import UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from hypothesis import given, settings
from scripts import Desk, Move, Script, Scripted, Use, question, scripts

from flowspan import semconv
from flowspan.testing import Gate, ReceivedRequest, Reply, ToolCall

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]

_NAMES = ("anna", "bert", "cleo")
_MODEL = "gpt-4o-mini-2024-07-18"
_HAS_NAMES = "name" in inspect.signature(RoundRobinGroupChat.__init__).parameters


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


@pytest.fixture(autouse=True)
def _without_plumbing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime's own spans are the subject of one test only."""
    monkeypatch.setenv("AUTOGEN_DISABLE_RUNTIME_TRACING", "true")


def client() -> Any:
    return OpenAIChatCompletionClient(model=_MODEL, max_retries=0)


def swarm(script: Script, desk: Desk) -> Any:
    """A swarm of three, of whom each can hand over to the others."""
    agents = [
        AssistantAgent(
            name,
            client(),
            tools=[desk.look, desk.count],
            handoffs=[other for other in _NAMES if other != name],
            max_tool_iterations=10,
        )
        for name in sorted(_NAMES, key=lambda name: name != script.first)
    ]
    ends = TextMentionTermination("TERMINATE")
    return team(Swarm, "swarm", agents, termination_condition=ends)


def pair(name: str = "pair", **options: Any) -> Any:
    agents = [AssistantAgent(f"{name}_{each}", client()) for each in ("one", "two")]
    return team(RoundRobinGroupChat, name, agents, max_turns=2, **options)


def team(kind: Any, name: str, agents: Any, **options: Any) -> Any:
    """A team of that name, which before 0.7 is its class's."""
    if _HAS_NAMES:
        return kind(agents, name=name, **options)
    return type(name, (kind,), {})(agents, **options)


def check_script(found: Seen, script: Script, desk: Desk) -> None:
    """A trace counts what was said, and what was done."""
    handing = [f"transfer_to_{to}" for _, to in script.routes]
    tools = named(found.spans, "tool", semconv.TOOL_NAME)
    assert [tool for tool in tools if tool.startswith("transfer")] == handing
    assert len(tools) - len(handing) == desk.used.total() == script.uses.total()
    assert all(tools.count(tool) == times for tool, times in desk.used.items())
    assert failed(found.spans, "tool", semconv.TOOL_NAME) == desk.failed == script.failures
    assert named(found.spans, "agent", semconv.AGENT_NAME) == script.turns
    assert routes(found.spans) == script.routes
    check_calls(found, len(script))


@settings(max_examples=25, deadline=None)
@given(script=scripts(agents=_NAMES))
def test_random_swarms_are_counted_exactly(provider: Provider, script: Script) -> None:
    """Turns, tools, their failures, handoffs, model calls and tokens are what happened."""
    desk = Desk()
    with seen(provider, Scripted(script)) as found:
        asyncio.run(swarm(script, desk).run(task=question()))

    check_script(found, script, desk)


def test_a_swarm_hands_over(provider: Provider) -> None:
    """Who hands over to whom is told on the run, and the turns follow each other."""
    script = Script("anna", (Move((Use("look"),)), Move(hands_to="bert")))
    with seen(provider, Scripted(script)) as found:
        asyncio.run(swarm(script, Desk()).run(task=question()))

    expected = """\
invoke_workflow swarm
  invoke_agent anna
    chat {0}
    execute_tool look
    chat {0}
    execute_tool transfer_to_bert
  invoke_agent bert
    chat {0}"""
    assert worked(found.spans) == expected.format(_MODEL)
    assert routes(found.spans) == [("anna", "bert")]


def test_a_swarm_goes_on_where_it_stopped(provider: Provider) -> None:
    """A run without a new task is linked to the one before it; both are one conversation."""
    script = Script("anna", (Move(hands_to="bert"),))

    async def twice() -> None:
        team = swarm(script, Desk())
        await team.run(task=question())
        await team.run()
        await team.run(task=HandoffMessage(source="user", target="cleo", content="go on"))
        await team.run(task="and something else")

    with seen(provider, Scripted(script)) as found:
        asyncio.run(twice())

    runs = found.spans.roots()
    assert len({known(run)[semconv.CONVERSATION_ID] for run in runs}) == 1
    links = [[link.context for link in run.links] for run in runs]
    assert links == [[], [runs[0].context], [runs[1].context], []]
    assert routes(found.spans) == [("anna", "bert"), ("user", "cleo")]


def test_a_team_that_is_loaded_is_another_run(provider: Provider) -> None:
    """What was saved goes on in a team that was made anew, as without us, in a trace of its own."""
    script = Script("anna", (Move(hands_to="bert"),))

    async def twice() -> list[Any]:
        team = swarm(script, Desk())
        await team.run(task=question())
        again = swarm(script, Desk())
        await again.load_state(await team.save_state())
        return [message.source for message in (await again.run(task="go on")).messages]

    with seen(provider, Scripted(script)) as found:
        assert asyncio.run(twice()) == ["user", "bert"]

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 2


def test_a_model_that_selects_is_the_runs(provider: Provider) -> None:
    """The call that selects is the run's, and who was selected is told, the same one too."""
    said = iter(["bert", "well", "bert", "well"])

    async def run() -> None:
        agents = [AssistantAgent(name, client()) for name in ("anna", "bert")]
        team = SelectorGroupChat(agents, client(), max_turns=2, allow_repeated_speaker=True)
        await team.run(task="hello")

    with seen(provider, lambda _request: Reply(next(said))) as found:
        asyncio.run(run())

    expected = """\
invoke_workflow SelectorGroupChat
  chat {0}
  invoke_agent bert
    chat {0}
  chat {0}
  invoke_agent bert
    chat {0}"""
    assert worked(found.spans) == expected.format(_MODEL)
    assert routes(found.spans) == [(None, "bert"), ("bert", "bert")]
    check_calls(found, 4)


def test_edges_with_conditions_are_decisions(provider: Provider) -> None:
    """In a graph: by words or by functions; edges without are none, and a fan-out is whole."""

    async def run() -> None:
        built = DiGraphBuilder()
        anna, bert, cleo, dora = (
            AssistantAgent(name, client()) for name in ("anna", "bert", "cleo", "dora")
        )
        for agent in (anna, bert, cleo, dora):
            built.add_node(agent)
        built.add_edge(anna, bert, condition="well").add_edge(anna, dora, condition="bad")
        built.add_edge(bert, cleo)
        await GraphFlow([anna, bert, cleo, dora], graph=built.build()).run(task="hello")

    with seen(provider, lambda _request: Reply("well")) as found:
        asyncio.run(run())

    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["anna", "bert", "cleo"]
    assert routes(found.spans) == [("anna", "bert")]


@pytest.mark.skipif(not _HAS_NAMES, reason="in this version a team is no part of another team")
def test_a_team_in_a_team_is_a_run_inside(provider: Provider) -> None:
    """With all that it did; the tokens add up on both."""
    with seen(provider, lambda _request: Reply("well")) as found:
        asyncio.run(RoundRobinGroupChat([pair()], max_turns=1, name="outer").run(task="hello"))

    expected = """\
invoke_workflow outer
  invoke_workflow pair
    invoke_agent pair_one
      chat {0}
    invoke_agent pair_two
      chat {0}"""
    assert worked(found.spans) == expected.format(_MODEL)
    check_calls(found, 2)


def test_an_agent_that_is_a_tool(provider: Provider) -> None:
    """An agent alone is a run with the agent inside; one that is its tool is inside that tool."""
    replies = iter([Reply(tool_calls=(ToolCall("inner", {"task": "look"}),)), Reply("well")])

    async def run() -> None:
        inner = AgentTool(AssistantAgent("inner", client()))
        await AssistantAgent("outer", client(), tools=[inner]).run(task="hello")

    with seen(provider, lambda _request: next(replies)) as found:
        asyncio.run(run())

    expected = """\
invoke_workflow outer
  invoke_agent outer
    chat {0}
    execute_tool inner
      invoke_agent inner
        chat {0}"""
    assert worked(found.spans) == expected.format(_MODEL)


def test_agents_that_are_made_are_no_traces(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with the runtime's own spans, which are inside of the run, nor without."""
    monkeypatch.delenv("AUTOGEN_DISABLE_RUNTIME_TRACING")
    with seen(provider, lambda _request: Reply("well")) as found:
        AssistantAgent("idle", client())
        asyncio.run(pair().run(task="hello"))

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 1
    assert any(span.name.startswith("autogen process") for span in found.spans)
    assert not found.spans.named("create_agent idle")


# --- a runtime that is older than the run ---------------------------------------------------------


def test_teams_that_share_a_runtime(provider: Provider) -> None:
    """Twenty at once, whose messages one task takes from one queue: each is a trace of its own."""

    async def run() -> None:
        runtime = SingleThreadedAgentRuntime()
        runtime.start()
        teams = [pair(f"pair{number}", runtime=runtime) for number in range(20)]
        await asyncio.gather(*(team.run(task="hello") for team in teams))
        await runtime.stop_when_idle()

    with seen(provider, lambda _request: Reply("well")) as found:
        asyncio.run(run())

    runs = found.spans.roots()
    assert len(runs) == len(found.spans.trace_ids()) == 20
    for root in runs:
        name = known(root)[semconv.WORKFLOW_NAME]
        inside = [span for span in found.spans if span.context.trace_id == root.context.trace_id]
        agents = [known(s)[semconv.AGENT_NAME] for s in inside if s.name.startswith("invoke_agent")]
        assert agents == [f"{name}_one", f"{name}_two"]
        assert known(root)[semconv.ROLLUP_LLM_CALLS] == 2


@dataclass
class Task:
    """A message of the program's own."""

    text: str


@default_subscription
class Worker(RoutedAgent):
    """An agent of the core, which asks a model."""

    def __init__(self) -> None:
        super().__init__("worker")
        self._client = client()

    @message_handler
    async def handle(self, message: Task, ctx: MessageContext) -> Task:
        del ctx
        result = await self._client.create([UserMessage(content=message.text, source="user")])
        return Task(str(result.content))


def test_a_message_of_the_core_is_a_run(provider: Provider) -> None:
    """What the program sends to an agent begins a run, also where nobody waits for it."""

    async def run() -> str:
        runtime = SingleThreadedAgentRuntime()
        await Worker.register(runtime, "worker", Worker)
        runtime.start()
        answer = await runtime.send_message(Task("one"), AgentId("worker", "default"))
        await runtime.publish_message(Task("two"), DefaultTopicId())
        await runtime.stop_when_idle()
        return str(answer.text)

    with seen(provider, lambda _request: Reply("well")) as found:
        assert asyncio.run(run()) == "well"

    expected = """\
invoke_workflow worker
  invoke_agent worker
    chat {0}
invoke_workflow default
  invoke_agent worker
    chat {0}"""
    assert worked(found.spans) == expected.format(_MODEL)
    assert len(found.spans.trace_ids()) == 2


# --- runs that are left ---------------------------------------------------------------------------


class Stuck:
    """A model that does not answer before its gate is open."""

    def __init__(self) -> None:
        self.gate = Gate()

    def __call__(self, request: ReceivedRequest) -> Reply:
        del request
        return Reply("late", gate=self.gate)


@pytest.mark.parametrize("way", ["token", "task"])
def test_cancellation(provider: Provider, way: str) -> None:
    """By AutoGen's token or by the event loop: the run says it, and nothing failed."""
    model = Stuck()

    async def run() -> None:
        token = CancellationToken()
        running = asyncio.create_task(pair().run(task="hello", cancellation_token=token))
        await asyncio.to_thread(model.gate.wait_until_reached)
        if way == "token":
            token.cancel()
        else:
            running.cancel()
            await asyncio.sleep(0)
            model.gate.open()  # a team that is cancelled waits for its agents
        with pytest.raises(asyncio.CancelledError):
            await running

    with seen(provider, model) as found:
        asyncio.run(run())
    model.gate.open()

    (root,) = found.spans.roots()
    assert known(root)[semconv.INTERRUPTION] == "CancelledError"
    assert root.status.is_unset


@pytest.mark.parametrize("kind", ["team", "agent"])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_stream_that_is_left(
    provider: Provider, kind: str, parts: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Leaving the loop ends the run, and no later one is inside of it."""

    async def leave() -> None:
        one = pair() if kind == "team" else AssistantAgent("alone", client())
        stream = one.run_stream(task="hello")
        for _ in range(parts):
            await anext(stream)
        await stream.aclose()
        await pair("after").run(task="hello")

    with seen(provider, lambda _request: Reply("well")) as found:
        asyncio.run(leave())
        gc.collect()

    left, after = found.spans.roots()
    assert known(left)[semconv.STREAM_ABANDONED] is True
    assert left.status.is_unset
    assert known(after)[semconv.WORKFLOW_NAME] == "after"
    assert [line.getMessage() for line in caplog.records if "context" in line.getMessage()] == []


def test_streams_that_are_read_in_turns(provider: Provider) -> None:
    """Agents' spans stay current while their streams wait, and get into nobody else's run."""

    async def run() -> None:
        agents = [AssistantAgent(f"agent{number}", client()) for number in range(10)]
        waiting = [agent.run_stream(task="hello") for agent in agents]
        while waiting:
            parts = [await anext(stream, None) for stream in waiting]
            waiting = [stream for stream, part in zip(waiting, parts, strict=True) if part]

    with seen(provider, lambda _request: Reply("well")) as found:
        asyncio.run(run())

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 10
    assert {known(run)[semconv.ROLLUP_LLM_CALLS] for run in found.spans.roots()} == {1}
