"""Spans of others: whose call they are, and what they get."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from flowspan import semconv
from flowspan.instrumentation import guests
from flowspan.instrumentation.adoption import Adoption
from flowspan.instrumentation.integration import Call, Event, Integration, Patch
from flowspan.pricing import Pricer
from flowspan.testing import Recording, record
from flowspan.usage import Usage

MODEL = "gpt-4o-mini"
ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": MODEL,
}
TOLD = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
COST = 1000 * 0.15e-6 + 100 * 0.6e-6
WORKFLOW = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "weather"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bob"}


class Engine:
    """Somebody's engine, with a client of its own."""

    def run(self, work: Any) -> Any:
        return work()

    def node(self, work: Any) -> Any:
        return work()

    def call(self, work: Any = None, model: str = MODEL) -> Any:
        return None if work is None else work()

    def library(self, work: Any) -> Any:
        return work()

    def remark(self) -> None:
        pass

    def excuse(self) -> None:
        pass


def _usage(_call: Call, _result: Any) -> Usage:
    return Usage(input_tokens=1000, output_tokens=100)


def _answer(_call: Call, _result: Any) -> Mapping[str, Any]:
    return {semconv.RESPONSE_ID: "answer-1"}


TARGET = f"{__name__}:Engine"
ENGINE = Integration(
    "engine",
    "",
    (
        Patch(target=f"{TARGET}.run", kind="run", name="work"),
        Patch(target=f"{TARGET}.node", kind="node", name="node"),
        Patch(
            target=f"{TARGET}.call",
            kind="llm",
            name=lambda call: call.argument("model", 1, MODEL),
            request=lambda _: {semconv.PROVIDER_NAME: "openai"},
            response=_answer,
            usage=_usage,
        ),
        Patch(target=f"{TARGET}.library", kind="llm", name=MODEL, defers=True),
        Patch(target=f"{TARGET}.remark", before=lambda _: (Event(semconv.EVENT_RETRY),)),
        Patch(target=f"{TARGET}.excuse", request=lambda _: {semconv.ERROR_TYPE: "ValueError"}),
    ),
    engine="engine",
)


@pytest.fixture(scope="module", autouse=True)
def _prices() -> None:
    """The price lists are loaded, as they are by the second call of any program."""
    tokens, deadline = Usage(input_tokens=1, output_tokens=1), time.monotonic() + 60
    while Pricer().price(tokens, provider="openai", model=MODEL, when=time.time()) is None:
        assert time.monotonic() < deadline


@pytest.fixture
def own() -> Iterator[Recording]:
    with record(ENGINE, priced=True) as recording:
        yield recording


@pytest.fixture
def foreign() -> Iterator[Recording]:
    with record(ENGINE, priced=True, clients="foreign") as recording:
        yield recording


@contextmanager
def guest(
    recording: Recording,
    attributes: Mapping[str, Any] = ASKED,
    told: Mapping[str, Any] = TOLD,
    scope: str = "mine",
    name: str = "guest",
) -> Iterator[Any]:
    """A span of somebody else's, made as the conventions say."""
    tracer = recording.tracer_provider.get_tracer(scope)
    with tracer.start_as_current_span(name, attributes=dict(attributes)) as span:
        yield span
        span.set_attributes(dict(told))


def known(span: Any) -> dict[str, Any]:
    return dict(span.attributes or {})


def sums(recording: Recording) -> dict[str, float]:
    """What the metrics added up to."""
    found: dict[str, float] = {}
    for name in (semconv.METRIC_LLM_CALLS, semconv.METRIC_COST_USD):
        found[name] = sum(value for _, value in recording.metrics().get(name, ()))
    for labels, value in recording.metrics().get(semconv.METRIC_TOKENS, ()):
        found[labels[semconv.TOKEN_TYPE]] = found.get(labels[semconv.TOKEN_TYPE], 0) + value
    return found


