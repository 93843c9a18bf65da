"""Every name that flowspan emits: spans, attributes, events and metrics.

Names of the conventions are those of ``semantic-conventions-genai`` (2026, in development);
``run_step`` and ``gen_ai.step.name`` come from its open proposal 188 and are written only here.
Ours begin with ``flowspan.``.  What each one means is in ``docs/telemetry.md``.
"""

from typing import Final, Literal

Kind = Literal["run", "step", "node", "agent", "plan", "tool", "llm", "internal"]
"""The engine-neutral role of a span (attribute ``flowspan.kind``)."""

# --- attributes of the conventions -------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
STEP_NAME: Final = "gen_ai.step.name"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
SESSION_ID: Final = "session.id"
SERVICE_NAME: Final = "service.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"

REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
OUTPUT_TYPE: Final = "gen_ai.output.type"

RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"

USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"  # old name, still read
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
USAGE_AUDIO_CACHE_READ: Final = "gen_ai.usage.audio.cache_read.input_tokens"
USAGE_IMAGE_INPUT: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT: Final = "gen_ai.usage.image.output_tokens"
USAGE_IMAGE_CACHE_READ: Final = "gen_ai.usage.image.cache_read.input_tokens"

INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"

TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - tokens of text
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
HTTP_STATUS_CODE: Final = "http.response.status_code"

# --- our attributes ----------------------------------------------------------------------------
KIND: Final = "flowspan.kind"
ENGINE: Final = "flowspan.engine"
RUN_ID: Final = "flowspan.run.id"
STEP_INDEX: Final = "flowspan.step.index"
NODE_ID: Final = "flowspan.node.id"
ATTEMPT: Final = "flowspan.attempt"
BATCH_INDEX: Final = "flowspan.batch.index"
BATCH_SIZE: Final = "flowspan.batch.size"
COST_USD: Final = "flowspan.cost.usd"
COST_STATUS: Final = "flowspan.cost.status"
COST_REPORTED_USD: Final = "flowspan.cost.reported.usd"
PRICE_SOURCE: Final = "flowspan.price.source"
USAGE_ESTIMATED: Final = "flowspan.usage.estimated"
USAGE_AUDIO_SECONDS: Final = "flowspan.usage.audio_seconds"
USAGE_CHARACTERS: Final = "flowspan.usage.characters"
RETRY_COUNT: Final = "flowspan.retry.count"
STREAM_ABANDONED: Final = "flowspan.stream.abandoned"
REPLAYED: Final = "flowspan.replayed"
CACHE_HIT: Final = "flowspan.cache.hit"
TRANSPORT: Final = "flowspan.transport"
SERVICE_TIER: Final = "flowspan.service_tier"
PROVIDER_REQUEST_ID: Final = "flowspan.provider.request_id"
RATE_LIMIT: Final = "flowspan.rate_limit"  # the beginning of the names of limits
RETRY_AFTER: Final = "flowspan.retry_after.seconds"
EVENTS_DROPPED: Final = "flowspan.events.dropped"
ELAPSED_SECONDS: Final = "flowspan.elapsed.seconds"
INTERRUPTION: Final = "flowspan.interruption"
RESUMED: Final = "flowspan.resumed"
ADOPTED: Final = "flowspan.adopted"
USAGE_ELSEWHERE: Final = "flowspan.usage.elsewhere"
CONTENT_SHA256: Final = "flowspan.content.sha256"
INVOCATION: Final = "flowspan.invocation"
FINISH_REASON: Final = "flowspan.finish_reason"  # of metrics; the conventions have a list, on spans

ROLLUP_LLM_CALLS: Final = "flowspan.rollup.llm_calls"
ROLLUP_INPUT_TOKENS: Final = "flowspan.rollup.input_tokens"
ROLLUP_OUTPUT_TOKENS: Final = "flowspan.rollup.output_tokens"
ROLLUP_COST_USD: Final = "flowspan.rollup.cost.usd"
ROLLUP_ERRORS: Final = "flowspan.rollup.errors"
ROLLUP_UNPRICED_CALLS: Final = "flowspan.rollup.unpriced_calls"

