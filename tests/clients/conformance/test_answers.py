"""What answers may hold: cached and reasoning tokens, tool calls, several choices, refusals."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from conformance import charges
from conformance.asking import charged, is_seen, known_of, one_of_each_kind, only_call, watching
from conformance.discovery import Case
from conformance.driving import drive
from flowspan import semconv
from flowspan.testing import FakeProvider, Reply, ToolCall

TOOLS = (ToolCall("search", {"query": "tides"}), ToolCall("read", {"page": 3}))


def answered(case: Case, provider: FakeProvider, reply: Reply) -> ReadableSpan:
    """The span of a call that got this answer, with the tokens that the provider charged."""
    provider.reply(reply)

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))

    span, (entry,) = only_call(recording), provider.ledger
    wanted = charges.tokens_charged(entry)
    known = known_of(span)
    assert {name: known.get(name) for name in wanted} == wanted
    price = charges.price(entry, span.start_time or 0)
    assert known.get(semconv.COST_USD) == (None if price is None else float(price))
    assert span.status.status_code is StatusCode.UNSET
    return span


@one_of_each_kind(lambda way: "cache" in way.can and way.reports)
def test_tokens_from_a_cache_are_told_apart(case: Case, provider: FakeProvider) -> None:
    """They are part of the input, and cheaper."""
    usage = charged(case.way, cache_read_tokens=100)

    span = answered(case, provider, Reply(chunks=case.way.answer, usage=usage))

    assert known_of(span)[semconv.USAGE_CACHE_READ] == 100


@one_of_each_kind(lambda way: "reasoning" in way.can and way.reports)
def test_reasoning_is_part_of_the_output(case: Case, provider: FakeProvider) -> None:
    """Whether the answer shows it or not."""
    usage = charged(case.way, reasoning_tokens=20)
    reply = Reply(chunks=case.way.answer, reasoning="Which story would please?", usage=usage)

    answered(case, provider, reply)


@one_of_each_kind(lambda way: "tools" in way.can and way.reports)
def test_tools_that_the_model_asks_for_are_events(case: Case, provider: FakeProvider) -> None:
    """By name, in their order, whole or in pieces; what they are called with is content."""
    span = answered(case, provider, Reply(tool_calls=TOOLS, usage=charged(case.way)))

    requested = [event for event in span.events if event.name == semconv.EVENT_TOOL_REQUESTED]
    asked = [(event.attributes or {}).get(semconv.TOOL_NAME) for event in requested]
    assert asked == [tool.name for tool in TOOLS]
    assert "tides" not in str([event.attributes for event in span.events])


@one_of_each_kind(lambda way: "choices" in way.can and way.reports)
def test_each_of_several_choices_has_its_finish_reason(case: Case, provider: FakeProvider) -> None:
    """Their tokens are one sum."""
    reply = Reply(choices=("One story.", "Another story."), usage=charged(case.way))

    span = answered(case, provider, reply)

    assert len(known_of(span)[semconv.RESPONSE_FINISH_REASONS]) == 2


@one_of_each_kind(lambda way: "refusal" in way.can and way.reports)
def test_a_refusal_is_an_answer(case: Case, provider: FakeProvider) -> None:
    """The model declined; the call did not fail, and was charged."""
    answered(case, provider, Reply(refusal="I would rather not.", usage=charged(case.way)))