def counted(recording: Recording) -> tuple[int, float, float]:
    """How many spans count as model calls, and their tokens; metrics say the same."""
    calls = recording.spans.of_kind("llm")
    tokens = (
        recording.spans.total(semconv.USAGE_INPUT_TOKENS),
        recording.spans.total(semconv.USAGE_OUTPUT_TOKENS),
    )
    measured = sums(recording)
    assert measured[semconv.METRIC_LLM_CALLS] == len(calls)
    assert (measured.get("input", 0), measured.get("output", 0)) == tokens
    return (len(calls), *tokens)


# --- a span of nobody else's call -----------------------------------------------------------------


@pytest.mark.parametrize("clients", ["own", "foreign"])
def test_a_span_that_nobody_else_owns_is_adopted(clients: Any) -> None:
    """It gets kind, cost and run; the spans above get roll-ups; metrics count it."""
    with record(ENGINE, priced=True, clients=clients) as recording:

        def work() -> None:
            with guest(recording):
                pass

        Engine().run(lambda: Engine().node(work))

    run, node, call = recording.spans
    assert known(call) == {
        **ASKED,
        **TOLD,
        semconv.KIND: "llm",
        semconv.ADOPTED: "gen_ai",
        semconv.RUN_ID: known(run)[semconv.RUN_ID],
        semconv.WORKFLOW_NAME: "work",
        semconv.COST_USD: pytest.approx(COST),
        semconv.COST_STATUS: "priced",
        semconv.PRICE_SOURCE: "genai-prices",
    }
    for above in (run, node):
        assert known(above)[semconv.ROLLUP_LLM_CALLS] == 1
        assert known(above)[semconv.ROLLUP_INPUT_TOKENS] == 1000
        assert known(above)[semconv.ROLLUP_COST_USD] == pytest.approx(COST)
    assert counted(recording) == (1, 1000, 100)
    [(labels, cost)] = recording.metrics()[semconv.METRIC_COST_USD]
    assert cost == pytest.approx(COST)
    assert labels[semconv.STEP_NAME] == "node"


