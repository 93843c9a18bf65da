"""Which lines of a tree are shown."""

from __future__ import annotations

from typing import Any

from flowspan.report.outline import Fold, comfortable_depth, outline


def _lines(tree: Any, **options: Any) -> list[tuple[int, str]]:
    return [
        (
            line.depth,
            f"… {line.content.spans}" if isinstance(line.content, Fold) else line.content.span.name,
        )
        for line in outline(tree, **options)
    ]


def _chain(trace: Any, length: int) -> None:
    parent = None
    for number in range(length):
        parent = trace.span(f"s{number}", number / 1000, 10, parent)


def test_small_tree_is_shown_whole(trace: Any) -> None:
    """What fits is not folded, and each line knows which of its ancestors have more children."""
    run = trace.span("run", 0, 10)
    first = trace.span("a", 1, 5, run)
    trace.span("b", 2, 3, first)
    trace.span("c", 6, 7, run)

    lines = list(outline(trace.tree()))

    assert [line.path for line in lines] == [(), (True,), (True, False), (False,)]
    assert _lines(trace.tree()) == [(0, "run"), (1, "a"), (2, "b"), (1, "c")]


def test_depth(trace: Any) -> None:
    """Below the depth that was asked for one line stands for all that is there."""
    _chain(trace, 5)

    assert _lines(trace.tree(), depth=2) == [(0, "s0"), (1, "s1"), (2, "s2"), (3, "… 2")]


def test_comfortable_depth(trace: Any) -> None:
    """Unless asked, levels are shown while they fit a few screens, and two of them in any case."""
    run = trace.span("run", 0, 10)
    for number in range(30):
        step = trace.span("step", number, number + 1, run)
        for _ in range(5):
            trace.span("deep", number, number + 1, trace.span("node", 0, 1, step))

    assert comfortable_depth(trace.tree()) == 2
    assert (3, "… 1") in _lines(trace.tree())


def test_many_siblings_are_folded_but_not_what_matters(trace: Any) -> None:
    """Of many siblings the first, the last, the failed and the open ones are shown."""
    run = trace.span("run", 0, 1000)
    for number in range(100):
        status = "error" if number == 50 else "ok"
        trace.span(f"n{number}", number, None if number == 60 else 999, run, status=status)

    lines = _lines(trace.tree())

    assert lines[25:30] == [(1, "… 26"), (1, "n50"), (1, "… 9"), (1, "n60"), (1, "… 31")]
    assert lines[-1] == (1, "n99")
    folds = [line.content for line in outline(trace.tree()) if isinstance(line.content, Fold)]
    assert sum(fold.spans for fold in folds) + len(lines) - len(folds) == 101


def test_a_single_sibling_is_not_worth_a_fold(trace: Any) -> None:
    """A line that says "1 more" tells less than the span itself."""
    run = trace.span("run", 0, 1000)
    for number in range(41):
        status = "error" if 25 <= number < 33 and number != 28 else "ok"
        trace.span(f"n{number}", number, 999, run, status=status)

    lines = _lines(trace.tree())

    assert len(lines) == 42


def test_everything(trace: Any) -> None:
    """Nothing is folded if everything was asked for."""
    run = trace.span("run", 0, 1000)
    for number in range(200):
        trace.span(f"n{number}", number, 999, run)

    assert len(_lines(trace.tree(), everything=True)) == 201


def test_very_deep(trace: Any) -> None:
    """A line remembers the nearest levels only, however deep it is."""
    _chain(trace, 3000)

    lines = list(outline(trace.tree(), everything=True))

    assert lines[-1].depth == 2999
    assert len(lines[-1].path) == 32


def test_roots_beside_each_other(trace: Any) -> None:
    """Several roots have no lines that lead to them."""
    trace.span("a", 0, 1)
    trace.span("b", 2, 3)

    assert [line.path for line in outline(trace.tree())] == [(), ()]


def test_fold_sums(trace: Any) -> None:
    """A folded line has the sums of what it stands for."""
    run = trace.span("run", 0, 10)
    node = trace.span("node", 0, 5, run)
    trace.llm(0, 1, parent=node, input_tokens=10, output_tokens=5)

    fold = list(outline(trace.tree(), depth=1))[-1].content

    assert isinstance(fold, Fold)
    assert fold.totals.input_tokens == 10
