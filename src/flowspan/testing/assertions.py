"""``assert_run``: what an application's own tests say of a run, and what they read if it is not so.

::

    with record(*all_integrations(), priced=True) as recording:
        write_article("tea")
    assert_run(
        recording,
        route=["outline", "write", "review"],
        prompts={"outline": "3"},
        max_cost_usd=0.02,
        max_llm_calls=4,
        failed=False,
    )
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from types import EllipsisType
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from flowspan import semconv
from flowspan.testing.questions import check_words
from flowspan.testing.seenruns import Decision, SeenRun, SeenSpan
from flowspan.testing.sources import runs_of
from flowspan.testing.treedifference import difference, tree_lines
from flowspan.testing.treepatterns import fits, matches, parse_tree

_MOST_LINES: Final = 60
_ANY: Final = frozenset({"...", "…"})
_QUANTITIES: Final = (
    *("nodes", "llm_calls", "tokens", "input_tokens", "output_tokens", "cost_usd"),
)
_MOST: Final = "max_"
_EXPECTED: Final = "\n    expected: "


class Amounts(TypedDict, total=False):
    """How much a run may have used: exactly, or at most (``max_…``)."""

    nodes: int
    max_nodes: int
    llm_calls: int
    max_llm_calls: int
    tokens: int
    max_tokens: int
    input_tokens: int
    max_input_tokens: int
    output_tokens: int
    max_output_tokens: int
    cost_usd: float | Decimal
    max_cost_usd: float | Decimal


class Problem(NamedTuple):
    """Something that is not as expected."""

    subject: str
    sentence: str


def assert_run(  # noqa: PLR0913 - each is a question of its own
    source: Any,
    *,
    run: str | None = None,
    tree: str | None = None,
    any_order: bool = False,
    route: Sequence[str | EllipsisType] | None = None,
    decisions: Sequence[Sequence[str | None]] | None = None,
    prompts: Mapping[str, str | None] | None = None,
    failed: bool | str | None = None,
    loops: bool | None = None,
    **amounts: Unpack[Amounts],
) -> SeenRun:
    """Assert that a run was as expected; what is not said is not asked.

    Args:
        source: A ``Recording`` or its spans; the path of an embedded store; OTLP that was received,
            as messages or bytes.
        run: Which one, where there are several: its run id or trace id (or how it begins), its
            workflow, or ``last``.
        tree: Every span, a line each, as ``recording.spans.tree()`` writes them: ``*`` in a name
            stands for anything, a line ``...`` for any spans, `` !`` for a failure,
            ``key=value`` for an attribute and ``· name`` for an event.
        any_order: Siblings of the tree may have begun in any order.
        route: Names of the nodes in the order of their begin; ``...`` for any.
        decisions: The routes taken, in order: from, to and, if it matters, the action.
        prompts: Versions by name; ``None`` for any version.
        failed: Whether anything failed; a text is the ``error.type`` of the run.
        loops: Whether a loop was suspected.
        amounts: ``nodes``, ``llm_calls``, ``tokens``, ``input_tokens``, ``output_tokens`` and
            ``cost_usd``, exactly, or with ``max_`` before at most.

    Returns:
        The run, for further questions.

    Raises:
        AssertionError: It was not; the message says everything that differs and shows the tree.
        TypeError: There is no such thing to ask, it cannot be asked so, or the source holds no
            spans.
        ValueError: The expected tree cannot be read.
    """
    __tracebackhide__ = True  # pytest shows the test's own line instead
    _check_names(amounts)
    asked = {"run": run, "tree": tree, "route": route, "decisions": decisions, "prompts": prompts}
    check_words({**asked, "failed": failed, "loops": loops, **amounts})
    way = _way(route)
    wanted = None if tree is None else parse_tree(tree)
    found = _chosen(runs_of(source), run)
    problems = [
        *([] if way is None else _route(found, way)),
        *([] if decisions is None else _decisions(found, decisions)),
        *_prompts(found, prompts or {}),
        *_failed(found, failed),
        *_loops(found, loops),
        *_amounts(found, {name: most for name, most in amounts.items() if most is not None}),
    ]
    drawing = tree_lines(found)
    if wanted is not None and not matches(wanted, found, any_order=any_order):
        problems.append(Problem("tree", "- was expected, + is there instead"))
        drawing = difference(wanted, found)
    if problems:
        raise AssertionError(_message(found, problems, drawing))
    return found


def _way(route: Any) -> Sequence[str] | None:
    """A route in texts; Python's own ``...`` is one as well."""
    return route and ["..." if name is ... else name for name in route]


# --- which run --------------------------------------------------------------------------------


def _chosen(runs: list[SeenRun], name: str | None) -> SeenRun:
    if not runs:
        raise AssertionError("expected a run, found no spans at all: was flowspan on?")
    fitting = runs if name is None else [run for run in runs if _is_meant(run, name)]
    if name == "last":
        fitting = runs[-1:]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {_title(run)}" for run in runs[:20])
    if name is None:
        raise AssertionError(f"expected one run, found {len(runs)}: name one by run=…{listed}")
    count = "none" if not fitting else f"{len(fitting)} of these"
    raise AssertionError(f"expected one run {name!r}, found {count} among {len(runs)}:{listed}")


def _is_meant(run: SeenRun, name: str) -> bool:
    ids = (str(run.run_id or ""), run.root.trace_id)
    return name in {run.workflow, run.root.name} or any(each.startswith(name) for each in ids)


def _title(run: SeenRun) -> str:
    return f"{run.root.name} ({run.run_id or run.root.trace_id})"


