"""How other people's spans say that they are a model call, an agent or a tool, and what it used.

One table: a family of instrumentations is a :class:`Dialect`, that is which attribute says what a
span is, where it keeps what the conventions keep elsewhere, and where its token counts are.
Everything here is a pure function of a span's attributes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from flowspan import semconv
from flowspan.instrumentation.dialectusage import GEN_AI, LANGFUSE, OPENINFERENCE
from flowspan.semconv import Kind
from flowspan.usage import COUNTS, Usage

Attributes = Mapping[str, Any]


class Role(NamedTuple):
    """What a span is.

    Attributes:
        kind: In flowspan's terms.
        operation: ``gen_ai.operation.name`` where the span does not say it itself.
    """

    kind: Kind
    operation: str | None = None


class Dialect(NamedTuple):
    """How one family of instrumentations speaks.

    Attributes:
        name: Value of ``flowspan.adopted``.
        mark: The attribute that says what a span is.
        roles: What its values mean, in lower case; other values are none of ours.
        usage: Reads the tokens.
        names: Attributes of the conventions, each with where this family has the same.
    """

    name: str
    mark: str
    roles: Mapping[str, Role]
    usage: Callable[[Attributes], Usage | None]
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Reading(NamedTuple):
    """What a span of somebody else's says.

    Attributes:
        dialect: The family's name.
        role: What it is.
        names: What the conventions would say and the span does not.
        usage: The tokens of a model call.
        lasted: Seconds that what it tells of had lasted when it began: for a log, which has no
            duration of its own.
    """

    dialect: str
    role: Role
    names: dict[str, Any]
    usage: Usage | None = None
    lasted: float = 0.0

    @property
    def is_model_call(self) -> bool:
        """Whether the span stands for one call of a model."""
        return self.role.kind == "llm"


# --- usage ----------------------------------------------------------------------------------------


def _gen_ai_usage(attributes: Attributes) -> Usage | None:
    """The conventions' counts, in their spellings of several years.

    Logfire sets only totals by them and has the provider's own usage beside.
    """
    raw = _parsed(attributes.get("gen_ai.usage.raw"))
    usage = None
    if isinstance(raw, dict):
        anthropic = attributes.get(semconv.PROVIDER_NAME) == "anthropic"
        chat = "openai.chat" if "prompt_tokens" in raw else "openai.responses"
        usage = Usage.of("anthropic.messages" if anthropic else chat, raw)
    return Usage.of(GEN_AI, attributes) if usage is None else usage


def _openinference_usage(attributes: Attributes) -> Usage | None:
    return Usage.of(OPENINFERENCE, attributes)


def _langfuse_usage(attributes: Attributes) -> Usage | None:
    """Langfuse's own keys, or the usage as OpenAI gave it."""
    details = _parsed(attributes.get("langfuse.observation.usage_details"))
    if not isinstance(details, dict):
        return None
    if "prompt_tokens" in details:
        return Usage.of("openai.chat", details)
    return Usage.of("openai.responses" if "input_tokens" in details else LANGFUSE, details)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


# --- the table ------------------------------------------------------------------------------------

_CHAT: Final = Role("llm", "chat")
_EMBEDDINGS: Final = Role("llm", "embeddings")
_AGENT: Final = Role("agent", "invoke_agent")
_TOOL: Final = Role("tool", "execute_tool")
_INSIDE: Final = Role("internal")

_PROVIDER: Final = (semconv.PROVIDER_NAME, ("gen_ai.system",))