# --- events and their attributes ---------------------------------------------------------------
EVENT_PROMPT_SELECTED: Final = "flowspan.prompt.selected"
EVENT_PROMPT_CONSTRUCTED: Final = "flowspan.prompt.constructed"
EVENT_STATE_TRANSITION: Final = "flowspan.state.transition"
EVENT_STATE_CHANGED: Final = "flowspan.state.changed"
EVENT_ROUTE_TAKEN: Final = "flowspan.route.taken"
EVENT_TOKENS_COUNTED: Final = "flowspan.tokens.counted"
EVENT_FIRST_CHUNK: Final = "flowspan.stream.first_chunk"
EVENT_LOOP_SUSPECTED: Final = "flowspan.loop.suspected"
EVENT_RETRY: Final = "flowspan.retry"
EVENT_FALLBACK: Final = "flowspan.fallback"
EVENT_TOOL_REQUESTED: Final = "flowspan.tool.requested"
EVENT_CHECKPOINT_SAVED: Final = "flowspan.checkpoint.saved"
EVENT_CHECKPOINT_RESTORED: Final = "flowspan.checkpoint.restored"
EVENT_EXCEPTION: Final = "exception"

PROMPT_REASON: Final = "flowspan.prompt.reason"
PROMPT_CANDIDATES: Final = "flowspan.prompt.candidates"
PROMPT_SHA256: Final = "flowspan.prompt.sha256"
PROMPT_LENGTH: Final = "flowspan.prompt.length"
PROMPT_VARIABLES: Final = "flowspan.prompt.variables"
STATE_FROM: Final = "flowspan.state.from"
STATE_TO: Final = "flowspan.state.to"
STATE_CAUSE: Final = "flowspan.state.cause"
STATE_ADDED: Final = "flowspan.state.added"
STATE_CHANGED: Final = "flowspan.state.changed"
STATE_REMOVED: Final = "flowspan.state.removed"
STATE_SIZE: Final = "flowspan.state.size"
ROUTE_FROM: Final = "flowspan.route.from"
ROUTE_TO: Final = "flowspan.route.to"
ROUTE_ACTION: Final = "flowspan.route.action"
LOOP_SIGNATURE: Final = "flowspan.loop.signature"
LOOP_ITERATIONS: Final = "flowspan.loop.iterations"
CHECKPOINT_ID: Final = "flowspan.checkpoint.id"
CHECKPOINT_NAME: Final = "flowspan.checkpoint.name"

# --- metrics -----------------------------------------------------------------------------------
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - tokens of text
METRIC_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_TOKENS: Final = "flowspan.tokens"
METRIC_COST_USD: Final = "flowspan.cost.usd"
METRIC_COST_WITHOUT_CACHE_USD: Final = "flowspan.cost.without_cache.usd"
METRIC_LLM_CALLS: Final = "flowspan.llm.calls"
METRIC_LLM_FINISHES: Final = "flowspan.llm.finishes"
METRIC_RUN_DURATION: Final = "flowspan.run.duration"
METRIC_RUN_COST_USD: Final = "flowspan.run.cost.usd"
METRIC_RUNS_ACTIVE: Final = "flowspan.runs.active"
METRIC_NODE_DURATION: Final = "flowspan.node.duration"
METRIC_NODE_SELF_SECONDS: Final = "flowspan.node.self.seconds"
METRIC_STATE_TRANSITIONS: Final = "flowspan.state.transitions"
METRIC_LOOPS: Final = "flowspan.loops.suspected"
METRIC_RETRIES: Final = "flowspan.retries"
METRIC_TELEMETRY_ERRORS: Final = "flowspan.telemetry.errors"
METRIC_EVENTS_DROPPED: Final = "flowspan.telemetry.events.dropped"
METRIC_SPANS_DROPPED: Final = "flowspan.telemetry.spans.dropped"

# --- roles -------------------------------------------------------------------------------------
OPERATION_OF_KIND: Final[dict[str, str]] = {
    "run": "invoke_workflow",
    "step": "run_step",
    "node": "run_step",
    "agent": "invoke_agent",
    "plan": "plan",
    "tool": "execute_tool",
    "llm": "chat",
}
"""``gen_ai.operation.name`` of each kind; a model call's row may say another one."""

NAME_OF_KIND: Final[dict[str, str]] = {
    "run": WORKFLOW_NAME,
    "step": STEP_NAME,
    "node": STEP_NAME,
    "agent": AGENT_NAME,
    "plan": AGENT_NAME,
    "tool": TOOL_NAME,
    "llm": REQUEST_MODEL,
}
"""The attribute that carries the name of what a span of each kind is about."""

ENDINGS: Final = frozenset(
    {
        "BaseException",
        "BaseExceptionGroup",
        "Cancelled",
        "CancelledError",
        "GeneratorExit",
        "GreenletExit",
        "KeyboardInterrupt",
        "SystemExit",
    }
)
"""Interruptions that nobody is expected to resume: by what tasks and programs end."""
