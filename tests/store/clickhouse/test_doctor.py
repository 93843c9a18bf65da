"""``flowspan doctor`` where the store is a collector's database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flowspan import config
from flowspan.doctor import storage


def test_a_database_is_described(both: Any) -> None:
    context = SpanContext(1, 1, is_remote=False)
    both.take(ReadableSpan("work", context=context, start_time=10**18, end_time=10**18))
    options = "&".join(f"{k}={v}" for k, v in both.collected.address.options.items())
    wanted = replace(config.load({}), store=f"{both.collected.address}?{options}")

    (before,) = storage.findings(wanted)
    both.collected.prepare()
    (after,) = storage.findings(wanted)

    assert before.level == after.level == "ok"
    assert before.text.startswith(f"{both.collected.address}: 1 span, ")
    assert (before.data["view"], before.data["tables"]) == (False, False)
    assert (after.data["view"], after.data["tables"]) == (True, True)


def test_a_database_that_is_not_there_is_a_problem(collected: Any) -> None:
    options = "&".join(f"{k}={v}" for k, v in collected.address.options.items())
    wanted = replace(config.load({}), store=f"clickhouse://localhost/nowhere?{options}")

    (found,) = storage.findings(wanted)

    assert (found.level, found.remedy) == ("problem", "correct FLOWSPAN_STORE")
