"""Claude Agent SDK: what is seen of an agent that is a process of its own.

These run where pflow is installed, which brings the SDK (``make test-engines``).
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import claude_code
import pytest
from claude_code import BACKGROUND, DEFAULT_MODEL, DOLLARS, SESSION
from traces import attributes, broken, events

from flowspan import semconv
from flowspan.instrumentation.engines import claude_agent_sdk as rows
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

sdk: Any = pytest.importorskip("claude_agent_sdk")

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),  # the SDK's, left in the middle
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # likewise
]

MODEL = "claude-sonnet-4-5"
LOOK = Reply(
    "I look.",
    tool_calls=(ToolCall("Read", {"path": "honey.txt"}, id="toolu_1"),),
    usage=Usage(input_tokens=100, output_tokens=31, cache_write_tokens=20),
)
SAY = Reply("honey", usage=Usage(input_tokens=200, output_tokens=57, cache_read_tokens=40))


@pytest.fixture(name="options")
def of_an_agent(provider: FakeProvider, tmp_path: Path) -> dict[str, Any]:
    """Options by which the SDK starts our process and that asks our provider."""
    environment = dict(provider.environment)
    return {"cli_path": claude_code.install(tmp_path), "model": MODEL, "env": environment}


async def ask(options: dict[str, Any], prompt: str = "What is it?") -> list[Any]:
    made = sdk.ClaudeAgentOptions(**options)
    return [message async for message in sdk.query(prompt=prompt, options=made)]


def kinds(messages: list[Any]) -> list[str]:
    return [type(message).__name__ for message in messages]


def assert_charged(recording: Recording, provider: FakeProvider) -> None:
    """Every token of the ledger is on one call, and the whole is on the runs."""
    spans, charged = recording.spans, provider.ledger.total()
    assert broken(spans) == []
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == (charged.output_tokens or 0)
    assert spans.total(semconv.USAGE_CACHE_READ) == (charged.cache_read_tokens or 0)
    runs = [attributes(span) for span in spans.roots()]
    assert sum(run.get(semconv.ROLLUP_INPUT_TOKENS, 0) for run in runs) == charged.input_tokens


async def test_a_prompt_is_a_run_with_one_model_call_for_all_requests(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """The agent does not say which request used what: it says how many turns it took."""
    provider.reply(LOOK, SAY)

    messages = await ask(options)

    assert messages[-1].result == "honey"
    spans = recording.spans
    assert spans.tree() == "\n".join(
        ("invoke_workflow claude", "  invoke_agent claude", f"    chat {MODEL}")
    )
    assert_charged(recording, provider)
    call = spans.one(f"chat {MODEL}")
    known = attributes(call)
    assert (known["claude.turns"], len(provider.requests)) == (2, 2)
    assert known[semconv.PROVIDER_NAME] == "anthropic"
    assert known[semconv.RESPONSE_MODEL] == MODEL
    # 240 fresh, 20 written, 40 read, 88 answered
    expected = (240 * 3 + 20 * 3.75 + 40 * 0.3 + 88 * 15) / 1e6
    assert known[semconv.COST_USD] == pytest.approx(expected)
    assert events(call, semconv.EVENT_TOOL_REQUESTED)[0][semconv.TOOL_NAME] == "Read"
    (root,) = spans.roots()
    assert attributes(root)[semconv.CONVERSATION_ID] == SESSION
    assert attributes(root)[semconv.ENGINE] == "claude-agent-sdk"


async def test_the_first_chunk_is_the_first_answer(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """Only the call has it: an agent is not waited for in chunks."""
    provider.reply(SAY)

    await ask(options)

    told = [
        attributes(span)[semconv.KIND]
        for span in recording.spans
        if events(span, semconv.EVENT_FIRST_CHUNK)
    ]
    assert told == ["llm"]


async def test_nothing_of_what_is_said_is_recorded_unless_that_is_wanted(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    provider.reply(SAY)

    await ask(options, "What is a secret?")

    told = [str(value) for span in recording.spans for value in attributes(span).values()]
    assert not any("secret" in value or "honey" in value for value in told)


async def test_agents_inside_the_agent_are_charged(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """Tokens of several models are known, the price of their sum is not: it is absent."""
    handed_on = {"model": "claude-haiku-4-5", "prompt": "Look it up."}
    provider.reply(Reply(tool_calls=(ToolCall("Task", handed_on),)), Reply("found"), SAY)

    await ask(options)

    assert_charged(recording, provider)
    known = attributes(recording.spans.one(f"chat {MODEL}"))
    assert known[semconv.RESPONSE_MODEL] == f"claude-haiku-4-5 + {MODEL}"
    assert known[semconv.COST_STATUS] == "unpriced"
    assert semconv.COST_USD not in known
    assert known["claude.cost.usd"] == pytest.approx(3 * DOLLARS)


async def test_an_agent_may_sum_up_more_than_once(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """It counts from its beginning each time; turns it counts anew."""
    provider.reply(LOOK, SAY)

    messages = await ask(options, f"Look it up {BACKGROUND}.")

    assert kinds(messages).count("ResultMessage") == 2
    assert_charged(recording, provider)
    assert attributes(recording.spans.one(f"chat {MODEL}"))["claude.turns"] == 3


async def test_turns_of_a_client_are_runs_of_one_conversation(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """The agent counts from its beginning; each run has what it used itself."""
    provider.reply(LOOK, SAY, Reply("wax", usage=Usage(input_tokens=300, output_tokens=9)))
    del options["model"]

    async with sdk.ClaudeSDKClient(sdk.ClaudeAgentOptions(**options)) as client:
        for prompt in ("What is it?", "And this?"):
            await client.query(prompt)
            answered = [message async for message in client.receive_response()]
            assert kinds(answered)[-1] == "ResultMessage"

    assert_charged(recording, provider)
    runs = [attributes(span) for span in recording.spans.roots()]
    assert [run[semconv.ROLLUP_INPUT_TOKENS] for run in runs] == [300, 300]
    assert [run[semconv.ROLLUP_OUTPUT_TOKENS] for run in runs] == [88, 9]
    assert {run[semconv.CONVERSATION_ID] for run in runs} == {SESSION}
    calls = [attributes(span) for span in recording.spans.of_kind("llm")]
    assert {call[semconv.RESPONSE_MODEL] for call in calls} == {DEFAULT_MODEL}
    prices = [call["claude.cost.usd"] for call in calls]
    assert prices == pytest.approx([2 * DOLLARS, DOLLARS])


async def test_an_agent_that_gives_up_has_failed_and_was_paid(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    provider.reply(LOOK)

    with pytest.raises(sdk.ProcessError):
        await ask({**options, "max_turns": 1})

    assert_charged(recording, provider)
    assert all(attributes(span)[semconv.ERROR_TYPE] for span in recording.spans)


async def test_an_agent_whose_provider_refuses_has_failed(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    provider.reply(Reply(fault=Fault.http(401)))

    with pytest.raises(sdk.ProcessError):
        await ask(options)

    spans = recording.spans
    assert broken(spans) == []
    assert len(spans.of_kind("llm")) == 1
    assert all(attributes(span)[semconv.ERROR_TYPE] for span in spans)
    assert not any(semconv.COST_USD in attributes(span) for span in spans)


async def test_an_agent_that_is_not_there_has_failed(
    recording: Recording, options: dict[str, Any]
) -> None:
    with pytest.raises(sdk.CLINotFoundError):
        await ask({**options, "cli_path": "/nowhere/claude"})

    errors = {attributes(span)[semconv.ERROR_TYPE] for span in recording.spans}
    assert errors == {"CLINotFoundError"}


async def test_whoever_stops_reading_leaves_nothing_open(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """Leaving early is no error."""
    provider.reply(LOOK, SAY)

    async with sdk.ClaudeSDKClient(sdk.ClaudeAgentOptions(**options)) as client:
        await client.query("What is it?")
        messages = client.receive_response()
        async for _ in messages:
            break
        await messages.aclose()

    spans = recording.spans
    assert [attributes(span)[semconv.KIND] for span in spans] == ["run", "agent", "llm"]
    assert not any(semconv.ERROR_TYPE in attributes(span) for span in spans)


async def test_agents_at_once_are_runs_of_their_own(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    provider.reply(*[SAY] * 5)

    await asyncio.gather(*(ask(options, f"Which is {number}?") for number in range(5)))

    assert_charged(recording, provider)
    assert len(recording.spans.trace_ids()) == len(recording.spans.of_kind("llm")) == 5


async def test_the_program_gets_the_same(provider: FakeProvider, options: dict[str, Any]) -> None:
    """The same messages in the same order, from the same kind of generator."""
    provider.reply(LOOK, SAY, LOOK, SAY)

    alone = await ask(options)
    with record(rows.INTEGRATION):
        seen = await ask(options)
        generator = sdk.query(prompt="none", options=sdk.ClaudeAgentOptions(**options))
        assert hasattr(generator, "aclose")
        await generator.aclose()

    assert kinds(seen) == kinds(alone)
    assert vars(seen[-1]) == vars(alone[-1])


async def test_nothing_is_kept_of_a_client(
    provider: FakeProvider, recording: Recording, options: dict[str, Any]
) -> None:
    """What clients have used is remembered for as long as they live."""
    counted = rows._counted
    provider.reply(SAY)
    client = sdk.ClaudeSDKClient(sdk.ClaudeAgentOptions(**options))
    async with client:
        await client.query("What is it?")
        async for _ in client.receive_response():
            pass
    known = weakref.ref(client)
    assert len(counted) == 1

    del client
    gc.collect()

    assert known() is None
    assert len(counted) == 0
