"""LangChain: tools, retrievers and agents are seen, plumbing is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnableParallel
from langchain_kit import OwnModel, chat, lookup, read, tokens_are_the_ledgers
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph_kit import broken
from pydantic import Field
from traces import attributes, events

from flowspan import semconv
from flowspan.testing import FakeProvider, Recording, Reply, ToolCall

# --- tools, retrievers, chains --------------------------------------------------------------------


def test_tools(recording: Recording) -> None:
    """A tool is seen however it is called; one that fails or answers with a failure has failed."""
    lookup.invoke({"word": "a"})
    asyncio.run(lookup.ainvoke({"word": "a"}))
    lookup.invoke({"name": "lookup", "args": {"word": "a"}, "id": "call-7", "type": "tool_call"})
    with pytest.raises(ValueError, match="broken"):
        lookup.invoke({"word": "broken"})
    forgiving = lookup.model_copy(update={"handle_tool_error": True})
    call = {"name": "lookup", "args": {"word": "refused"}, "id": "call-8", "type": "tool_call"}
    forgiving.invoke(call)

    found = [
        (attributes(span).get(semconv.TOOL_CALL_ID), attributes(span).get(semconv.ERROR_TYPE))
        for span in recording.spans
    ]
    expected = [(None, None), (None, None), ("call-7", None)]
    assert found == [*expected, (None, "ValueError"), ("call-8", "tool_error")]
    assert {span.name for span in recording.spans} == {"execute_tool lookup"}


def test_tools_of_a_tool_node(recording: Recording) -> None:
    """LangGraph's tool node runs them at once, in threads: each is inside the node."""
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([lookup]))
    graph.add_edge(START, "tools")
    calls = [{"name": "lookup", "args": {"word": w}, "id": w} for w in ("a", "b", "c")]
    message = AIMessage(content="", tool_calls=calls)

    graph.compile(name="demo").invoke({"messages": [message]})

    tools = recording.spans.of_kind("tool")
    node = recording.spans.of_kind("node")[0]
    assert {attributes(span)[semconv.TOOL_CALL_ID] for span in tools} == {"a", "b", "c"}
    assert {span.parent.span_id for span in tools if span.parent} == {node.context.span_id}


class Notes(BaseRetriever):
    """Finds what was asked for."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(query)]


def test_a_chain_is_one_run(recording: Recording) -> None:
    """The outermost chain holds retriever and model together; its parts make no spans."""
    prompt = ChatPromptTemplate.from_messages([("user", "{notes}: {question}")])
    ask = RunnableParallel(notes=Notes(), question=RunnableLambda(lambda text: text))
    chain = (ask | prompt | OwnModel()).with_config(run_name="answering")

    chain.invoke("bees")
    asyncio.run(chain.ainvoke("bees"))
    list(chain.stream("bees"))

    one = """\
invoke_workflow RunnableSequence
  retrieval Notes
  chat own-1
"""
    assert one * 3 == recording.spans.tree() + "\n"
    assert broken(recording.spans) == []


class Down(OwnModel):
    """A model that answers from its third call on."""

    calls: list[int] = Field(default_factory=list)

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(1)
        if len(self.calls) < 3:
            raise ConnectionError
        return super()._generate(*args, **kwargs)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda down: down.with_retry(wait_exponential_jitter=False), "RunnableRetry"),
        (lambda down: down.with_fallbacks([down, OwnModel()]), "RunnableWithFallbacks"),
    ],
)
def test_attempts_and_fallbacks_of_a_chain_are_one_run(
    make: Any, name: str, recording: Recording, *, asynchronous: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("tenacity.asyncio._portable_async_sleep", lambda _seconds: asyncio.sleep(0))
    chain = make(RunnableLambda(lambda text: text) | Down())

    if asynchronous:
        asyncio.run(chain.ainvoke("bees"))
    else:
        chain.invoke("bees")

    assert (
        recording.spans.tree()
        == f"""\
