from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.store.conftest import Spans


from flowspan.store.backlog import Backlog
from flowspan.store.rows import RowBuilder, SpanEntry


def entries(spans: Spans, count: int) -> list[SpanEntry]:
    rows = RowBuilder()
    return [rows.ended(spans.one(f"span {number}")) for number in range(count)]


def names(found: list[SpanEntry]) -> list[str]:
    return [entry.span[4] for entry in found]


def test_rows_come_out_in_the_order_in_which_they_came(spans: Spans) -> None:
    backlog = Backlog()
    assert backlog.add(entries(spans, 3)) == 0

    assert names(backlog.take(2)) == ["span 0", "span 1"]
    assert names(backlog.take(2)) == ["span 2"]
    assert backlog.take(2) == []


def test_rows_given_back_are_the_first_again(spans: Spans) -> None:
    backlog = Backlog()
    backlog.add(entries(spans, 3))

    backlog.give_back(backlog.take(2))

    assert names(backlog.take(9)) == ["span 0", "span 1", "span 2"]


def test_the_oldest_give_way_where_there_are_too_many(spans: Spans) -> None:
    backlog = Backlog(most_spans=2)

    assert backlog.add(entries(spans, 5)) == 3

    assert names(backlog.take(9)) == ["span 3", "span 4"]
    assert backlog.dropped == 3


def test_the_oldest_give_way_where_they_are_too_large(spans: Spans) -> None:
    some = entries(spans, 3)
    backlog = Backlog(most_characters=some[0].size + some[1].size)

    assert backlog.add(some) == 1
    assert len(backlog) == 2


def test_one_row_is_kept_however_large_it_is(spans: Spans) -> None:
    backlog = Backlog(most_characters=1)

    assert backlog.add(entries(spans, 1)) == 0
    assert len(backlog) == 1
