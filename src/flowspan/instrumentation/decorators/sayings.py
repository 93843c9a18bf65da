"""What a mark says of a function, with the paths in it parsed and checked against its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation.spanmap.paths import ROOTS, Path, PathError, parse_path
from flowspan.instrumentation.spanmap.values import Value, parse_value

if TYPE_CHECKING:
    from flowspan.instrumentation.decorators.marks import Mark

_PROMPT: Final = {
    "name": semconv.PROMPT_NAME,
    "version": semconv.PROMPT_VERSION,
    "reason": semconv.PROMPT_REASON,
    "candidates": semconv.PROMPT_CANDIDATES,
}
_NUMBERED: Final = {"id": semconv.NODE_ID, "attempt": semconv.ATTEMPT}
_LATER: Final = frozenset({"result", "error"})
_BEFORE: Final = frozenset({"before"})

Named = tuple[tuple[str, Value], ...]


@dataclass(slots=True)
class Saying:
    """A mark that was understood.

    Attributes:
        name: What the call is about; ``None`` for the function's own name.
        request: Attributes known before the call.
        response: Attributes known from its result.
        failure: Attributes known from its exception.
        prompt: What is said of a prompt.
        state: Where the state is.
        inputs: Where the inputs are; empty for all arguments.
        quiet: Names of exceptions that are no errors.
    """

    name: Value | None = None
    request: Named = ()
    response: Named = ()
    failure: Named = ()
    prompt: Named = ()
    state: Path | None = None
    inputs: tuple[Path, ...] = ()
    quiet: tuple[str, ...] = field(default=())

    @property
    def prompt_is_known_later(self) -> bool:
        """Whether what is said of the prompt is read from the result."""
        return any("result" in value.roots for _, value in self.prompt)


def understood(mark: Mark, function: Any, *, bound: bool) -> Saying:
    """Parse what a mark says.

    Raises:
        TypeError: A value is of a kind that cannot be meant.
        ValueError: A path cannot be read, or asks for what is not there.
    """
    reader = _Reader(mark, function, bound=bound)
    options = mark.options
    if mark.kind == "prompt":
        return Saying(prompt=reader.prompt())
    found = [
        (attribute, reader.value(key, options[key]))
        for key, attribute in _NUMBERED.items()
        if options.get(key) is not None
    ]
    found += reader.attributes()
    return Saying(
        name=None if mark.name is None else reader.value("name", mark.name),
        request=tuple(each for each in found if not each[1].roots & _LATER),
        response=tuple(each for each in found if "result" in each[1].roots),
        failure=tuple(each for each in found if "error" in each[1].roots),
        state=reader.path("state", options.get("state")),
        inputs=reader.paths("inputs", options.get("inputs")),
        quiet=names_of(mark, options.get("quiet", ())),
    )


def names_of(mark: Mark, quiet: Any) -> tuple[str, ...]:
    """The names of exceptions, given as classes or as names.

    Raises:
        TypeError: Something else was given.
    """
    given = (quiet,) if isinstance(quiet, str | type) else quiet
    if not isinstance(given, Iterable):
        raise TypeError(f"{mark.shown} has quiet={quiet!r}: expected exceptions, or their names")
    names = tuple(each.__name__ if isinstance(each, type) else each for each in given)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{mark.shown} has quiet={quiet!r}: expected exceptions, or their names")
    return names


class _Reader:
    """Parses the values of one mark."""

    def __init__(self, mark: Mark, function: Any, *, bound: bool) -> None:
        self._mark = mark
        self._bound = bound
        self._arguments = _arguments(function)

    def attributes(self) -> list[tuple[str, Value]]:
        mark = self._mark
        if mark.attributes is not None and not isinstance(mark.attributes, Mapping):
            raise TypeError(
                f"{mark.shown} has attributes={mark.attributes!r}: expected a dict of names and "
                "values"
            )
        said = {**(mark.attributes or {}), **mark.values}
        return [(key, self.value(key, value, later=True)) for key, value in said.items()]

    def prompt(self) -> Named:
        said = {"name": self._mark.name, **self._mark.options}
        return tuple(
            (_PROMPT[key], self.value(key, value, later=True))
            for key, value in said.items()
            if value is not None
        )

    def value(self, key: str, value: Any, *, later: bool = False) -> Value:
        many = isinstance(value, Sequence) and not isinstance(value, str)
        each = value if many else (value,)
        if not all(isinstance(one, str | bool | int | float) for one in each):
            raise TypeError(
                f"{self._mark.shown} has {key}={value!r}: expected a text, a number, a boolean or "
                "a list of such; in a decorator a text reads the call by {paths}"
            )
        try:
            found = parse_value(value)
        except PathError as wrong:
            raise ValueError(f"{self._mark.shown} has {key}={value!r}: {wrong}") from None
        self._check(key, value, found.roots, later=later)
        return found

    def path(self, key: str, value: Any) -> Path | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError(
                f"{self._mark.shown} has {key}={value!r:.60}: in a decorator expected a path, as "
                f'{key}="shared"'
            )
        try:
            found = parse_path(value)
        except PathError as wrong:
            hint = "; here it stands without braces" if "{" in value else ""
            raise ValueError(f"{self._mark.shown} has {key}={value!r}: {wrong}{hint}") from None
        self._check(key, value, found.roots, later=False)
        return found

    def paths(self, key: str, value: Any) -> tuple[Path, ...]:
        many = value if isinstance(value, list | tuple) else (value,)
        found = [self.path(key, each) for each in many]
        return tuple(path for path in found if path is not None)

    def _check(self, key: str, value: Any, roots: frozenset[str], *, later: bool) -> None:
        place = f"{self._mark.shown} has {key}={value!r}"
        for root in sorted(roots):
            if root in _BEFORE or (root in _LATER and not later):
                raise ValueError(f'{place}: "{root}" is not known before the call')
            if root == "self" and not self._bound:
                raise ValueError(f'{place}: "self" is not known, the function is no method')
            if root in ROOTS or self._arguments is None or root in self._arguments:
                continue
            near = get_close_matches(root, self._arguments, n=1)
            hint = f'did you mean "{near[0]}"?' if near else _listed(self._arguments)
            raise ValueError(f'{place}: the function has no argument "{root}": {hint}')


def _listed(arguments: Iterable[str]) -> str:
    return "expected one of " + (", ".join(arguments) or "none, it takes no arguments")


def _arguments(function: Any) -> list[str] | None:
    """The names of the arguments; ``None`` where any name may be one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C: nobody knows its parameters
        return None
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters]
