"""The Claude Agent SDK: what a program, or a node of pflow's, has Claude Code do.

::

    invoke_workflow claude         run     where nothing else is around
    └─ invoke_agent claude         agent   one prompt, until the agent is done with it
       └─ chat claude-sonnet-4-5   llm     all that it asked its models meanwhile

The agent is a process of its own, in which nothing of ours is.  In its last message it says what it
has used, but not by which request: all of them are one model call, which says how many turns the
agent took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, Final

from flowspan.instrumentation.integration import (
    Attributes,
    ByIdentity,
    Call,
    Content,
    Conversation,
    Integration,
    Patch,
    ToolRequest,
)
from flowspan.semconv import CONVERSATION_ID, COST_STATUS, PROVIDER_NAME, RESPONSE_MODEL
from flowspan.usage import Usage

_AGENT: Final = "claude"
_CALL: Final = "call"
_TURNS: Final = "claude.turns"
_COST: Final = "claude.cost.usd"
_QUERY: Final = "claude_agent_sdk._internal.client:InternalClient.process_query"
_ANSWER: Final = "claude_agent_sdk.client:ClaudeSDKClient.receive_response"

_DOLLARS: Final = "costUSD"
_COUNTS: Final = (
    "inputTokens",
    "outputTokens",
    "cacheReadInputTokens",
    "cacheCreationInputTokens",
    "cacheCreationEphemeral1hInputTokens",
    "webSearchRequests",
    _DOLLARS,
)

_Used = Mapping[str, Mapping[str, Any]]

_counted: Final = ByIdentity[_Used]()
"""What clients had used when they were done last: an agent counts from its beginning."""


class _Messages:
    """Of the agent's messages: which tools it used, and those in which it sums up.

    There are several of these where it did not wait for agents of its own, and was not done yet.
    """

    def __init__(self, call: Call) -> None:
        self.tools: list[ToolRequest] = []
        self.last: Any = None
        self.turns: int | None = None
        self.used: _Used = {}
        self._asks = call.frame is not None and call.frame.label == _CALL
        self._client = call.instance
        self._before: _Used = _counted.get(call.instance) or {}

    def add(self, message: Any) -> bool:
        """Take a message; the first answer of a model is the first chunk of a model call."""
        kind = type(message).__name__
        if kind == "ResultMessage":
            self.last = message
            if self._asks:
                self._sum_up(message)
        elif kind == "AssistantMessage":
            self.tools.extend(_requests(message))
            return self._asks
        return False

    def _sum_up(self, message: Any) -> None:
        self.turns = (self.turns or 0) + message.num_turns
        said = getattr(message, "model_usage", None)
        if isinstance(said, Mapping):
            now = {model: _counts(one) for model, one in said.items()}
            _counted.set(self._client, now)
            self.used = _since(self._before, now)

    def result(self) -> _Messages:
        """Itself."""
        return self


def _requests(message: Any) -> Iterator[ToolRequest]:
    for block in message.content:
        if type(block).__name__ == "ToolUseBlock":
            yield ToolRequest(block.name, block.id)


def _counts(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: said.get(name) or 0 for name in _COUNTS}


def _since(before: _Used, now: _Used) -> _Used:
    """What each model was used for in between; by agents inside as well."""
    nothing = dict.fromkeys(_COUNTS, 0)
    since = {
        model: {name: counts[name] - before.get(model, nothing)[name] for name in _COUNTS}
        for model, counts in now.items()
    }
    return {model: counts for model, counts in since.items() if any(counts.values())}


# --- a prompt -------------------------------------------------------------------------------------


def _asked(call: Call) -> str | None:
    options = call.argument("options", 1) or getattr(call.instance, "options", None)
    model = getattr(options, "model", None)
    return None if model is None else str(model)


def _request(_call: Call) -> Attributes:
    return {PROVIDER_NAME: "anthropic"}


def _response(_call: Call, messages: _Messages) -> Attributes:
    """Prices are of one model: of what several used together, none is known."""
    return {
        RESPONSE_MODEL: " + ".join(sorted(messages.used)) or None,
        COST_STATUS: "unpriced" if len(messages.used) > 1 else None,
        _TURNS: messages.turns,
        _COST: _own_price(messages.used),
    }


def _content(call: Call, messages: _Messages | None) -> Content:
    """The prompt, where it is a text, and the last answer."""
    if messages is None:
        return Content(input=_message("user", call.argument("prompt", 0)))
    return Content(output=_message("assistant", getattr(messages.last, "result", None)))


def _message(role: str, text: Any) -> Any:
    parts = [{"type": "text", "content": text}]
    return [{"role": role, "parts": parts}] if isinstance(text, str) else None


def _own_price(used: _Used) -> float | None:
    """What the agent believes that it cost, which it says of each model."""
    known = [counts[_DOLLARS] for counts in used.values()]
    return round(sum(known), 9) if known and all(known) else None


def _usage(_call: Call, messages: _Messages) -> Usage | None:
    used = map(_in_our_words, messages.used.values())
    return reduce(Usage.plus, used) if messages.used else None


def _in_our_words(counts: Mapping[str, Any]) -> Usage:
    """What was in a cache stands beside the input there."""
    fresh, answered, read, written, for_an_hour, searches, _ = (counts[name] for name in _COUNTS)
    return Usage(
        input_tokens=fresh + read + written,
        output_tokens=answered,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=for_an_hour,
        web_searches=searches,
    )


def _session(_call: Call, messages: _Messages) -> Attributes:
    return {CONVERSATION_ID: getattr(messages.last, "session_id", None)}


def _conversed(_call: Call, messages: Any) -> Conversation | None:
    session = getattr(getattr(messages, "last", None), "session_id", None)
    return None if session is None else Conversation(str(session))


def _failed(_call: Call, messages: _Messages) -> str | None:
    """The agent says that it failed: by the status of a request, or in a word."""
    last = messages.last
    if last is None or not last.is_error:
        return None
    return str(getattr(last, "api_error_status", None) or last.subtype)


def _rows(target: str) -> tuple[Patch, ...]:
    return (
        Patch(
            target=target,
            label=_CALL,
            kind="llm",
            name=_asked,
            request=_request,
            response=_response,
            usage=_usage,
            tools=lambda _call, messages: messages.tools,
            content=_content,
            outcome=_failed,
            join=_Messages,
        ),
        Patch(
            target=target,
            label="agent",
            kind="agent",
            name=_AGENT,
            response=_session,
            outcome=_failed,
            join=_Messages,
        ),
        Patch(
            target=target,
            label="run",
            kind="run",
            name=_AGENT,
            when=Call.is_outermost,
            conversed=_conversed,
            outcome=_failed,
            join=_Messages,
        ),
    )


INTEGRATION: Final = Integration(
    "claude-agent-sdk",
    requires="claude-agent-sdk>=0.2.82",
    engine="claude-agent-sdk",
    patches=(*_rows(_QUERY), *_rows(_ANSWER)),
)
