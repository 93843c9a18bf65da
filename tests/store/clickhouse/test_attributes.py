"""Attributes of every type, as they come back from a map of texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flowspan import semconv
from flowspan.store.clickhouse import attributes
from flowspan.store.queries import Store
from flowspan.store.schema import SPAN_COLUMNS

BEGIN = 1_790_000_000 * 10**9

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_INTEGER = st.integers(-(2**63) + 1, 2**63 - 1)
_REAL = st.floats()
_SCALAR = _TEXT | _INTEGER | _REAL | st.booleans()
_VALUE = _SCALAR | st.lists(_TEXT, max_size=4) | st.lists(_INTEGER, max_size=4)

_OF_TYPE = {
    "TEXT": _TEXT,
    "INTEGER": _INTEGER,
    "REAL": _REAL,
}
_FLAGS = {"estimated", "resumed"}
_COLUMNS = {
    str(column.attribute): st.booleans() if column.name in _FLAGS else _OF_TYPE[column.type]
    for column in SPAN_COLUMNS
    if column.attribute
}
_OWN_NAMES = st.from_regex(r"own\.[a-z.]{1,12}", fullmatch=True)
_numbers = count(1)


def span(attributes_: dict[str, Any]) -> ReadableSpan:
    return ReadableSpan(
        "work",
        context=SpanContext(next(_numbers), 1, is_remote=False),
        attributes=attributes_,
        start_time=BEGIN,
        end_time=BEGIN + 1,
    )


@pytest.fixture
def stores(both: Any) -> tuple[Store, Store]:
    both.take(span({}))
    opened: tuple[Store, Store] = both.open()
    return opened


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(named={semconv.COST_USD: math.nan}, others={"own.real": math.inf})
@example(named={semconv.COST_USD: -math.inf}, others={"own.list": []})
@example(named={semconv.COST_USD: 5.215622868811169e16}, others={"own.bytes": b"x"})
@given(
    named=st.fixed_dictionaries({}, optional=_COLUMNS), others=st.dictionaries(_OWN_NAMES, _VALUE)
)
def test_columns_hold_what_the_embedded_store_holds(
    both: Any,
    stores: tuple[Store, Store],
    as_text: Callable[[Any], str],
    named: dict[str, Any],
    others: dict[str, Any],
) -> None:
    """Named attributes have their types; those that the contract does not name are texts."""
    made = span({**named, **others})
    both.take(made)
    trace_id = f"{made.context.trace_id:032x}"

    embedded, database = (store.trace(trace_id)[0] for store in stores)

    for column in SPAN_COLUMNS:
        if column.attribute and hasattr(embedded, column.name):
            wanted, found = getattr(embedded, column.name), getattr(database, column.name)
            assert (wanted, type(wanted)) == (found, type(found)), column.name
    assert (embedded.kind, embedded.node, embedded.step) == (
        database.kind,
        database.node,
        database.step,
    )
    assert {key: as_text(value) for key, value in others.items()} == {
        key: value for key, value in database.attrs.items() if key in others
    }
    assert {key: database.attrs[key] for key in named} == {
        key: embedded.attrs[key] for key in named
    }


def test_an_empty_text_counts_as_none(both: Any) -> None:
    """A map answers with an empty text where it has nothing."""
    both.take(span({semconv.WORKFLOW_NAME: "", "own": ""}))
    _, database = both.open()

    found = database.trace(database.runs()[0].trace_id)[0]

    assert (found.workflow, found.attrs["own"]) == (None, "")


def test_numbers_that_a_column_cannot_hold_leave_it_empty(both: Any) -> None:
    both.take(
        span({semconv.COST_USD: "a lot", semconv.USAGE_INPUT_TOKENS: "many", semconv.ATTEMPT: 1.5})
    )
    embedded, database = both.open()
    trace_id = database.runs()[0].trace_id

    wanted, found = embedded.trace(trace_id)[0], database.trace(trace_id)[0]

    assert (found.cost_usd, found.input_tokens, found.attempt) == (None, None, None)
    assert found.attrs == wanted.attrs


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        (semconv.USAGE_INPUT_TOKENS, "12", 12),
        (semconv.COST_USD, "1e-7", 1e-7),
        (semconv.COST_USD, "1", 1.0),
        (semconv.COST_USD, "Infinity", "Infinity"),
        (semconv.ATTEMPT, "1.5", 1.5),
        (semconv.COST_USD, "unknown", "unknown"),
        (semconv.REQUEST_STREAM, "true", True),
        (semconv.REQUEST_STREAM, "false", False),
        (semconv.REQUEST_STREAM, "1", "1"),
        (semconv.PROMPT_CANDIDATES, '["a","b"]', ["a", "b"]),
        (semconv.PROMPT_CANDIDATES, '["a","b…', '["a","b…'),
        (semconv.PROMPT_CANDIDATES, '{"a":1}', '{"a":1}'),
        (semconv.PROMPT_VERSION, "3", "3"),
        ("own", "3", "3"),
        (semconv.ATTEMPT, None, None),
    ],
)
def test_a_value_gets_the_type_that_the_contract_gives_it(key: str, text: Any, value: Any) -> None:
    """What is not of that type stays as it is."""
    found = attributes.restored({key: text})[key]

    assert (found, type(found)) == (value, type(value))
