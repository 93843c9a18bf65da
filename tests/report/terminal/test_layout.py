"""How columns share the width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.report.terminal.layout import Layout, fit
from flowspan.report.totals import Totals

CALLS = Totals(llm_calls=1)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, {"name", "bar", "time", "own", "tokens", "cost"}),
        (70, {"name", "bar", "time", "tokens", "cost"}),
        (60, {"name", "bar", "time", "cost"}),
        (45, {"name", "bar", "time"}),
        (40, {"name", "bar", "time"}),
    ],
)
def test_what_is_dropped(width: int, shown: set[str]) -> None:
    """The narrower it is, the less there is: first self times go, then tokens, then money."""
    layout = fit(width, 60, CALLS)

    assert shown == {name for name in Layout.__slots__ if getattr(layout, name)}


def test_nothing_to_say_of_money() -> None:
    """Without model calls there are neither tokens nor money."""
    layout = fit(100, 30, Totals())

    assert (layout.tokens, layout.cost) == (0, 0)


def test_short_names_leave_room_for_time() -> None:
    """Names take what they need, and the axis the rest, up to a length that the eye can follow."""
    assert fit(120, 30, CALLS).name == 30
    assert fit(300, 30, CALLS).bar == 80


@given(
    width=st.integers(40, 400),
    longest=st.integers(0, 500),
    calls=st.integers(0, 1),
    unpriced=st.integers(0, 1),
)
def test_never_wider_than_there_is_room(
    width: int, longest: int, calls: int, unpriced: int
) -> None:
    """Whatever is shown fits."""
    layout = fit(width, longest, Totals(llm_calls=calls, unpriced_calls=unpriced))

    assert layout.name + 1 + layout.bar + layout.fixed <= width
    assert layout.name >= 24
    assert layout.bar >= 6
