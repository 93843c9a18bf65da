"""pflow: what is seen of nodes that run an agent, which is a process of its own.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Final

import claude_code
import codex
import pytest
from pflow_kit import (
    ALL,
    SLOW,
    ask,
    asked_provider,  # noqa: F401 - a fixture
    code,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)
from phases import known
from traces import broken, threaded

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall
from flowspan.usage import Usage

pytestmark = SLOW

MODEL: Final = {"claude": "claude-sonnet-4-5", "codex": "gpt-5-codex"}
HAS_BACKENDS: Final = importlib.util.find_spec("pflow.nodes.agent") is not None
"""Whether one node runs any agent; before, there was one for Claude Code."""

BACKENDS: Final = ("claude", "codex") if HAS_BACKENDS else ("claude",)

LOOK: Final = Reply(
    tool_calls=(ToolCall("shell", {"command": "ls"}, id="call_ls"),),
    usage=Usage(input_tokens=100, output_tokens=31),
)
SAY: Final = Reply("honey", usage=Usage(input_tokens=200, output_tokens=57, cache_read_tokens=40))


@pytest.fixture(autouse=True)
def _agents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands of ours where pflow looks for Claude Code and for Codex."""
    command = claude_code.install(tmp_path)
    codex.install(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    transport = "claude_agent_sdk._internal.transport.subprocess_cli.SubprocessCLITransport"
    monkeypatch.setattr(f"{transport}._find_cli", lambda _transport: command)


def agent(name: str, backend: str, **params: Any) -> dict[str, Any]:
    """A node that runs an agent."""
    said = {"prompt": "What is in the jar?", "model": MODEL[backend], **params}
    if HAS_BACKENDS:
        said["backend"] = backend
    return {"id": name, "type": "agent" if HAS_BACKENDS else "claude-code", "params": said}


def assert_charged(recording: Recording, provider: FakeProvider) -> None:
    """One connected trace for each run, whose tokens are the ledger's."""
    spans, charged = recording.spans, provider.ledger.total()
    assert broken(spans) == []
    assert len(spans.roots()) == len(spans.trace_ids()) == 1
    root = known(spans.roots()[0])
    for rolled_up, used, total in (
        (semconv.ROLLUP_INPUT_TOKENS, semconv.USAGE_INPUT_TOKENS, charged.input_tokens),
        (semconv.ROLLUP_OUTPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, charged.output_tokens),
    ):
        assert root.get(rolled_up, 0) == spans.total(used) == (total or 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_agent_is_inside_its_node_with_all_that_it_used(
    backend: str, recording: Recording, provider: FakeProvider
) -> None:
    """Its requests are one model call: it tells their sum, and how many turns it took."""
    provider.reply(LOOK, SAY, "sweet")

    result = run(workflow(agent("look", backend), code("shout", "result: int = 1"), ask("tell")))

    assert result.success
    assert recording.spans.tree(semconv.NODE_ID) == "\n".join(
        (
            "invoke_workflow inline workflow",
            "  run_step look flowspan.node.id='look'",
            f"    invoke_agent {backend}",
            f"      chat {MODEL[backend]}",
            "  run_step shout flowspan.node.id='shout'",
            "  run_step tell flowspan.node.id='tell'",
            "    chat gpt-4o",
        )
    )
    assert_charged(recording, provider)
    call = known(recording.spans.one(f"chat {MODEL[backend]}"))
    assert call[semconv.USAGE_INPUT_TOKENS] == 300
    assert call[semconv.USAGE_OUTPUT_TOKENS] == 88
    assert call[semconv.USAGE_CACHE_READ] == 40
    assert call[semconv.COST_STATUS] == "priced"
    session = claude_code.SESSION if backend == "claude" else codex.SESSION
    asked = recording.spans.one(f"invoke_agent {backend}")
    assert known(asked)[semconv.CONVERSATION_ID] == session


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_an_agent_is_asked_and_says_is_recorded_where_that_is_wanted(
    backend: str, provider: FakeProvider
) -> None:
    """Its first prompt and its last answer: what was between them, it keeps to itself."""
    provider.reply(LOOK, SAY)

    with threaded(*ALL, content="full") as recording:
        run(workflow(agent("look", backend)))

    call = known(recording.spans.one(f"chat {MODEL[backend]}"))
    assert "What is in the jar?" in call[semconv.INPUT_MESSAGES]
    assert "honey" in call[semconv.OUTPUT_MESSAGES]


@pytest.mark.skipif(not HAS_BACKENDS, reason="this version asks no agent again")
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_agent_that_is_asked_again_is_there_twice(
    backend: str, recording: Recording, provider: FakeProvider
) -> None:
    """An answer that does not fit is told to the same session."""
    schema = {
        "type": "object",
        "properties": {"jars": {"type": "integer"}},
        "required": ["jars"],
    }
    provider.reply("none", '{"jars": 2}')

    result = run(workflow(agent("look", backend, output_schema=schema)))

    assert result.success
    assert len(recording.spans.of_kind("agent")) == len(provider.requests) == 2
    assert_charged(recording, provider)


@pytest.mark.parametrize("backend", BACKENDS)
def test_agents_of_a_batch_are_below_their_items(
    backend: str, recording: Recording, provider: FakeProvider
) -> None:
    provider.reply(SAY, SAY, SAY)
    node = agent("look", backend, prompt="What is in ${item}?")

    result = run(workflow({**node, "batch": {"items": ["a", "b", "c"], "parallel": True}}))

    assert result.success
    assert_charged(recording, provider)
    spans = recording.spans
    items = {span.context.span_id for span in spans if span.name == "item"}
    around = {span.parent.span_id for span in spans.of_kind("agent") if span.parent is not None}
    assert around == items
    assert len(items) == 3


def test_an_agent_that_gives_up_has_failed_and_its_node_has_not(
    recording: Recording, provider: FakeProvider
) -> None:
    """To pflow, a run whose agent says that it failed is one with a warning."""
    provider.fail(Fault.http(400))

    result = run(workflow(agent("look", "claude")))

    assert result.success
    spans = recording.spans
    assert_charged(recording, provider)
    (failed,) = spans.of_kind("agent")
    assert known(failed)[semconv.ERROR_TYPE]
    (node,) = spans.of_kind("node")
    assert semconv.ERROR_TYPE not in known(node)
    status = "degraded" if HAS_BACKENDS else "success"
    assert known(spans.roots()[0])["pflow.status"] == status
    assert not any(semconv.COST_USD in known(span) for span in spans)


@pytest.mark.skipif("codex" not in BACKENDS, reason="this version does not know Codex")
def test_an_agent_that_fails_twice_fails_its_node(
    recording: Recording, provider: FakeProvider
) -> None:
    """What raises is tried again."""
    provider.fail(Fault.http(400), times=2)

    result = run(workflow({**agent("look", "codex"), "retry": {"max": 2, "wait": 0}}))

    assert not result.success
    spans = recording.spans
    assert_charged(recording, provider)
    assert len(spans.of_kind("agent")) == len(spans.of_kind("llm")) == len(provider.requests) == 2
    for span in (*spans.of_kind("agent"), *spans.of_kind("llm"), *spans.of_kind("node")):
        assert known(span)[semconv.ERROR_TYPE]
    assert not any(semconv.COST_USD in known(span) for span in spans)
