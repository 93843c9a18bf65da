"""pflow: loops that lead nowhere, and those that only look like it.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

from typing import Any

import pytest
from pflow_kit import (
    SLOW,
    asked_provider,  # noqa: F401 - a fixture
    code,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)
from traces import events

from flowspan import semconv
from flowspan.testing import Recording

pytestmark = SLOW

TURNS = 10


def looping(source: str, inputs: dict[str, Any], **loop: Any) -> dict[str, Any]:
    """A node that goes round until it may no more."""
    turns = {"while": "${turn.result.again}", "max_iterations": TURNS, **loop}
    made = code("turn", source, loop=turns)
    made["params"]["inputs"] = inputs
    return made


CASES = {
    "nothing changes": (looping("result: dict = {'again': True}", {}), 1),
    "the turn is carried on": (
        looping(
            "turn: int\nresult: dict = {'turn': turn + 1, 'again': True}",
            {"turn": 0},
            carry={"turn": "${turn.result.turn}"},
        ),
        0,
    ),
    "it works on the number of its turn": (
        looping("turn: int\nresult: dict = {'again': True}", {"turn": "${__iteration__}"}),
        0,
    ),
    "it gives something else each time": (
        looping("import time\nresult: dict = {'again': True, 'at': time.time_ns()}", {}),
        0,
    ),
}


@pytest.mark.parametrize(("turn", "suspected"), CASES.values(), ids=CASES)
def test_a_loop_in_which_nothing_changes_is_suspected_once(
    recording: Recording, turn: dict[str, Any], suspected: int
) -> None:
    """The same inputs and the same outputs, turn for turn."""
    run(workflow(turn, code("over", "result: int = 1")))

    spans = recording.spans
    told = [each for span in spans for each in events(span, semconv.EVENT_LOOP_SUSPECTED)]
    assert len(spans.of_kind("node")) == TURNS + 1
    assert len(told) == suspected
    assert all(event[semconv.LOOP_ITERATIONS] == 5 for event in told)
