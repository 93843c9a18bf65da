"""What CrewAI's tests share: settings that keep it off the network, crews, and who answers them.

CrewAI lives in an environment of its own (``make test-engines``); elsewhere its tests are skipped.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import traces
from traces import attributes

from flowspan import semconv
from flowspan.testing import (
    FakeProvider,
    ReceivedRequest,
    RecordedSpans,
    Recording,
    Reply,
    ToolCall,
)

SETTINGS: Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TESTING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""By which CrewAI itself is asked to keep off the network, and to ask nobody about traces."""

for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
os.environ.setdefault("CREWAI_STORAGE_DIR", tempfile.mkdtemp(prefix="crewai-"))

crewai: Final[Any] = pytest.importorskip("crewai")
flow: Final[Any] = importlib.import_module("crewai.flow.flow")

HAS_ASYNC: Final = hasattr(crewai.Crew, "akickoff")
"""Whether this version has tasks that are coroutines, and with them native calls of tools."""

Agent: Final[Any] = crewai.Agent
Crew: Final[Any] = crewai.Crew
Task: Final[Any] = crewai.Task
Flow: Final[Any] = flow.Flow

MODEL: Final = "gpt-4o-mini"

_TOKENS: Final = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
}

MARKS: Final = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI's, of itself
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # it closes no client
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""What every module of its tests is marked with."""


class Model:
    """Answers crews: with what is put into it by a word of the task, and else with "done"."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}

    def will(self, word: str, *replies: Reply) -> None:
        """Answer requests that hold a word with these, one after the other."""
        self.replies.setdefault(word, []).extend(replies)

    def __call__(self, request: ReceivedRequest) -> Reply:
        """The answer to a request."""
        said = json.dumps(request.body.get("messages", []))
        for word, replies in self.replies.items():
            if word in said and replies:
                return replies.pop(0)
        return final("done")


def final(text: str) -> Reply:
    """An answer that ends an agent's work, in the form that this version reads."""
    return Reply(text if HAS_ASYNC else f"Thought: I know it\nFinal Answer: {text}")


def use(name: str, **arguments: Any) -> Reply:
    """An answer that asks for a tool, in the form that this version reads."""
    if HAS_ASYNC:
        return Reply(tool_calls=(ToolCall(name, arguments, id=f"call_{name}"),))
    return Reply(f"Thought: look\nAction: {name}\nAction Input: {json.dumps(arguments)}")


@crewai.tools.tool("search")  # type: ignore[untyped-decorator]  # CrewAI may not be here
def search(query: str) -> str:
    """Search the library."""
    if query == "nothing":
        raise LookupError("not a page")
    return f"pages about {query}"


def agent(role: str = "Researcher", **settings: Any) -> Any:
    """An agent of that role."""
    settings.setdefault("llm", MODEL)
    return Agent(role=role, goal="to know", backstory="long", **settings)


def task(name: str, worker: Any = None, /, **settings: Any) -> Any:
    """A task of that name, which its description holds."""
    known = {"name": name, "description": f"Work on {name}.", "expected_output": "a line"}
    return Task(**{**known, "agent": worker, **settings})


def crew(*tasks: Any, **settings: Any) -> Any:
    """A crew of these tasks and whoever works on them."""
    workers = {id(one.agent): one.agent for one in tasks if one.agent is not None}
    settings.setdefault("agents", list(workers.values()))
    settings.setdefault("name", "demo")
    return Crew(tasks=list(tasks), **settings)


def broken(spans: RecordedSpans) -> list[str]:
    """What is wrong with traces as a whole: roots that are no runs, and more."""
    roots = [span for span in spans if span.parent is None]
    alone = [span for span in roots if attributes(span)[semconv.KIND] != "run"]
    return [*traces.broken(spans), *(f"{span.name} has no run" for span in alone)]


@contextmanager
def recorded(provider: FakeProvider) -> Iterator[Recording]:
    """Record all that the distribution would; each request must be a model call of a run."""
    asked, charged = len(provider.ledger), provider.ledger.total()
    with traces.threaded(*traces.INTEGRATIONS) as recording:
        yield recording
    calls = recording.spans.of_kind("llm")
    total = provider.ledger.total()
    answered = sum("error.type" not in attributes(call) for call in calls)
    assert broken(recording.spans) == []
    assert answered == len(provider.ledger) - asked
    for name, field in _TOKENS.items():
        added = (getattr(total, field) or 0) - (getattr(charged, field) or 0)
        assert recording.spans.total(name) == added