@pytest.mark.parametrize("says_it", ["from its start", "by its name"])
def test_a_tool_is_told_that_it_has_failed(own: Recording, says_it: str) -> None:
    """Something answered in its place, and no exception leaves it; what is around is well."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    if says_it == "from its start":
        inside = guest(own, tool, {}, name="look")
    else:
        inside = guest(own, {}, tool, "gcp.vertex.agent", "execute_tool look")
    with guest(own, WORKFLOW, {}, name="run"), inside:
        Engine().excuse()

    run, failed = own.spans
    assert (known(failed)[semconv.KIND], known(failed)[semconv.ERROR_TYPE]) == (
        "tool",
        "ValueError",
    )
    assert failed.status.status_code is StatusCode.ERROR
    assert run.status.is_unset
    assert semconv.ERROR_TYPE not in known(run)


def test_outside_any_run_it_is_one_of_its_own(own: Recording) -> None:
    with guest(own):
        pass

    assert semconv.RUN_ID in known(own.spans.one())
    assert counted(own) == (1, 1000, 100)


def test_agents_add_up_what_is_inside(own: Recording) -> None:
    """An agent's span carries roll-ups, and its own sum of tokens is nobody's to count."""
    with guest(own, WORKFLOW, {}, name="run"), guest(own, AGENT, TOLD, name="agent"):
        with own.tracer_provider.get_tracer("mine").start_as_current_span("plain"):
            Engine().call()
        with guest(own):
            pass

    agent = own.spans.one("agent")
    assert known(agent)[semconv.KIND] == "agent"
    assert known(agent)[semconv.ROLLUP_LLM_CALLS] == 2
    assert known(agent)[semconv.ROLLUP_INPUT_TOKENS] == 2000
    assert known(agent)[semconv.USAGE_ELSEWHERE] is True
    assert {known(span).get(semconv.RUN_ID) for span in own.spans} == {known(agent)[semconv.RUN_ID]}
    assert counted(own) == (2, 2000, 200)


def test_an_agent_that_alone_knows_its_tokens_keeps_them(own: Recording) -> None:
    """One whose calls are made elsewhere is no model call, but what it says stays."""
    with guest(own, AGENT):
        pass

    agent = known(own.spans.one())
    assert agent[semconv.USAGE_INPUT_TOKENS] == 1000
    assert semconv.USAGE_ELSEWHERE not in agent
    assert counted(own) == (0, 0, 0)


# --- one owner ------------------------------------------------------------------------------------


def test_a_row_of_ours_inside_owns_the_call(own: Recording) -> None:
    with guest(own):
        Engine().call()

    outer = known(own.spans.one("guest"))
    assert (outer[semconv.KIND], outer[semconv.USAGE_ELSEWHERE]) == ("internal", True)
    assert outer[semconv.ROLLUP_LLM_CALLS] == 1
    assert semconv.COST_USD not in outer
    assert counted(own) == (1, 1000, 100)


def test_a_row_of_ours_outside_owns_the_call(own: Recording) -> None:
    def work() -> None:
        with guest(own), guest(own, name="deeper"):
            Engine().call()  # a layer of ours below: it makes no span
            Engine().remark()

    Engine().call(work)

    ours = own.spans.one(f"chat {MODEL}")
    assert next(event.name for event in ours.events) == semconv.EVENT_RETRY
    for name in ("guest", "deeper"):
        assert known(own.spans.one(name))[semconv.KIND] == "internal"
        assert known(own.spans.one(name))[semconv.USAGE_ELSEWHERE] is True
    assert counted(own) == (1, 1000, 100)


def test_where_others_go_first_rows_of_ours_inside_step_aside(foreign: Recording) -> None:
    """What a row without a span has to tell goes to the owner."""
    with guest(foreign):
        Engine().call()
        Engine().remark()

    call = foreign.spans.one()
    assert [event.name for event in call.events] == [semconv.EVENT_RETRY]
    assert counted(foreign) == (1, 1000, 100)
    [(_, retries)] = foreign.metrics()[semconv.METRIC_RETRIES]
    assert retries == 1


def test_what_its_maker_does_not_say_is_known_from_rows_of_ours_inside(foreign: Recording) -> None:
    """Tokens of a stream that was left, say: no instrumentation of others tells them."""
    with guest(foreign, told={}):
        Engine().call()

    call = known(foreign.spans.one())
    assert call[semconv.RESPONSE_ID] == "answer-1"
    assert call[semconv.COST_USD] == pytest.approx(COST)
    assert counted(foreign) == (1, 1000, 100)


@pytest.mark.parametrize("clients", ["own", "foreign"])
def test_a_library_of_ours_hears_of_each_call_once_though_a_guest_is_between(clients: Any) -> None:
    """Below the guest an SDK's row and an HTTP library's see the same call."""
    with record(ENGINE, priced=True, clients=clients) as recording:

        def work() -> None:
            with guest(recording):
                Engine().call(Engine().call)

        Engine().library(work)

    assert known(recording.spans.one("guest"))[semconv.KIND] == "internal"
    assert counted(recording) == (1, 1000, 100)


def test_of_two_inside_each_other_the_inner_one_owns(own: Recording) -> None:
    with guest(own, scope="outer", name="outer"), guest(own, scope="inner", name="inner"):
        pass

    assert known(own.spans.one("inner"))[semconv.KIND] == "llm"
    assert known(own.spans.one("outer"))[semconv.KIND] == "internal"
    assert known(own.spans.one("outer"))[semconv.ROLLUP_LLM_CALLS] == 1
    assert counted(own) == (1, 1000, 100)


def test_an_inner_one_that_says_no_tokens_leaves_them_to_the_outer_one(own: Recording) -> None:
    with guest(own, scope="outer", name="outer"), guest(own, told={}, name="inner"):
        pass

    assert known(own.spans.one("inner"))[semconv.KIND] == "internal"
    assert known(own.spans.one("outer"))[semconv.KIND] == "llm"
    assert counted(own) == (1, 1000, 100)


def test_where_none_says_tokens_it_is_one_call_without_a_price(own: Recording) -> None:
    with guest(own, told={}, name="outer"), guest(own, told={}, name="inner"):
        pass

    assert known(own.spans.one("outer"))[semconv.COST_STATUS] == "unpriced"
    assert counted(own) == (1, 0, 0)


def test_one_that_ends_after_the_outer_one_was_counted_is_not(own: Recording) -> None:
    """Streams may end in any order."""
    tracer = own.tracer_provider.get_tracer("mine")
    outer = tracer.start_span("outer", attributes={**ASKED, **TOLD})
    with trace.use_span(outer):
        inner = tracer.start_span("inner", attributes={**ASKED, **TOLD})
    outer.end()
    inner.end()

    assert counted(own) == (1, 1000, 100)


# --- layers that know nothing of each other -------------------------------------------------------


def test_a_span_beside_a_call_of_ours_is_not_counted(own: Recording) -> None:
    """It was never current, and says only in the end what it was; the model and the time tell."""
    span = own.tracer_provider.get_tracer("callbacks").start_span("beside")
    Engine().call()
    span.set_attributes({**ASKED, **TOLD})
    span.end()

    assert known(own.spans.one("beside"))[semconv.KIND] == "internal"
    assert counted(own) == (1, 1000, 100)


def test_nor_one_that_ends_before_the_call_does(own: Recording) -> None:
    span = own.tracer_provider.get_tracer("callbacks").start_span("beside", attributes=ASKED)

    def work() -> None:
        span.set_attributes(TOLD)
        span.end()

    Engine().call(work)

    assert counted(own) == (1, 1000, 100)


def test_nor_one_made_after_the_call_with_its_answer(own: Recording) -> None:
    Engine().call()
    with guest(own, {**ASKED, semconv.RESPONSE_ID: "answer-1"}):
        pass

    assert counted(own) == (1, 1000, 100)


def test_nor_one_made_inside_it_when_it_had_ended(own: Recording) -> None:
    """By who carries the context as text, as between processes: nothing of ours comes with it."""
    Engine().call()
    ours = own.spans.one().get_span_context()
    assert ours is not None
    context = trace.set_span_in_context(trace.NonRecordingSpan(ours), Context())
    tracer = own.tracer_provider.get_tracer("mine")
    tracer.start_span("later", context, attributes={**ASKED, **TOLD}).end()

    assert known(own.spans.one("later"))[semconv.KIND] == "internal"
    assert counted(own) == (1, 1000, 100)


def test_calls_at_the_same_time_stay_apart(own: Recording) -> None:
    """One call of ours stands for one span of a layer: the second span is another call."""
    tracer = own.tracer_provider.get_tracer("callbacks")
    spans = [tracer.start_span("beside", attributes={**ASKED, **TOLD}) for _ in range(2)]
    Engine().call()
    for span in spans:
        span.end()

    assert counted(own) == (2, 2000, 200)


def test_two_layers_beside_one_call_are_that_call(own: Recording) -> None:
    spans = [
        own.tracer_provider.get_tracer(scope).start_span(scope, attributes={**ASKED, **TOLD})
        for scope in ("callbacks", "sdk")
    ]
    Engine().call()
    for span in spans:
        span.end()

    assert counted(own) == (1, 1000, 100)


def test_one_beside_two_that_are_inside_each_other_is_that_call(own: Recording) -> None:
    """A framework's callbacks above an SDK's instrumentation, which is above the SDK's own."""
    beside = own.tracer_provider.get_tracer("callbacks").start_span("beside", attributes=ASKED)
    with guest(own, scope="sdk", name="outer"), guest(own, scope="inner", name="inner"):
        pass
    beside.set_attributes(TOLD)
    beside.end()

    assert known(own.spans.one("inner"))[semconv.KIND] == "llm"
    assert known(own.spans.one("beside"))[semconv.KIND] == "internal"
    assert counted(own) == (1, 1000, 100)