DIALECTS: Final[tuple[Dialect, ...]] = (
    Dialect(
        "gen_ai",
        semconv.OPERATION_NAME,
        {
            "chat": Role("llm"),
            "text_completion": Role("llm"),
            "generate_content": Role("llm"),
            "embeddings": Role("llm"),
            "fetch_response": Role("llm"),
            # Not of the conventions, but met in spans that otherwise follow them.
            "completion": Role("llm"),
            "embedding": Role("llm"),
            "message": Role("llm"),
            "responses": Role("llm"),
            "invoke_workflow": Role("run"),
            "invoke_agent": Role("agent"),
            "create_agent": Role("internal"),
            "plan": Role("plan"),
            "execute_tool": Role("tool"),
        },
        _gen_ai_usage,
        (
            _PROVIDER,
            (semconv.RESPONSE_FINISH_REASONS, ("anthropic.message.stop_reason",)),
        ),
    ),
    Dialect(
        "openinference",
        "openinference.span.kind",
        {
            "llm": _CHAT,
            "embedding": _EMBEDDINGS,
            "agent": _AGENT,
            "tool": _TOOL,
            "chain": _INSIDE,
            "retriever": _INSIDE,
            "reranker": _INSIDE,
            "guardrail": _INSIDE,
            "evaluator": _INSIDE,
            "prompt": _INSIDE,
        },
        _openinference_usage,
        (
            (semconv.PROVIDER_NAME, ("llm.provider", "llm.system")),
            (
                semconv.REQUEST_MODEL,
                ("llm.request.model_name", "llm.model_name", "embedding.model_name"),
            ),
            (
                semconv.RESPONSE_MODEL,
                ("llm.response.model_name", "llm.model_name", "embedding.model_name"),
            ),
            (semconv.RESPONSE_FINISH_REASONS, ("llm.finish_reason",)),
            (semconv.AGENT_NAME, ("agent.name", "graph.node.id")),
            (semconv.TOOL_NAME, ("tool.name",)),
            (semconv.TOOL_CALL_ID, ("tool.id", "tool_call.id")),
        ),
    ),
    Dialect(
        "langfuse",
        "langfuse.observation.type",
        {
            "generation": _CHAT,
            "embedding": _EMBEDDINGS,
            "agent": _AGENT,
            "tool": _TOOL,
            "span": _INSIDE,
            "chain": _INSIDE,
            "retriever": _INSIDE,
            "evaluator": _INSIDE,
            "guardrail": _INSIDE,
        },
        _langfuse_usage,
        (
            (semconv.REQUEST_MODEL, ("langfuse.observation.model.name",)),
            (semconv.PROMPT_NAME, ("langfuse.observation.prompt.name",)),
        ),
    ),
    # OpenLLMetry before it took the conventions' operation; its workflows and tasks still.
    Dialect(
        "openllmetry",
        "llm.request.type",
        {
            "chat": _CHAT,
            "completion": Role("llm", "text_completion"),
            "embedding": _EMBEDDINGS,
            "rerank": _INSIDE,
        },
        _gen_ai_usage,
        (
            _PROVIDER,
            (semconv.REQUEST_MODEL, ("llm.request.model",)),
            (semconv.RESPONSE_MODEL, ("llm.response.model",)),
            (semconv.RESPONSE_FINISH_REASONS, ("llm.response.finish_reason",)),
        ),
    ),
    Dialect(
        "openllmetry",
        "traceloop.span.kind",
        {"workflow": _INSIDE, "task": _INSIDE, "agent": _AGENT, "tool": _TOOL},
        _gen_ai_usage,
    ),
)
"""The families, the more telling mark first."""

_LISTS: Final = frozenset({semconv.RESPONSE_FINISH_REASONS})
_SPAN_TYPE: Final = "logfire.span_type"
_LEVEL: Final = "logfire.level_num"
_ERROR_LEVEL: Final = 17

_SELF_METERED: Final = (
    "opentelemetry.instrumentation.genai.",
    "opentelemetry.instrumentation.openai",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.util.genai",
)
"""Scopes whose instrumentations emit ``gen_ai.client.*`` themselves: ours would count twice."""


_OF_MODELS: Final = ("openinference.", "langfuse", "opentelemetry.instrumentation.langchain")
"""Scopes whose spans say only in the end what they are."""


_OF_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("gcp.vertex.agent", "invocation"): "invoke_workflow",
    ("gcp.vertex.agent", "agent_run"): "invoke_agent",
    ("gcp.vertex.agent", "execute_tool"): "execute_tool",  # which it says itself at its end only
}
"""Operations that spans of a scope say by their name alone, or by its first word."""

_ENGINES: Final[tuple[tuple[str, str], ...]] = (
    ("gcp.vertex.agent", "google-adk"),
    ("pydantic-ai", "pydantic-ai"),
    ("autogen", "autogen"),
    ("opentelemetry.instrumentation.ag2", "ag2"),
    ("opentelemetry.instrumentation.openai_agents", "openai-agents"),
    ("opentelemetry.instrumentation.genai.openai_agents", "openai-agents"),
)
"""Engines by the beginnings of their scopes."""


