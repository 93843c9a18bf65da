"""A prompt that a model answers: what was asked, what came back, and what it took.

Everything is read from attributes of the response.  Its tokens are there once the model has set
them, at the end; a response that was left in the middle has none.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.estimates import estimate_texts, estimate_tokens, needs_texts, utf8_length
from flowspan.instrumentation.clients.llm import models, speech, templates
from flowspan.instrumentation.clients.wire.openai_chat import SAMPLING, response_attributes
from flowspan.instrumentation.clients.wire.reading import (
    count,
    number,
    read,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Rules
from flowspan.instrumentation.integration import (
    Attributes,
    AttributeValue,
    Call,
    Content,
    ToolRequest,
)
from flowspan.usage import Usage

_OPTIONS: Final[Rules] = {
    **SAMPLING,
    "top_k": ((semconv.REQUEST_TOP_K, number),),
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "num_predict": ((semconv.REQUEST_MAX_TOKENS, count),),
}
_REASONS: Final = ("finish_reason", "stop_reason", "done_reason")

_FAILED: Final = "llm.failed"
"""Where a call notes that it ended with an exception."""


class _Asked:
    """What is kept of a call of ``execute``.

    An ``AsyncResponse`` holds the generator that makes it, and that holds the call: held in turn,
    a response that is dropped would never be collected, and the call never end.
    """

    def __init__(self, response: Any) -> None:
        self.prompt = getattr(response, "prompt", None)
        self.conversation = getattr(response, "conversation", None)
        self._response = weakref.ref(response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response(), name)


def kept(call: Call) -> Any:
    """Let go of the arguments, once the request is described."""
    if _is_response(call.instance):
        return call.instance
    asked = _Asked(_response(call))
    call.args, call.kwargs = (), {}
    return asked


def _is_response(instance: Any) -> bool:
    return hasattr(instance, "_done")


def _response(call: Call) -> Any:
    """The response that is being made: the object itself, or an argument of ``execute``."""
    if call.snapshot is not None:
        return call.snapshot
    return call.instance if _is_response(call.instance) else call.argument("response", 2)


def _prompt(call: Call) -> Any:
    return getattr(_response(call), "prompt", None)


def _model(call: Call) -> Any:
    return call.instance.model if _is_response(call.instance) else call.instance


def runs_the_model(response: Any, _args: Any, _kwargs: Any) -> bool:
    """Whether iterating runs the model itself, as in versions without ``_iter_events``."""
    return not hasattr(response, "_iter_events")


def is_unread(call: Call) -> bool:
    """Whether iterating asks the model: of a finished response it gives the same chunks again."""
    return not getattr(_response(call), "_done", False)


def model_name(call: Call) -> str | None:
    """The model asked."""
    return models.name_of(_model(call))


def request(call: Call) -> Attributes:
    """Provider, options, conversation, and the template that the prompt was made of."""
    response, prompt = _response(call), _prompt(call)
    found = models.attributes_of(_model(call))
    for name, value in _given(getattr(prompt, "options", None)):
        for attribute, convert in _OPTIONS.get(name, ()):
            found[attribute] = convert(value)
    if getattr(prompt, "schema", None):
        found[semconv.OUTPUT_TYPE] = "json"
    if getattr(response, "stream", None) is True:
        found[semconv.REQUEST_STREAM] = True
    conversation = getattr(response, "conversation", None)
    found[semconv.CONVERSATION_ID] = word(getattr(conversation, "id", None))
    found[semconv.PROMPT_NAME] = templates.name_for(prompt)
    return found


def _given(options: Any) -> Iterable[tuple[str, Any]]:
    """The options as far as they were given."""
    given = vars(options) if hasattr(options, "__dict__") else {}
    return [(name, value) for name, value in given.items() if value is not None]


# --- what came back -------------------------------------------------------------------------------


class Joined:
    """Measures the chunks of an answer: texts, or events that hold one."""

    __slots__ = ("_keeps", "pieces", "size")

    def __init__(self, _call: Call) -> None:
        self.size = 0
        self.pieces: list[str] = []
        self._keeps = needs_texts()

    def add(self, chunk: Any) -> bool:
        """Take a chunk; one without text (a mark of redacted reasoning) is not the first."""
        piece = chunk if type(chunk) is str else getattr(chunk, "chunk", None)
        if not isinstance(piece, str) or not piece:
            return False
        self.size += utf8_length(piece)
        if self._keeps:
            self.pieces.append(piece)
        return True

    def result(self) -> Joined:
        """The measure; everything else is on the response."""
        return self


def response(call: Call, _result: Any) -> Attributes:
    """Id, model and finish reasons, as far as the plugin kept the provider's answer."""
    answer = _response(call)
    body = getattr(answer, "response_json", None)
    found: dict[str, AttributeValue | None] = {}
    if isinstance(body, Mapping):
        found = response_attributes(body)
        if found[semconv.RESPONSE_FINISH_REASONS] is None:
            reasons = [reason for name in _REASONS if (reason := word(read(body, name)))]
            found[semconv.RESPONSE_FINISH_REASONS] = reasons or None
    resolved = word(getattr(answer, "resolved_model", None))
    return {**found, semconv.RESPONSE_MODEL: resolved} if resolved else found