NOTHING_USED = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}


@pytest.mark.parametrize("told", [{}, NOTHING_USED], ids=["no tokens", "noughts"])
@pytest.mark.parametrize("place", ["inside", "beside"])
def test_one_that_says_nothing_leaves_the_call_to_one_that_is_still_open(
    own: Recording, told: dict[str, int], place: str
) -> None:
    """Of a stream some end their span at once, and do not see what it used."""
    first = own.tracer_provider.get_tracer("sdk").start_span("first", attributes=ASKED)
    context = trace.set_span_in_context(first) if place == "inside" else None
    second = own.tracer_provider.get_tracer("inner").start_span("second", context, attributes=ASKED)
    first.set_attributes(told)
    first.end()
    second.set_attributes(TOLD)
    second.end()

    assert known(own.spans.one("second"))[semconv.KIND] == "llm"
    assert counted(own) == (1, 1000, 100)


def test_calls_that_say_nothing_at_the_same_time_stay_apart(own: Recording) -> None:
    """An open span stands for one of them."""
    tracer = own.tracer_provider.get_tracer("sdk")
    silent = [tracer.start_span("silent", attributes=ASKED) for _ in range(2)]
    last = own.tracer_provider.get_tracer("inner").start_span("last", attributes=ASKED)
    for span in silent:
        span.end()
    last.set_attributes(TOLD)
    last.end()

    assert counted(own) == (2, 1000, 100)


