"""The real engine, recorded: the tree, what it tells, and that it does the same as without."""

from flowspan_relay import INTEGRATION
from relay import Race, Runner

from flowspan.testing import record


def race() -> dict[str, int]:
    """A race in which the second runner drops the baton once."""
    return Race("final", [Runner("ana"), Runner("bo", clumsy=True)]).start({})


def test_a_race_is_a_run_and_its_legs_are_nodes() -> None:
    alone = race()

    with record(INTEGRATION) as recording:
        watched = race()

    assert watched == alone
    assert recording.spans.tree(events=True).splitlines() == [
        "invoke_workflow final",
        "  run_step ana",
        "    · flowspan.state.changed",
        "    · flowspan.route.taken",
        "  run_step bo",
        "    · flowspan.retry",
        "    · flowspan.state.changed",
        "    · flowspan.route.taken",
    ]
    assert recording.spans.one("invoke_workflow final").attributes["relay.metres"] == 200


def test_every_row_finds_its_target() -> None:
    with record(INTEGRATION) as recording:
        race()
        assert {status.state for status in recording.statuses()} == {"applied"}
