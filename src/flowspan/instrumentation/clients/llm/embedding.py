"""Embeddings: input tokens only, which no plugin of ``llm`` reports."""

from __future__ import annotations

from typing import Any

from flowspan.estimates import estimate_tokens, utf8_length
from flowspan.instrumentation.clients.llm import models
from flowspan.instrumentation.clients.wire.parts import message, text_part
from flowspan.instrumentation.clients.wire.reading import items
from flowspan.instrumentation.integration import Attributes, Call, Content
from flowspan.usage import Usage


def _batch(call: Call) -> Any:
    return call.argument("items", 0)


def model_name(call: Call) -> str | None:
    """The model asked."""
    return models.name_of(call.instance)


def request(call: Call) -> Attributes:
    """Provider and address."""
    return models.attributes_of(call.instance)


class Vectors:
    """Counts the vectors of a batch.

    ``embed`` takes the one that it needs and drops the rest of the generator.

    Attributes:
        complete: True once there is one for each item.
    """

    __slots__ = ("_missing", "complete")

    def __init__(self, call: Call) -> None:
        batch = _batch(call)
        # An iterator of items is the model's to use up.
        self._missing = len(batch) if isinstance(batch, list | tuple) else -1
        self.complete = self._missing == 0

    def add(self, _chunk: Any) -> None:
        """Take a vector."""
        self._missing -= 1
        self.complete = self._missing == 0

    def result(self) -> None:
        """Nothing of a vector is kept."""


def usage(call: Call, _result: Any) -> Usage | None:
    """An estimate from the texts; of images and of iterators nothing is known."""
    texts = [item for item in items(_batch(call)) if isinstance(item, str)]
    if not texts:
        return None
    asked = sum(utf8_length(item) for item in texts)
    return Usage(input_tokens=estimate_tokens(asked), output_tokens=0, estimated=True)


def content(call: Call, result: Any) -> Content:
    """The texts."""
    if result is not None:
        return Content()
    parts = [text_part(item) for item in items(_batch(call)) if isinstance(item, str)]
    return Content(input=[message("user", parts)])