def test_another_model_is_another_call(own: Recording) -> None:
    tracer = own.tracer_provider.get_tracer("callbacks")
    span = tracer.start_span("beside", attributes={**ASKED, **TOLD})
    Engine().call(model="gpt-4o")
    span.end()

    assert counted(own) == (2, 2000, 200)


def test_another_answer_is_another_call(own: Recording) -> None:
    attributes: dict[str, Any] = {**ASKED, **TOLD, semconv.RESPONSE_ID: "answer-2"}
    span = own.tracer_provider.get_tracer("callbacks").start_span("beside", attributes=attributes)
    Engine().call()
    span.end()

    assert counted(own) == (2, 2000, 200)


# --- failures and odd spans -----------------------------------------------------------------------


def test_a_failure_is_counted_once(own: Recording) -> None:
    def work() -> None:
        with guest(own):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Engine().run(lambda: Engine().node(work))

    call = own.spans.one("guest")
    assert known(call)[semconv.ERROR_TYPE] == "ValueError"
    assert semconv.COST_STATUS not in known(call)
    assert known(own.spans[0])[semconv.ROLLUP_ERRORS] == 1


@pytest.mark.parametrize("raises", [True, False], ids=["raises", "is answered for"])
@pytest.mark.parametrize("around", ["nothing", "a run"])
def test_failures_of_tools_are_counted_once(own: Recording, around: str, *, raises: bool) -> None:
    """On all that is around them, whoever made it; what fails of them adds nothing."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}

    def work() -> None:
        with guest(own, WORKFLOW, {}, name="theirs"), guest(own, AGENT, {}, name="agent"):
            with guest(own, tool, {}):
                pass
            with guest(own, tool, {}):
                Engine().excuse()
            with guest(own, tool, {}):
                Engine().excuse()
                if raises:
                    raise ValueError("no")

    with pytest.raises(ValueError, match="no") if raises else nullcontext():
        Engine().run(work) if around == "a run" else work()

    for name in ("theirs", "agent", *(["invoke_workflow work"] if around == "a run" else ())):
        span = own.spans.one(name)
        assert known(span)[semconv.ROLLUP_ERRORS] == 2
        assert span.status.is_unset is not raises


def test_a_failure_without_a_type_has_the_conventions_own(own: Recording) -> None:
    with guest(own) as span:
        span.set_status(Status(StatusCode.ERROR, "broken"))

    assert known(own.spans.one())[semconv.ERROR_TYPE] == "_OTHER"


def test_leaving_early_is_no_failure(own: Recording) -> None:
    def work() -> None:
        with guest(own, told={}) as span:
            span.set_attribute(semconv.ERROR_TYPE, "GeneratorExit")
            span.set_status(Status(StatusCode.ERROR))

    Engine().run(work)

    call = own.spans.one("guest")
    assert known(call)[semconv.STREAM_ABANDONED] is True
    assert semconv.ROLLUP_ERRORS not in known(own.spans[0])
    [(labels, _)] = own.metrics()[semconv.METRIC_LLM_CALLS]
    assert semconv.ERROR_TYPE not in labels


def test_metrics_that_its_maker_emits_are_left_to_him(own: Recording) -> None:
    with guest(own, scope="opentelemetry.instrumentation.genai.openai"):
        pass
    assert semconv.METRIC_TOKEN_USAGE not in own.metrics()
    assert sums(own)["input"] == 1000

    with guest(own, scope="openinference.instrumentation.openai"):
        pass
    assert own.metrics()[semconv.METRIC_TOKEN_USAGE]


def test_a_root_on_purpose_belongs_to_the_run_that_it_is_made_in(own: Recording) -> None:
    def work() -> None:
        tracer = own.tracer_provider.get_tracer("mine")
        tracer.start_span("root", Context(), attributes={**ASKED, **TOLD}).end()

    Engine().run(work)

    run, call = own.spans.one("invoke_workflow work"), own.spans.one("root")
    assert known(call)[semconv.RUN_ID] == known(run)[semconv.RUN_ID]
    assert known(run)[semconv.ROLLUP_LLM_CALLS] == 1


def test_a_span_that_is_full_loses_nothing(own: Recording) -> None:
    """Families that put each message into attributes of its own fill their spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=10))
    provider.add_span_processor(Adoption())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("mine").start_as_current_span("full") as span:
        span.set_attributes({**ASKED, **TOLD, **{f"message.{index}": "x" for index in range(5)}})

    (ended,) = exporter.get_finished_spans()
    assert len(known(ended)) > 10
    assert known(ended)[semconv.COST_STATUS] == "priced"
    assert known(ended)["message.0"] == "x"


