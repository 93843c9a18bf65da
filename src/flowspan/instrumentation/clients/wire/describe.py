"""Attributes, usage and content of one call from its wire format, for SDKs and plain HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flowspan import semconv
from flowspan.estimates import estimate_texts, estimate_tokens, needs_texts
from flowspan.instrumentation.clients.wire.failing import status_error
from flowspan.instrumentation.clients.wire.providers import Place, provider_of
from flowspan.instrumentation.clients.wire.reading import text_bytes, texts, word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.integration import AttributeValue, Content, ToolRequest
from flowspan.usage import Usage

Described = dict[str, AttributeValue | None]


def request_attributes(shape: Shape, request: Mapping[str, Any], place: Place) -> Described:
    """Provider, address and parameters; what a request does not say is not invented."""
    found: Described = {
        semconv.PROVIDER_NAME: provider_of(place, shape.provider),
        semconv.SERVER_ADDRESS: place.host,
        semconv.SERVER_PORT: place.port,
        semconv.OUTPUT_TYPE: shape.output_type,
    }
    rules = shape.request
    for member, value in request.items():
        for name, convert in rules.get(member, ()):
            if (converted := convert(value)) is not None:
                found[name] = converted
    return found


def response_attributes(shape: Shape, answer: Answer) -> Described:
    """Id, model and finish reasons of an answer, as far as it has come."""
    found = {} if answer.body is None else shape.response(answer.body)
    if status_error(answer.status) is not None:
        found[semconv.HTTP_STATUS_CODE] = answer.status
    return found


def error_type(answer: Answer) -> str | None:
    """``error.type`` of an answer that reports a failure."""
    return status_error(answer.status) or answer.error


def usage_of(shape: Shape, request: Mapping[str, Any], answer: Answer) -> Usage | None:
    """Tokens as the provider reported them; what it did not report is estimated, and marked.

    ``None`` where nothing is charged: the provider refused the call, or the answer is only
    a promise of one, or it was paid for before.
    """
    if not shape.billed or status_error(answer.status) is not None:
        return None
    body = answer.body
    known = None if body is None else shape.usage(body)
    if not shape.estimated:
        return shape.charged(request) if known is None else known
    if known is not None and _is_whole(shape, known):
        return known
    if body is not None and shape.unfinished(body):
        return None
    output_bytes = answer.output_bytes
    if output_bytes is None:
        output_bytes = text_bytes(shape.output(body))
    if answer.error is not None and known is None and not output_bytes:
        return None
    output = _output_tokens(shape, request, answer, output_bytes)
    return _completed(shape, request, known or Usage(), output)


def _is_whole(shape: Shape, usage: Usage) -> bool:
    has_output = usage.output_tokens is not None or not shape.generates
    return usage.input_tokens is not None and has_output


def _completed(shape: Shape, request: Mapping[str, Any], known: Usage, output: int) -> Usage:
    """What is known, and an estimate of the rest."""
    input_tokens, output_tokens = known.input_tokens, known.output_tokens
    if input_tokens is None:
        asked = [request.get(member) for member in shape.prompt]
        input_tokens = _tokens_in(request, asked)
    if output_tokens is None:
        output_tokens = output if shape.generates else 0
    return replace(known, input_tokens=input_tokens, output_tokens=output_tokens, estimated=True)


def _output_tokens(
    shape: Shape, request: Mapping[str, Any], answer: Answer, output_bytes: int
) -> int:
    if needs_texts() and answer.body is not None:
        return _tokens_in(request, shape.output(answer.body))
    return estimate_tokens(output_bytes)


def _tokens_in(request: Mapping[str, Any], value: Any) -> int:
    if needs_texts():
        found = estimate_texts(word(request.get("model")), texts(value))
        if found is not None:
            return found
    return estimate_tokens(text_bytes(value))


def requested_tools(shape: Shape, answer: Answer) -> Iterable[ToolRequest]:
    """Tools that the model asked for, as far as the answer has come."""
    return () if answer.body is None else shape.tools(answer.body)


def input_content(shape: Shape, request: Mapping[str, Any]) -> Content:
    """What was asked."""
    system, messages = shape.input(request)
    return Content(input=messages, system=system)


def output_content(shape: Shape, answer: Answer) -> Content:
    """What was answered."""
    return Content(output=None if answer.body is None else shape.messages(answer.body))