def engine_of(scope: str) -> str:
    """The engine whose spans have a scope; the scope itself, if it is none that is known."""
    return next((engine for start, engine in _ENGINES if scope.startswith(start)), scope)


def said_by_name(scope: str, name: str) -> dict[str, str]:
    """What a span is and of whom, if only its name says so: ``agent_run [forecaster]``."""
    first, _, rest = name.partition(" ")
    operation = _OF_NAMES.get((scope, first))
    if operation is None:
        return {}
    named = {}
    if rest.startswith("["):
        named = {semconv.AGENT_NAME: rest[1:-1]}
    elif operation == "execute_tool" and not rest.startswith("("):
        named = {semconv.TOOL_NAME: rest}
    return {semconv.OPERATION_NAME: operation, **named}


def may_be_model_call(scope: str, attributes: Attributes | None) -> bool:
    """Whether a span that starts is a model call, or may turn out to be one."""
    found = role_of(attributes)
    return scope.startswith(_OF_MODELS) if found is None else found[1].kind == "llm"


def meters_itself(scope: str) -> bool:
    """Whether who made a span of this scope also emits the conventions' metrics of it."""
    return scope.startswith(_SELF_METERED)


_NO_TOOLS: Final = frozenset({"(merged tools)"})
"""Names of tools that are none: ADK's span of the answers of several together."""


def role_of(attributes: Attributes | None) -> tuple[Dialect, Role] | None:
    """What a span is, as far as it has said it yet; ``None`` for one of no family."""
    if not attributes:
        return None
    for dialect in DIALECTS:
        mark = attributes.get(dialect.mark)
        if isinstance(mark, str) and (role := dialect.roles.get(mark.lower())) is not None:
            return None if attributes.get(_SPAN_TYPE) == "pending_span" else (dialect, role)
    return None


def recognise(attributes: Attributes | None) -> Reading | None:
    """What a span says at its end; ``None`` for one of no family."""
    if attributes is None or (found := role_of(attributes)) is None:
        return None
    dialect, role = found
    if attributes.get(semconv.TOOL_NAME) in _NO_TOOLS:
        role = _INSIDE
    names = _names(dialect, role, attributes)
    if role.kind != "llm":
        return Reading(dialect.name, role, names)
    usage = _used(dialect.usage({**attributes, **names}))
    operation = names.get(semconv.OPERATION_NAME) or attributes.get(semconv.OPERATION_NAME)
    if usage is not None and usage.output_tokens is None and str(operation).startswith("embedding"):
        usage = replace(usage, output_tokens=0)
    role = _half_of_a_stream(attributes, usage) or role
    return Reading(dialect.name, role, names, usage, _lasted(attributes))


def _used(usage: Usage | None) -> Usage | None:
    """No call uses nothing: who says noughts only has not seen what it used."""
    return usage if usage is not None and any(getattr(usage, name) for name in COUNTS) else None


def _lasted(attributes: Attributes) -> float:
    seconds = attributes.get("duration") if attributes.get(_SPAN_TYPE) == "log" else None
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else 0.0


def _names(dialect: Dialect, role: Role, attributes: Attributes) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, others in dialect.names:
        if name not in attributes:
            found = next((attributes[other] for other in others if attributes.get(other)), None)
            if found is not None:
                names[name] = (found,) if name in _LISTS and isinstance(found, str) else found
    finishes = _parsed(attributes.get(semconv.RESPONSE_FINISH_REASONS))
    if isinstance(finishes, list):  # Logfire keeps lists as JSON
        names[semconv.RESPONSE_FINISH_REASONS] = tuple(map(str, finishes))
    if role.operation is not None and semconv.OPERATION_NAME not in attributes:
        names[semconv.OPERATION_NAME] = role.operation
    return names


def _half_of_a_stream(attributes: Attributes, usage: Usage | None) -> Role | None:
    """Logfire makes two spans of a streamed call; the second, a log, has the tokens."""
    if usage is not None or attributes.get(_SPAN_TYPE) != "span":
        return None
    level = attributes.get(_LEVEL)
    failed = isinstance(level, int) and level >= _ERROR_LEVEL
    return None if failed or semconv.RESPONSE_ID in attributes else _INSIDE
