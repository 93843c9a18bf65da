"""CrewAI's chats: ``crewai chat`` with a crew, and turns of conversational Flows."""

from __future__ import annotations

import builtins
import gc
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from crewai_kit import MARKS, MODEL, Flow, Model, agent, crew, recorded, task
from traces import attributes

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall

pytestmark = MARKS

_EARLIER: Final = "crewai.cli.crew_chat"
_PLACE: Final = "crewai.utilities.crew_chat"
IS_EARLY: Final = importlib.util.find_spec(_PLACE) is None
chat: Final[Any] = importlib.import_module(_EARLIER if IS_EARLY else _PLACE)

TREE: Final = """\
invoke_workflow chat
  run_step look at the crew flowspan.step.index=0
    chat gpt-4o-mini
    chat gpt-4o-mini
  chat gpt-4o-mini
  run_step turn flowspan.step.index=1
    chat gpt-4o-mini
  run_step turn flowspan.step.index=2
    chat gpt-4o-mini
    execute_tool demo
      invoke_workflow demo
        run_step write
          invoke_agent Researcher
            chat gpt-4o-mini"""


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recording(provider: FakeProvider) -> Iterator[Recording]:
    with recorded(provider) as recording:
        yield recording


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """Clients that CrewAI does not close are let go where that is not complained of."""
    yield
    gc.collect()


def typed(*lines: str) -> Callable[..., str]:
    """A user who types these lines, and then Ctrl-C."""
    coming = iter(lines)

    def read(*_prompt: str) -> str:
        line = next(coming, None)
        if line is None:
            raise KeyboardInterrupt
        return line

    return read


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes somebody sit before ``crewai chat``, in the folder of a project."""
    written = task("write", agent(), description="Write of {topic}.")
    told = crew(written, chat_llm=MODEL)
    monkeypatch.setattr(chat, "load_crew_and_name", lambda: (told, "Desk"))
    monkeypatch.setattr(chat, "read_toml", lambda: {"tool": {"crewai": {}}})
    monkeypatch.setattr(chat, "flush_input", lambda: None)  # wants a terminal
    monkeypatch.setattr(chat, "show_loading", lambda done: done.wait())

    def sits(*lines: str) -> None:
        monkeypatch.setattr(builtins, "input", typed(*lines))

    return sits


def test_a_chat_is_one_run(
    recording: Recording, model: Model, user: Callable[..., None], provider: FakeProvider
) -> None:
    """What is found out of the crew, what the user says, and the crew where it is run."""
    model.will("of bees", Reply(tool_calls=(ToolCall("Desk", {"topic": "bees"}),)))
    user("hello", "", "tell me of bees", "", "", "exit", "")

    chat.run_chat()

    assert recording.spans.tree(semconv.STEP_INDEX) == TREE
    assert len(provider.requests) == 6
    (root,) = recording.spans.roots()
    assert attributes(root)[semconv.ROLLUP_LLM_CALLS] == 6
    assert root.status.is_unset


def test_a_chat_that_breaks_off_is_over(
    recording: Recording, user: Callable[..., None], provider: FakeProvider
) -> None:
    """CrewAI tells the user of an error and ends the chat; the step is where it arose."""
    user("hello", "")
    provider.reply("a topic", "a crew", "Hello!")

    def breaks(request: Any) -> Reply:
        return Reply(fault=Fault.http(400))

    provider.respond = breaks

    chat.run_chat()

    (root,) = recording.spans.roots()
    (turn,) = [span for span in recording.spans if span.name == "run_step turn"]
    assert attributes(turn)[semconv.ERROR_TYPE]
    assert root.status.is_unset
    assert attributes(root)[semconv.ROLLUP_ERRORS] == 1


def test_functions_of_a_chat_are_none_without_one(
    recording: Recording, user: Callable[..., None]
) -> None:
    """A program of its own that runs a crew as a tool has a run of that crew."""
    told, _ = chat.load_crew_and_name()

    chat.run_crew_tool(told, [], topic="bees")

    assert [span.name for span in recording.spans.roots()] == ["invoke_workflow demo"]
    assert recording.spans.of_kind("tool") == []


needs_conversations = pytest.mark.skipif(
    not hasattr(Flow, "handle_turn"), reason="this version has no conversational Flows"
)


@needs_conversations
def test_turns_of_a_conversational_flow_are_runs_of_one_conversation(
    recording: Recording, provider: FakeProvider
) -> None:
    conversational: Any = importlib.import_module("crewai.flow.conversational")
    said: list[str] = []

    @conversational.ConversationConfig(llm=MODEL)
    class Desk(Flow[conversational.ConversationState]):  # type: ignore[misc]
        pass

    Desk(suppress_flow_events=True).chat(
        session_id="s-1", input_fn=typed("hello", "", "and bees?"), output_fn=said.append
    )

    assert len(provider.requests) == 2
    runs = [attributes(span) for span in recording.spans.roots()]
    assert [run[semconv.ROLLUP_LLM_CALLS] for run in runs] == [1, 1]
    assert [run[semconv.CONVERSATION_ID] for run in runs] == ["s-1", "s-1"]
    assert said
