"""Rows of models: LangChain's call is the model call, and what it calls tells what it knows.

Inside a call is an SDK, an HTTP library or, for models of the program's own, nothing that anybody
knows (``defers``).  Answers from LangChain's own cache cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan.instrumentation.engines.langchain.joining import MessageJoiner, TextJoiner
from flowspan.instrumentation.engines.langchain.messages import (
    described,
    response_of,
    tools_of,
    usage_of,
)
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Patch,
    ToolRequest,
)
from flowspan.semconv import (
    CACHE_HIT,
    PROVIDER_NAME,
    REQUEST_MAX_TOKENS,
    REQUEST_STOP_SEQUENCES,
    REQUEST_STREAM,
    REQUEST_TEMPERATURE,
    TRANSPORT,
)
from flowspan.usage import Usage

_CHAT: Final = "chat model"
_TEXT: Final = "text model"

_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""What the conventions call a provider, where LangChain has another word."""


def _standard(call: Call) -> Mapping[str, Any]:
    """What LangChain says of a model to its own tracing, in one form for all of them."""
    given = {name: value for name, value in call.kwargs.items() if name not in _PLUMBING}
    found = call.instance._get_ls_params(**given)  # noqa: SLF001 - no other door
    return found if isinstance(found, Mapping) else {}


_PLUMBING: Final = frozenset({"input", "config", "messages", "prompts", "run_manager"})


def _name(call: Call) -> str | None:
    found = _standard(call).get("ls_model_name")
    return None if found is None else str(found)


def _request(call: Call) -> Attributes:
    found = _standard(call)
    return {
        TRANSPORT: "sdk",
        REQUEST_TEMPERATURE: found.get("ls_temperature"),
        REQUEST_MAX_TOKENS: found.get("ls_max_tokens"),
        REQUEST_STOP_SEQUENCES: found.get("ls_stop"),
    }


def _streams(call: Call) -> Attributes:
    return {**_request(call), REQUEST_STREAM: True}


def _provider(call: Call) -> Attributes:
    """Who was asked, where no call inside knows it by its address."""
    if call.frame is not None and call.frame.told:
        return {}
    said = str(_standard(call).get("ls_provider") or "")
    return {PROVIDER_NAME: _PROVIDERS.get(said, said) or None}


def _failure(call: Call, _error: BaseException) -> Attributes:
    return _provider(call)


def _came_from_cache(call: Call) -> bool:
    return call.frame is not None and bool(call.frame.notes.get(CACHE_HIT))


# --- chat models ----------------------------------------------------------------------------------


def _messages(result: Any) -> list[Any]:
    return [generation.message for generation in result.generations]


def _response(call: Call, result: Any) -> Attributes:
    return {**response_of(_messages(result)), **_provider(call)}


def _usage(call: Call, result: Any) -> Usage | None:
    if _came_from_cache(call):
        return None
    return next(filter(None, map(usage_of, _messages(result))), None)


def _tools(_call: Call, result: Any) -> Iterable[ToolRequest]:
    return tools_of(_messages(result))


def _content(call: Call, result: Any) -> Content:
    if result is None:
        return Content(input=[described(message) for message in _asked(call)])
    return Content(output=[described(message) for message in _messages(result)])


def _asked(call: Call) -> Iterable[Any]:
    given = call.argument("messages", 0, call.argument("input", 0))
    if isinstance(given, list | tuple):
        return given
    to_messages = getattr(given, "to_messages", None)
    return (given,) if to_messages is None else to_messages()


# --- text models ----------------------------------------------------------------------------------


def _text_usage(_call: Call, result: Any) -> Usage | None:
    said = result.llm_output if isinstance(result.llm_output, Mapping) else {}
    return Usage.of("openai.chat", said.get("token_usage") or said.get("usage"))


def _text_response(call: Call, result: Any) -> Attributes:
    del result
    return _provider(call)


def _text_content(call: Call, result: Any) -> Content:
    if result is None:
        asked = call.argument("prompts", 0, call.argument("input", 0))
        texts = asked if isinstance(asked, list) else [asked]
        return Content(input=[described(text) for text in texts])
    said = [generation.text for answers in result.generations for generation in answers]
    return Content(output=[{**described(text), "role": "assistant"} for text in said])


# --- caches ---------------------------------------------------------------------------------------


def _found(call: Call, result: Any) -> Attributes:
    """An answer that the cache had, told to the model call that asked."""
    if not isinstance(result, list) or call.frame is None or call.frame.label != _CHAT:
        return {}
    call.frame.notes[CACHE_HIT] = True
    return {CACHE_HIT: True}


_CHAT_MODEL: Final = "langchain_core.language_models.chat_models:BaseChatModel"
_TEXT_MODEL: Final = "langchain_core.language_models.llms:BaseLLM"

PATCHES: Final = (
    *(
        Patch(
            target=f"{_CHAT_MODEL}.{method}",
            label=_CHAT,
            kind="llm",
            name=_name,
            request=_streams if streamed else _request,
            response=_response,
            failure=_failure,
            usage=_usage,
            tools=_tools,
            content=_content,
            join=MessageJoiner if streamed else None,
            defers=True,
        )
        for method, streamed in (
            ("_generate_with_cache", False),
            ("_agenerate_with_cache", False),
            ("stream", True),
            ("astream", True),
        )
    ),
    *(
        Patch(
            target=f"{_TEXT_MODEL}.{method}",
            label=_TEXT,
            kind="llm",
            operation="text_completion",
            name=_name,
            request=_streams if streamed else _request,
            response=_text_response,
            failure=_failure,
            usage=_text_usage,
            content=_text_content,
            join=TextJoiner if streamed else None,
            defers=True,
        )
        for method, streamed in (
            ("_generate_helper", False),
            ("_agenerate_helper", False),
            ("stream", True),
            ("astream", True),
        )
    ),
    *(
        Patch(
            target=f"langchain_core.caches:BaseCache.{method}",
            label="cache",
            response=_found,
            subclasses=True,
        )
        for method in ("lookup", "alookup")
    ),
)