def test_a_span_that_never_ends_is_forgotten(own: Recording) -> None:
    span: Any = own.tracer_provider.get_tracer("mine").start_span("lost", attributes=ASKED)
    with trace.use_span(span):
        Engine().call()
    assert guests.live
    del span
    gc.collect()

    assert not guests.live


def test_threads_of_the_program_end_spans_too(own: Recording) -> None:
    span = own.tracer_provider.get_tracer("mine").start_span("there", attributes={**ASKED, **TOLD})
    thread = threading.Thread(target=span.end)
    thread.start()
    thread.join()

    assert counted(own) == (1, 1000, 100)


def test_a_span_of_an_sdk_that_lets_it_be_changed_is_changed() -> None:
    """As OpenTelemetry's specification has it."""

    class Open(Span):
        """A span that is open until its processors have seen it end."""

        def end(self, end_time: int | None = None) -> None:
            self._span_processor._on_ending(self)
            super().end(end_time)

    with record(ENGINE, priced=True) as recording, guest(recording) as span:
        span.__class__ = Open

    assert known(recording.spans.one())[semconv.COST_USD] == pytest.approx(COST)


def test_closed_to_guests_nothing_is_changed() -> None:
    with record(ENGINE, priced=True) as recording:
        pass
    with guest(recording):
        pass

    assert known(recording.spans.one()) == {**ASKED, **TOLD}
