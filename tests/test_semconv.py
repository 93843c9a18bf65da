"""The page about telemetry and the code name the same things."""

from __future__ import annotations

import re
from pathlib import Path

from flowspan import semconv
from flowspan.config import VARIABLES
from flowspan.instrumentation import metrics
from flowspan.instrumentation.clients.wire.headers import RATE_LIMITS

PAGE = (Path(__file__).parents[1] / "docs" / "telemetry.md").read_text("utf-8")
BODY, _, RESERVED = PAGE.partition("\n## Reserved\n")
NAMES = {
    name: value
    for name, value in vars(semconv).items()
    if name.isupper() and isinstance(value, str)
}
QUOTED = re.compile(r"`((?:flowspan|gen_ai)\.[a-z0-9_.]+)`")


def quoted(text: str) -> set[str]:
    """The names of attributes, events and metrics in a text."""
    return set(QUOTED.findall(text))


def hashes() -> set[str]:
    """Attributes whose names are made of two."""
    messages = (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS)
    return {f"{semconv.CONTENT_SHA256}.{name.removeprefix('gen_ai.')}" for name in messages}


def test_every_name_of_the_code_is_on_the_page() -> None:
    made_of_two = {semconv.CONTENT_SHA256, semconv.RATE_LIMIT}

    absent = {value for value in NAMES.values() if f"`{value}`" not in BODY}

    assert absent == made_of_two
    assert hashes() | set(RATE_LIMITS.values()) <= quoted(BODY)


def test_every_name_on_the_page_is_one_of_the_code() -> None:
    known = {*NAMES.values(), *hashes(), *RATE_LIMITS.values()}

    assert quoted(BODY) - known == set()


def test_what_is_reserved_is_not_emitted() -> None:
    reserved = quoted(RESERVED)

    assert reserved
    assert reserved & set(NAMES.values()) == set()


def test_a_name_means_one_thing_of_a_sort() -> None:
    """An attribute may be called as a metric or an event is."""
    values = list(NAMES.values())

    shared = {value for value in values if values.count(value) > 1}

    assert shared == {semconv.COST_USD, semconv.STATE_CHANGED}


def test_every_kind_and_its_operation_is_in_the_table() -> None:
    for kind, operation in semconv.OPERATION_OF_KIND.items():
        (row,) = re.findall(rf"^\| `{kind}` \|.*$", BODY, re.MULTILINE)

        assert f"`{operation}`" in row
        assert f"`{semconv.NAME_OF_KIND[kind]}`" in row


def test_the_table_of_metrics_is_that_of_the_instruments() -> None:
    listed = dict(
        re.findall(r"^\| `([\w.]+)` \| ([\w-]+(?: counter)?, [\w{}]+) \|", BODY, re.MULTILINE)
    )
    made = {name: f"histogram, {unit}" for name, unit, *_ in metrics._HISTOGRAMS}
    made |= {name: f"counter, {unit}" for name, unit, _ in metrics._SUMS}
    made[semconv.METRIC_RUNS_ACTIVE] = "up-down counter, {run}"

    assert listed == made


def test_the_settings_on_the_page_exist() -> None:
    named = set(re.findall(r"FLOWSPAN_[A-Z_]+", PAGE))

    assert named <= {variable.name for variable in VARIABLES}