def failure(call: Call, error: BaseException) -> Attributes:
    """HTTP status and request id of an SDK's exception."""
    if call.frame is not None and isinstance(error, Exception):
        call.frame.notes[_FAILED] = True
    return {
        semconv.HTTP_STATUS_CODE: count(getattr(error, "status_code", None)),
        semconv.PROVIDER_REQUEST_ID: word(getattr(error, "request_id", None)),
    }


def requested_tools(call: Call, _result: Any) -> Iterable[ToolRequest]:
    """Tools that the model asked for."""
    for asked in getattr(_response(call), "_tool_calls", ()):
        yield ToolRequest(word(read(asked, "name")), word(read(asked, "tool_call_id")))


def content(call: Call, result: Any) -> Content:
    """Messages; what was answered is on the response."""
    answer = _response(call)
    if result is None:
        return speech.asked(answer)
    return speech.answered(answer)


# --- tokens ---------------------------------------------------------------------------------------


def usage(call: Call, result: Any) -> Usage | None:
    """The tokens that the model set, else an estimate from the text.

    A call that failed before any text was refused.  If it was answered all the same, the SDK below
    knows that, and its tokens.
    """
    answer = _response(call)
    known = reported(answer)
    if known is not None and known.input_tokens is not None and known.output_tokens is not None:
        return known
    if not isinstance(result, Joined):  # an iterator of the plugin's own, not followed
        return known
    if result.size == 0 and call.frame is not None and _FAILED in call.frame.notes:
        return known
    known = known or Usage()
    input_tokens, output_tokens = known.input_tokens, known.output_tokens
    if input_tokens is None:
        asked = list(speech.texts(answer))
        input_tokens = _estimated(call, asked, sum(map(utf8_length, asked)))
    if output_tokens is None:
        output_tokens = _estimated(call, ["".join(result.pieces)], result.size)
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, estimated=True)


def _estimated(call: Call, texts: list[str], size: int) -> int:
    found = estimate_texts(model_name(call), texts) if needs_texts() else None
    return estimate_tokens(size) if found is None else found


def reported(answer: Any) -> Usage | None:
    """The tokens on a response; its details are in the provider's own words."""
    asked, answered = getattr(answer, "input_tokens", None), getattr(answer, "output_tokens", None)
    if asked is None and answered is None:
        return None
    details = getattr(answer, "token_details", None)
    more = details if isinstance(details, Mapping) else {}
    shape = next((shape for shape, marks in _SHAPES if any(mark in more for mark in marks)), "")
    told = {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "input_tokens": asked,
        "output_tokens": answered,
        "prompt_tokens_details": {"cached_tokens": more.get("cachedContentTokenCount")},
        "completion_tokens_details": {"reasoning_tokens": more.get("thoughtsTokenCount")},
    }
    return Usage.of(shape or "openai.chat", {**told, **more}, service_tier=more.get("service_tier"))


_SHAPES: Final = (
    # Anthropic counts cache tokens beside the input; every other provider inside it.
    (
        "anthropic.messages",
        ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
    ),
    ("openai.responses", ("input_tokens_details", "output_tokens_details")),
)
"""Formats of details, and what tells them: input and output are ``llm``'s own, the rest is in the
words of the provider.  Gemini's thoughts have been added to the output already."""