invoke_workflow {name}
  chat own-1 !
  chat own-1 !
  chat own-1"""
    )
    assert recording.spans.one(f"invoke_workflow {name}").status.is_unset


def test_a_chain_that_branches_is_one_run(recording: Recording) -> None:
    asking: Any = RunnableLambda(lambda text: Notes().invoke(text)[0].page_content) | OwnModel()
    chain: Any = RunnableBranch((lambda text: Notes().invoke(text) == [], asking), asking)

    chain.invoke("bees")

    (run,) = recording.spans.roots()
    assert run.name == "invoke_workflow RunnableBranch"


def test_a_chain_inside_a_graph_makes_no_span(recording: Recording) -> None:
    """Nor does one inside anything else that is seen."""
    chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | OwnModel()
    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", lambda _state: {"messages": [chain.invoke({"text": "hi"})]})
    graph.add_edge(START, "ask")

    graph.compile(name="demo").invoke({"messages": []})

    assert (
        recording.spans.tree()
        == """\
invoke_workflow demo
  run_step superstep
    run_step ask
      chat own-1"""
    )


# --- agents ---------------------------------------------------------------------------------------


def answering(provider: FakeProvider) -> None:
    """Ask for the tool, then answer."""
    provider.reply(Reply(tool_calls=(ToolCall("lookup", {"word": "bee"}),)), "done")


TREE = """\
invoke_workflow helper
  invoke_agent helper
    run_step superstep
      run_step {model}
        chat gpt-4o-mini
    run_step superstep
      run_step tools
        execute_tool lookup
    run_step superstep
      run_step {model}
        chat gpt-4o-mini"""


def _agents() -> Iterator[tuple[str, Any]]:
    def prebuilt() -> Any:
        from langgraph.prebuilt import create_react_agent  # noqa: PLC0415 - one of two

        model = chat(stream_usage=True)
        return create_react_agent(model, [lookup], name="helper")

    def of_langchain() -> Any:
        agents = pytest.importorskip("langchain.agents")
        if not hasattr(agents, "create_agent"):
            pytest.skip("LangChain below 1.0 has no create_agent")
        model = chat(stream_usage=True)
        return agents.create_agent(model, [lookup], name="helper")

    yield "agent", prebuilt
    yield "model", of_langchain


@pytest.mark.parametrize(("model", "made"), list(_agents()))
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_prebuilt_agents(
    way: str, model: str, made: Any, recording: Recording, provider: FakeProvider
) -> None:
    """The libraries' own agents are agents inside a run, however they are called."""
    agent = made()
    answering(provider)
    question: Any = {"messages": [("user", "bees?")]}
    match way:
        case "invoke":
            agent.invoke(question)
        case "stream":
            list(agent.stream(question, stream_mode="messages"))
        case "ainvoke":
            asyncio.run(agent.ainvoke(question))
        case _:
            asyncio.run(read(agent.astream(question, stream_mode="messages")))

    assert recording.spans.tree() == TREE.format(model=model)
    tokens_are_the_ledgers(recording, provider)
    asked = [
        e for s in recording.spans.of_kind("llm") for e in events(s, semconv.EVENT_TOOL_REQUESTED)
    ]
    ran = [attributes(span) for span in recording.spans.of_kind("tool")]
    assert [a[semconv.TOOL_CALL_ID] for a in asked] == [r[semconv.TOOL_CALL_ID] for r in ran]


def test_an_agent_inside_a_graph(recording: Recording, provider: FakeProvider) -> None:
    """Inside a run it is an agent, and no run of its own."""
    answering(provider)
    graph: Any = StateGraph(MessagesState)
    graph.add_node("helper", next(_agents())[1]())
    graph.add_edge(START, "helper")

    graph.compile(name="demo").invoke({"messages": [("user", "bees?")]})

    assert recording.spans.tree().startswith("""\
invoke_workflow demo
  run_step superstep
    run_step helper
      invoke_agent helper
        run_step superstep
          run_step agent
            chat gpt-4o-mini""")
    tokens_are_the_ledgers(recording, provider)
