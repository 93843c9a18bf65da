"""The toy engine with OpenTelemetry written into it by hand, and a model call traced likewise.

It emits the spans, attributes, events and metrics that flowspan emits, knows the program that it
is written into, and does nothing that this program does not need: no lock, no guard, no cap, no
redaction, no second workflow.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.trace import Span, SpanKind

from benchmarks.engine import HOST, WORKFLOW, Agent, Engine, Model, Node, Prompt
from benchmarks.ledger import Instruments, Rates, Totals
from benchmarks.pens import Pen
from flowspan import semconv

_STREAMED: Final = "stream"


class Tracing:
    """What the call sites share: the way to write spans, instruments, prices, and the run's state.

    A program that runs one engine at a time may keep the state of the run like that.
    """

    def __init__(self, pen: Pen, instruments: Instruments, rates: Rates) -> None:
        self.pen = pen
        self.instruments = instruments
        self.rates = rates
        self.run_id = ""
        self.steps = 0
        self.open: list[Totals] = []
        self.prompt: dict[str, Any] = {}
        self.where = {semconv.WORKFLOW_NAME: WORKFLOW, semconv.ENGINE: "toy"}

    def common(self, kind: str, operation: str) -> dict[str, Any]:
        """The attributes that every span has."""
        return {
            semconv.KIND: kind,
            semconv.OPERATION_NAME: operation,
            semconv.RUN_ID: self.run_id,
            semconv.WORKFLOW_NAME: WORKFLOW,
        }

    def settle(self, span: Span) -> None:
        """Put the roll-ups of what ends now on its span."""
        self.pen.describe(span, self.open.pop().attributes())


class ModelCall:
    """Measures one model call and says what is known of its answer."""

    def __init__(self, tracing: Tracing, request: dict[str, Any]) -> None:
        self.tracing = tracing
        self.request = request
        self.first: float | None = None
        self.started = time.perf_counter()

    def first_chunk(self, span: Span) -> None:
        """The stream has begun."""
        self.first = time.perf_counter() - self.started
        span.set_attribute(semconv.RESPONSE_TIME_TO_FIRST_CHUNK, self.first)
        span.add_event(semconv.EVENT_FIRST_CHUNK, {semconv.ELAPSED_SECONDS: self.first})

    def answered(
        self, span: Span, response: dict[str, Any], tokens: tuple[int, int, int, int | None]
    ) -> None:
        """Describe the answer: response attributes, usage, cost, event, roll-ups, metrics."""
        input_tokens, cached, output_tokens, reasoning = tokens
        seconds = time.perf_counter() - self.started
        tracing = self.tracing
        cost = tracing.rates.cost(input_tokens, cached, output_tokens)
        usage = {
            semconv.USAGE_INPUT_TOKENS: input_tokens,
            semconv.USAGE_OUTPUT_TOKENS: output_tokens,
            semconv.USAGE_CACHE_READ: cached,
        }
        if reasoning is not None:
            usage[semconv.USAGE_REASONING] = reasoning
        amount = float(cost)
        tracing.pen.describe(
            span,
            {
                **response,
                **usage,
                semconv.COST_USD: amount,
                semconv.COST_STATUS: "priced",
                semconv.PRICE_SOURCE: "genai-prices",
            },
        )
        span.add_event(semconv.EVENT_TOKENS_COUNTED, {**usage, semconv.COST_USD: amount})
        for totals in tracing.open:
            totals.add(input_tokens, output_tokens, cost)
        self._measure(seconds, response, tokens, amount)

    def _measure(
        self,
        seconds: float,
        response: dict[str, Any],
        tokens: tuple[int, int, int, int | None],
        amount: float,
    ) -> None:
        instruments, model = self.tracing.instruments, self.request["model"]
        input_tokens, cached, output_tokens, reasoning = tokens
        known = {
            semconv.OPERATION_NAME: "chat",
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: model,
            semconv.RESPONSE_MODEL: response[semconv.RESPONSE_MODEL],
        }
        instruments.duration.record(seconds, known)
        if self.first is not None:
            instruments.first_chunk.record(self.first, known)
        instruments.usage.record(input_tokens, {**known, semconv.TOKEN_TYPE: "input"})
        instruments.usage.record(output_tokens, {**known, semconv.TOKEN_TYPE: "output"})
        where = {
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: model,
            semconv.WORKFLOW_NAME: WORKFLOW,
            semconv.STEP_NAME: Node.name,
        }
        instruments.calls.add(1, {**where, semconv.COST_STATUS: "priced"})
        instruments.cost.add(amount, where)
        uncached = self.tracing.rates.cost(input_tokens, 0, output_tokens)
        instruments.cost_without_cache.add(float(uncached), where)
        for reason in response[semconv.RESPONSE_FINISH_REASONS]:
            instruments.finishes.add(1, {**where, semconv.FINISH_REASON: reason})
        instruments.tokens.add(input_tokens, {**where, semconv.TOKEN_TYPE: "input"})
        instruments.tokens.add(output_tokens, {**where, semconv.TOKEN_TYPE: "output"})
        instruments.tokens.add(cached, {**where, semconv.TOKEN_TYPE: "cache_read"})
        if reasoning:
            instruments.tokens.add(reasoning, {**where, semconv.TOKEN_TYPE: "reasoning"})


# --- the engine -----------------------------------------------------------------------------------


class TracedModel(Model):
    """The model, traced."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing

    def chat(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request."""
        tracing = self.tracing
        attributes = {
            **tracing.common("llm", "chat"),
            **tracing.prompt,
            semconv.PROVIDER_NAME: "openai",
            semconv.SERVER_ADDRESS: HOST,
            semconv.REQUEST_MODEL: request["model"],
            semconv.REQUEST_TEMPERATURE: request["temperature"],
            semconv.REQUEST_MAX_TOKENS: request["max_tokens"],
        }
        call = ModelCall(tracing, request)
        with tracing.pen.span(f"chat {request['model']}", attributes, SpanKind.CLIENT) as span:
            answer = super().chat(request)
            response = {
                semconv.RESPONSE_ID: answer["id"],
                semconv.RESPONSE_MODEL: answer["model"],
                semconv.RESPONSE_FINISH_REASONS: answer["finish_reasons"],
            }
            tokens = (
                answer["input_tokens"],
                answer["cached_tokens"],
                answer["output_tokens"],
                None,
            )
            call.answered(span, response, tokens)
            return answer


class TracedAgent(Agent):
    """The agent, traced."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self.model = TracedModel(tracing)

    def choose(self) -> Prompt:
        """Choose the prompt."""
        prompt = super().choose()
        self.tracing.prompt = {
            semconv.PROMPT_NAME: prompt.name,
            semconv.PROMPT_VERSION: prompt.version,
        }
        self.span.add_event(
            semconv.EVENT_PROMPT_SELECTED,
            {**self.tracing.prompt, semconv.PROMPT_REASON: "only one"},
        )
        return prompt

    def work(self) -> dict[str, Any]:
        """Write a section."""
        tracing = self.tracing
        attributes = {
            **tracing.common("agent", "invoke_agent"),
            semconv.AGENT_NAME: self.name,
        }
        with tracing.pen.span(f"invoke_agent {self.name}", attributes) as self.span:
            tracing.open.append(Totals())
            answer = super().work()
            tracing.settle(self.span)
        tracing.prompt = {}
        return answer


class TracedNode(Node):
    """The node, traced."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self.status = "ready"
        self.agent = TracedAgent(tracing)

    def move_to(self, status: str, cause: str) -> None:
        """Change the status."""
        tracing = self.tracing
        change = {semconv.STATE_FROM: self.status, semconv.STATE_TO: status}
        self.span.add_event(
            semconv.EVENT_STATE_TRANSITION,
            {**change, semconv.STATE_CAUSE: cause, semconv.NODE_ID: self.key},
        )
        tracing.instruments.transitions.add(1, {**tracing.where, **change})
        super().move_to(status, cause)

    def execute(self) -> dict[str, Any]:
        """Do the task."""
        answer: dict[str, Any] = self._traced(super().execute)
        return answer

    def around(self, body: Callable[[], Any]) -> Any:
        """Do any task."""
        return self._traced(body)

    def _traced(self, body: Callable[[], Any]) -> Any:
        tracing = self.tracing
        started = time.perf_counter()
        attributes = {
            **tracing.common("node", "run_step"),
            semconv.STEP_NAME: self.name,
            semconv.NODE_ID: self.key,
            semconv.ATTEMPT: 1,
        }
        with tracing.pen.span(f"run_step {self.name}", attributes) as self.span:
            tracing.open.append(Totals())
            result = body()
            tracing.settle(self.span)
            seconds = time.perf_counter() - started
            labels = {**tracing.where, semconv.STEP_NAME: self.name}
            tracing.instruments.node_duration.record(seconds, labels)
            tracing.instruments.node_self.add(seconds, labels)
        return result


class TracedEngine(Engine):
    """The engine, traced."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self.node = TracedNode(tracing)

    def run(self, body: Callable[[], Any]) -> Any:
        """Run ``body``, which takes the steps."""
        tracing = self.tracing
        started = time.perf_counter()
        tracing.run_id = uuid.uuid4().hex
        tracing.steps = 0
        attributes = {**tracing.common("run", "invoke_workflow"), semconv.ENGINE: "toy"}
        tracing.instruments.active.add(1, tracing.where)
        with tracing.pen.span(f"invoke_workflow {WORKFLOW}", attributes) as span:
            totals = Totals()
            tracing.open.append(totals)
            result = super().run(body)
            tracing.settle(span)
            seconds = time.perf_counter() - started
            tracing.instruments.run_duration.record(seconds, tracing.where)
            if totals.calls:
                tracing.instruments.run_cost.record(float(totals.cost), tracing.where)
        tracing.instruments.active.add(-1, tracing.where)
        return result

    def step(self) -> dict[str, Any]:
        """Take one step."""
        tracing = self.tracing
        tracing.steps += 1
        attributes = {
            **tracing.common("step", "run_step"),
            semconv.STEP_NAME: "step",
            semconv.STEP_INDEX: tracing.steps,
        }
        with tracing.pen.span("run_step step", attributes) as span:
            tracing.open.append(Totals())
            answer = super().step()
            tracing.settle(span)
        return answer


# --- calls of the OpenAI client -------------------------------------------------------------------


def _openai_request(tracing: Tracing, client: Any, request: dict[str, Any]) -> dict[str, Any]:
    attributes = {
        **tracing.common("llm", "chat"),
        semconv.PROVIDER_NAME: "openai",
        semconv.SERVER_ADDRESS: client.base_url.host,
        semconv.SERVER_PORT: client.base_url.port,
        semconv.REQUEST_MODEL: request["model"],
        semconv.REQUEST_TEMPERATURE: request["temperature"],
        semconv.REQUEST_MAX_TOKENS: request["max_tokens"],
        semconv.TRANSPORT: "sdk",
    }
    if request.get(_STREAMED):
        attributes[semconv.REQUEST_STREAM] = True
    return attributes


def _tokens(usage: Any) -> tuple[int, int, int, int | None]:
    return (
        usage.prompt_tokens,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens,
        usage.completion_tokens_details.reasoning_tokens,
    )


def chat(tracing: Tracing, client: Any, request: dict[str, Any]) -> Any:
    """A chat completion, traced where it is called."""
    attributes = _openai_request(tracing, client, request)
    call = ModelCall(tracing, request)
    with tracing.pen.span(f"chat {request['model']}", attributes, SpanKind.CLIENT) as span:
        answer = client.chat.completions.create(**request)
        response = {
            semconv.RESPONSE_ID: answer.id,
            semconv.RESPONSE_MODEL: answer.model,
            semconv.RESPONSE_FINISH_REASONS: [choice.finish_reason for choice in answer.choices],
        }
        call.answered(span, response, _tokens(answer.usage))
        return answer


def streamed_chat(tracing: Tracing, client: Any, request: dict[str, Any]) -> Iterator[Any]:
    """A streamed chat completion, traced where it is called."""
    attributes = _openai_request(tracing, client, request)
    call = ModelCall(tracing, request)
    usage = identity = model = None
    finished: list[str] = []
    with tracing.pen.span(f"chat {request['model']}", attributes, SpanKind.CLIENT) as span:
        for chunk in client.chat.completions.create(**request):
            if call.first is None:
                call.first_chunk(span)
                identity, model = chunk.id, chunk.model
            if chunk.usage is not None:
                usage = chunk.usage
            finished += [each.finish_reason for each in chunk.choices if each.finish_reason]
            yield chunk
        response = {
            semconv.RESPONSE_ID: identity,
            semconv.RESPONSE_MODEL: model,
            semconv.RESPONSE_FINISH_REASONS: finished,
        }
        call.answered(span, response, _tokens(usage))
