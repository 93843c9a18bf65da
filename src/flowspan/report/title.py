"""What a span is called in a list: its role, its name, and what tells it from its like."""

from __future__ import annotations

from typing import Final, NamedTuple

from flowspan import semconv
from flowspan.store.records import SpanRow

_LONGEST_ID: Final = 16


class Title(NamedTuple):
    """The words for one span.

    Attributes:
        role: One short word: ``run``, ``node``, ``llm``, …
        name: What it is about.
        remark: What tells it from others of that name; may be empty.
    """

    role: str
    name: str
    remark: str


def title(span: SpanRow) -> Title:
    """How a span is called.

    A name that the conventions build (``invoke_agent planner``) is shown without its first word,
    which the role says already. A name that an engine's own plan gives stays, with the subject as a
    remark where the name does not contain it.
    """
    role = span.kind or "span"
    subject = str(span.attrs.get(semconv.NAME_OF_KIND.get(role, ""), "") or "")
    operation = f"{span.operation or semconv.OPERATION_OF_KIND.get(role, '')} "
    remarks = []
    if operation.strip() and span.name.startswith(operation):
        name = span.name.removeprefix(operation)
    else:
        name = span.name
        remarks += [subject] if subject and subject not in name else []
    remarks += _distinctions(span, name)
    return Title(role, name, " ".join(remarks))


def _distinctions(span: SpanRow, name: str) -> list[str]:
    words = []
    index = span.attrs.get(semconv.STEP_INDEX)
    if span.kind == "step" and index is not None:
        words.append(f"#{index}")
    if span.kind == "node" and _tells_apart(span.node_id, name):
        words.append(str(span.node_id))
    if (span.attempt or 1) > 1:
        words.append(f"attempt {span.attempt}")
    return words


def _tells_apart(node_id: str | None, name: str) -> bool:
    # A long id is a hash, which no reader compares by eye.
    return node_id is not None and node_id != name and len(node_id) <= _LONGEST_ID
