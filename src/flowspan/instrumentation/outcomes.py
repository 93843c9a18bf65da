"""Failures that users declare: results that mean failure, on spans that rows of others make.

Engines report failures in many ways: an exception, a value in the state, an answer that says so.
What an engine's own convention is, its rows know (``outcome``); what one program's convention is,
only its user can say, and does so once, for spans of any engine (``[[outcomes]]`` of a span map).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from flowspan import semconv
from flowspan.instrumentation.integration import Judged

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame
    from flowspan.instrumentation.integration import Call, OutcomeRule, Patch
    from flowspan.instrumentation.machine import Site


def verdict(frame: CallFrame, result: Any) -> str | None:
    """The ``error.type`` of a call that has returned; ``None`` where no rule calls it a failure.

    Args:
        frame: The call.
        result: What it returned.
    """
    site = frame.site
    rules = _rules_of(site)
    if not rules or semconv.ERROR_TYPE in frame.attributes:
        return None
    judged = site.ask("judged", _judged, site.patch, frame.call, result)
    if judged is None:
        return None
    subject = str(frame.attributes.get(semconv.NAME_OF_KIND.get(site.kind or "", ""), ""))
    for rule in rules:
        if fnmatchcase(subject, rule.name):
            error = site.ask("outcomes", rule.judge, judged)
            if error is not None:
                return error
    return None


def _judged(patch: Patch, call: Call, result: Any) -> Judged:
    """What rules look at: what the row says, else what it knows of its node's state."""
    if patch.judged is not None:
        return patch.judged(call, result)
    update = None if patch.update is None else patch.update(call, result)
    state = None if patch.state is None else patch.state(call)
    return Judged(result if update is None else update, state)


def _rules_of(site: Site) -> tuple[OutcomeRule, ...]:
    """The rules about a row, found out once for each set of rules."""
    declared = site.machine.outcomes
    known, rules = site.rules
    if known is not declared:
        rules = tuple(
            rule
            for rule in declared
            if site.kind in rule.kinds and fnmatchcase(site.engine, rule.engine)
        )
        site.rules = (declared, rules)
    return rules