# --- what is asked ----------------------------------------------------------------------------


def _route(run: SeenRun, wanted: Sequence[str]) -> Iterator[Problem]:
    if not _along(wanted, run.route):
        yield Problem("route", f"{_arrows(run.route)}{_EXPECTED}{_arrows(wanted)}")


def _along(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether a route goes as expected, in a time that grows with the product of their lengths."""
    reached = {0}  # how many nodes may have gone by
    for name in wanted:
        if name in _ANY:
            reached = set(range(min(reached, default=len(found) + 1), len(found) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(found) and fits(name, found[at])}
    return len(found) in reached


def _arrows(names: Sequence[str]) -> str:
    return " → ".join(names) or "no nodes"


def _decisions(run: SeenRun, wanted: Sequence[Sequence[str | None]]) -> Iterator[Problem]:
    found = [decision[: len(each)] for decision, each in zip(run.decisions, wanted, strict=False)]
    if len(run.decisions) != len(wanted) or any(
        tuple(each) != decision for each, decision in zip(wanted, found, strict=True)
    ):
        shown = ", ".join(map(_decision, run.decisions)) or "none"
        expected = ", ".join(map(_decision, wanted)) or "none"
        yield Problem("decisions", f"{shown}{_EXPECTED}{expected}")


def _decision(decision: Decision | Sequence[str | None]) -> str:
    origin, to, action = (*decision, None, None)[:3]
    return f"{origin} → {to}" + ("" if action is None else f" ({action})")


def _prompts(run: SeenRun, wanted: Mapping[str, str | None]) -> Iterator[Problem]:
    for name, version in wanted.items():
        found = [prompt for prompt in run.prompts if prompt.name == name]
        others = {f"{each.name!r} {each.version or ''}".strip() for each in run.prompts}
        if not found:
            known = ", ".join(sorted(others)) or "none"
            yield Problem(f"prompt {name!r}", f"was not used; prompts of the run: {known}")
        for prompt in found:
            if version is not None and prompt.version != str(version):
                sentence = f"version {prompt.version!r} in {prompt.place}, expected {version!r}"
                yield Problem(f"prompt {name!r}", sentence)
                break


def _failed(run: SeenRun, wanted: bool | str | None) -> Iterator[Problem]:  # noqa: FBT001 - as it was given
    error = run.root.attributes.get(semconv.ERROR_TYPE)
    if wanted is False and run.failures:
        shown = ", ".join(map(_failure, run.failures))
        yield Problem("failed", f"{shown}, expected no failure")
    elif wanted is True and not run.failures:
        yield Problem("failed", "nothing failed, expected a failure")
    elif isinstance(wanted, str) and error != wanted:
        yield Problem("failed", f"the run ended with {error or 'no error'}, expected {wanted}")


def _failure(span: SeenSpan) -> str:
    return f"{span.name} ({span.attributes.get(semconv.ERROR_TYPE, 'error')})"


def _loops(run: SeenRun, wanted: bool | None) -> Iterator[Problem]:  # noqa: FBT001 - as it was given
    if wanted is not None and wanted is not bool(run.loops):
        shown = f"suspected at {', '.join(run.loops)}" if run.loops else "none was suspected"
        yield Problem("loops", f"{shown}, expected {'one' if wanted else 'none'}")


# --- amounts ----------------------------------------------------------------------------------


def _check_names(amounts: Mapping[str, Any]) -> None:
    known = [*_QUANTITIES, *(_MOST + name for name in _QUANTITIES)]
    for name in amounts:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(known)}"
            raise TypeError(f'assert_run has no "{name}": {hint}')


def _amounts(run: SeenRun, amounts: Mapping[str, Any]) -> Iterator[Problem]:
    if any(name.endswith("cost_usd") for name in amounts):
        yield from _unknown_cost(run)
    for name, wanted in amounts.items():
        quantity = name.removeprefix(_MOST)
        found = getattr(run, quantity)
        if found is None:
            continue
        if name.startswith(_MOST):
            if found > float(wanted) and not math.isclose(found, float(wanted)):
                yield Problem(quantity, f"{_amount(found)}, expected at most {_amount(wanted)}")
        elif not math.isclose(found, float(wanted), rel_tol=1e-9, abs_tol=1e-12):
            yield Problem(quantity, f"{_amount(found)}, expected {_amount(wanted)}")


def _unknown_cost(run: SeenRun) -> Iterator[Problem]:
    if run.cost_usd is None and not run.unpriced:
        yield Problem("cost_usd", "no model call was priced: record(…, priced=True) prices them")
    if run.unpriced:
        models = {str(span.attributes.get(semconv.REQUEST_MODEL)) for span in run.unpriced}
        yield Problem(
            "cost_usd",
            f"{len(run.unpriced)} model calls have no known price ({', '.join(sorted(models))}): "
            "add one by FLOWSPAN_PRICES",
        )


def _amount(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{float(value):.9f}".rstrip("0").rstrip(".") + " USD"


# --- the message ------------------------------------------------------------------------------


def _message(run: SeenRun, problems: list[Problem], drawing: list[str]) -> str:
    told = [f"  {problem.subject}: {problem.sentence}" for problem in problems]
    if len(drawing) > _MOST_LINES:
        left = len(drawing) - _MOST_LINES
        drawing = [*drawing[:_MOST_LINES], f"… and {left} lines more"]
    shown = [f"  {line}" for line in drawing]
    return "\n".join([f"{_title(run)} is not as expected:", *told, "", *shown])
