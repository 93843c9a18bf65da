"""An expected tree: a text with a line for each span, as ``spans.tree()`` writes it.

::

    invoke_workflow article
      run_step write * flowspan.attempt=2       * stands for anything in a name
        · flowspan.route.taken                  an event that the span has
        ...                                     any spans, with all that is below them
      run_step review !                         ! a span that failed
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from flowspan.testing.seenruns import SeenRun, SeenSpan

_ANY: Final = frozenset({"...", "…"})
_EVENT: Final = "· "
_ATTRIBUTES: Final = re.compile(r"""(?:\s+[\w.]+=(?:'[^']*'|"[^"]*"|\([^)]*\)|[^\s'"(]+))+$""")
_ATTRIBUTE: Final = re.compile(r"""([\w.]+)=('[^']*'|"[^"]*"|\([^)]*\)|[^\s'"(]+)""")


@dataclass
class Pattern:
    """A line of an expected tree.

    Attributes:
        text: As it stands there.
        depth: 0 for roots.
        any: Whether it stands for any spans.
        name: Of the span, with wildcards.
        failed: Whether the span failed.
        attributes: By name, as Python writes their values.
        events: Names of events, in order.
        below: The lines below it.
    """

    text: str
    depth: int
    any: bool = False
    name: str = ""
    failed: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    below: list[Pattern] = field(default_factory=list)

    def fits(self, span: SeenSpan) -> bool:
        """Whether a span is as the line says; what is below it is not looked at."""
        return (
            fits(self.name, span.name)
            and self.failed == span.failed
            and all(
                key in span.attributes and repr(span.attributes[key]) == value
                for key, value in self.attributes.items()
            )
            and _in_order(self.events, [event.name for event in span.events])
        )


def fits(pattern: str, name: str) -> bool:
    """Whether a name is meant by a pattern, in which ``*`` stands for anything."""
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    rest = iter(found)
    return all(name in rest for name in wanted)


# --- reading ----------------------------------------------------------------------------------


def parse_tree(text: str) -> list[Pattern]:
    """The roots of an expected tree.

    Raises:
        ValueError: A line is where no line can be.
    """
    roots: list[Pattern] = []
    open_: list[tuple[int, Pattern]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words:
            continue
        indent = len(line) - len(line.lstrip())
        while open_ and open_[-1][0] >= indent:
            open_.pop()
        if words.startswith(_EVENT):
            _event(open_, words, number)
            continue
        pattern = _pattern(words, len(open_))
        if open_ and open_[-1][1].any:
            raise ValueError(
                f'line {number} of the expected tree, "{words}", stands below "...": that means '
                "any spans with all that is below them"
            )
        (open_[-1][1].below if open_ else roots).append(pattern)
        open_.append((indent, pattern))
    return roots


def _event(open_: list[tuple[int, Pattern]], words: str, number: int) -> None:
    if not open_:
        raise ValueError(
            f'line {number} of the expected tree, "{words}", is an event without a span: '
            "indent it below its span"
        )
    open_[-1][1].events.append(words.removeprefix(_EVENT))


def _pattern(words: str, depth: int) -> Pattern:
    if words in _ANY:
        return Pattern(words, depth, any=True)
    found = _ATTRIBUTES.search(words)
    attributes = {} if found is None else dict(_ATTRIBUTE.findall(found[0]))
    name = words if found is None else words[: found.start()]
    failed = name.endswith(" !")
    return Pattern(words, depth, name=name.removesuffix(" !"), failed=failed, attributes=attributes)


# --- comparing --------------------------------------------------------------------------------


def matches(wanted: Sequence[Pattern], run: SeenRun, *, any_order: bool) -> bool:
    """Whether a run's tree is as expected."""
    return _match(tuple(wanted), tuple(run.below.get(None, ())), run, any_order=any_order)


def _match(
    wanted: tuple[Pattern, ...], spans: tuple[SeenSpan, ...], run: SeenRun, *, any_order: bool
) -> bool:
    if not wanted:
        return not spans
    first, rest = wanted[0], wanted[1:]
    if first.any:
        if any_order:  # whatever is left when all others have found theirs
            others = tuple(each for each in rest if not each.any)
            return not others or _match((*others, first), spans, run, any_order=True)
        return any(
            _match(rest, spans[taken:], run, any_order=False) for taken in range(len(spans) + 1)
        )
    choices = range(len(spans)) if any_order else range(min(1, len(spans)))
    return any(
        _fits_below(first, spans[at], run, any_order=any_order)
        and _match(rest, (*spans[:at], *spans[at + 1 :]), run, any_order=any_order)
        for at in choices
    )


def _fits_below(pattern: Pattern, span: SeenSpan, run: SeenRun, *, any_order: bool) -> bool:
    below = tuple(run.below.get(span.span_id, ()))
    return pattern.fits(span) and _match(tuple(pattern.below), below, run, any_order=any_order)
