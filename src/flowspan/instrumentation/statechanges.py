"""What a call changed in the state that its row watches: the event ``flowspan.state.changed``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowspan import semconv
from flowspan.instrumentation.states import (
    NOTHING_SEEN,
    Change,
    Looked,
    compare,
    compare_update,
    look,
)

if TYPE_CHECKING:
    from flowspan.instrumentation.integration import Attributes, Call
    from flowspan.instrumentation.machine import Site


def changed(change: Change) -> Attributes:
    """The event's attributes; none where nothing changed."""
    if not change:
        return {}
    return {
        semconv.STATE_ADDED: change.added or None,
        semconv.STATE_CHANGED: change.changed or None,
        semconv.STATE_REMOVED: change.removed or None,
        semconv.STATE_SIZE: change.size,
    }


def seen_before(site: Site, call: Call) -> Looked | None:
    """What there is before the call; ``None`` where nobody asked for changes."""
    patch = site.patch
    if site.machine.detail == "minimal":
        return None
    if patch.state is None:
        return None if patch.update is None else NOTHING_SEEN
    state = site.ask("state", patch.state, call)
    return NOTHING_SEEN if state is None else site.ask("state", look, state)


def after_return(site: Site, call: Call, before: Looked, result: Any) -> Attributes:
    """What a call that has returned changed."""
    update = site.patch.update
    if update is None:
        return after_failure(site, call, before)
    found = site.ask("update", update, call, result)
    change = None if found is None else site.ask("update", compare_update, before, found)
    return {} if change is None else changed(change)


def after_failure(site: Site, call: Call, before: Looked) -> Attributes:
    """What a call that has raised changed all the same; what it would have returned is lost."""
    watched = site.patch.state
    if watched is None or site.patch.update is not None:
        return {}
    state = site.ask("state", watched, call)
    change = site.ask("state", compare, before, {} if state is None else state)
    return {} if change is None else changed(change)
