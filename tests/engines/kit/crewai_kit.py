"""What CrewAI's tests share: settings that keep it off the network, crews, and who answers them.

CrewAI lives in an environment of its own (``make test-engines``); elsewhere its tests are skipped.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections import Counter
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.testing import ReceivedRequest, RecordedSpans, Reply, ToolCall

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

INTEGRATIONS: Final = tuple(discovery.built_in())
"""Everything that the distribution would apply."""

HAS_ASYNC: Final = hasattr(crewai.Crew, "akickoff")
"""Whether this version has tasks that are coroutines, and with them native calls of tools."""

Agent: Final[Any] = crewai.Agent
Crew: Final[Any] = crewai.Crew
Task: Final[Any] = crewai.Task
Flow: Final[Any] = flow.Flow

MODEL: Final = "gpt-4o-mini"


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


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def events(span: ReadableSpan, name: str) -> list[dict[str, Any]]:
    """The attributes of a span's events of that name."""
    return [dict(event.attributes or {}) for event in span.events if event.name == name]


def routes(spans: RecordedSpans) -> Counter[tuple[str, str | None]]:
    """Decisions, as pairs."""
    return Counter(
        (taken[semconv.ROUTE_FROM], taken.get(semconv.ROUTE_TO))
        for span in spans
        for taken in events(span, semconv.EVENT_ROUTE_TAKEN)
    )


def broken(spans: RecordedSpans) -> list[str]:
    """What is wrong with traces as a whole: orphans, and parents that are of another run."""
    by_id = {span.context.span_id: span for span in spans}
    found = []
    for span in spans:
        if span.parent is None:
            if attributes(span)[semconv.KIND] != "run":
                found.append(f"{span.name} has no run")
            continue
        parent = by_id.get(span.parent.span_id)
        if parent is None or parent.context.trace_id != span.context.trace_id:
            found.append(f"{span.name} is an orphan")
        elif attributes(parent)[semconv.RUN_ID] != attributes(span)[semconv.RUN_ID]:
            found.append(f"{span.name} is of another run than what is around it")
    return found
