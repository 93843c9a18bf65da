"""Paths: the small language in which a span map says where a value is found.

::

    topic                     the argument of that name
    arguments.result          the same, where the name has a meaning of its own here
    self.root.goal            an attribute of an attribute
    args[0]  kwargs["depth"]  arguments by position (not counting self) and by key
    result.pages[-1]["url"]   items, by number or by text
    self.actions[action]      an item whose key is found by another path
    result.pages[*].title     the same of each item, as a list
    len(result.pages)         a function of what a path finds: len, type, keys, sha256
    before.size               what the row remembered before the call
    error.status              the exception, where a call has failed
    caller.self.goal          the same of the call around this one: self, arguments, label, kind
    function                  the name of the function that was called
    tables.words[result]      what a table of the map says for a key
    self.title or self.key    the first that is known

A path is parsed, never evaluated as Python: all that it can do is read attributes and items, and
apply the functions of :data:`FUNCTIONS`.  Reading an attribute runs the property or
``__getattr__`` behind it, reading an item runs ``__getitem__``, and ``len`` runs ``__len__``:
name nothing in a map that is slow or has effects.  A path that leads nowhere finds ``None``, and
what is ``None`` is unknown: functions are not asked about it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.spanmap.arguments import Around, NamedArguments, argument
from flowspan.instrumentation.states import name_of, parts

MOST_ITEMS: Final = 100
"""How many items ``[*]`` and ``keys`` list."""

MOST_CHARACTERS: Final = 500
"""How long a path may be."""


class PathError(ValueError):
    """The text is no path; the message says where it goes wrong and what was expected."""


class Scope(NamedTuple):
    """What paths may look at.

    Attributes:
        call: The call, as the machine gives it.
        result: What it returned.
        error: What it raised.
        before: What the row remembered before it ran, as attributes.
    """

    call: Call
    result: Any = None
    error: BaseException | None = None
    before: Any = None


Reader = Callable[[Scope], Any]
"""Finds a value; it may raise anything, :meth:`Path.read` is the guard."""

_Step = Callable[[Any, Scope], Any]

Tables = Mapping[str, Mapping[str, Any]]
NO_TABLES: Final[Tables] = {}


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was parsed.

    Attributes:
        text: As it stands in the map.
        roots: The names that it starts from, those of inner paths included.
        reader: Finds the value.
    """

    text: str
    roots: frozenset[str]
    reader: Reader

    def read(self, scope: Scope) -> Any:
        """The value; ``None`` where the path leads nowhere, whatever was raised on the way."""
        try:
            return self.reader(scope)
        except Exception:  # noqa: BLE001 - a property is code of the program: it may fail
            return None


def parse_path(text: str, tables: Tables = NO_TABLES) -> Path:
    """Parse one path.

    Args:
        text: As ``self.root.goal``; the module's docstring shows all forms.
        tables: The map's tables, by name.

    Returns:
        The path, ready to read.

    Raises:
        PathError: The text is no path.
    """
    if len(text) > MOST_CHARACTERS:
        raise PathError(f'"{text[:40]}…" is no path: expected at most {MOST_CHARACTERS} characters')
    parser = _Parser(text, tables)
    reader = parser.expression()
    parser.expect_end()
    return Path(text, frozenset(parser.roots), reader)


def _sha256(value: Any) -> str | None:
    if not isinstance(value, str | bytes):
        return None
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()


def plain_text(value: Any) -> str | None:
    """The text of a text, a number or an Enum's member; it is also how tables write their keys."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def _keys(value: Any) -> list[str]:
    return [name_of(key) for key, _ in islice(parts(value, 2 * MOST_ITEMS), MOST_ITEMS)]


FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "keys": _keys,
    "len": len,
    "sha256": _sha256,
    "text": plain_text,
    "type": lambda value: type(value).__name__,
}
"""What may be applied to a value, by name."""

ROOTS: Final[Mapping[str, Reader]] = {
    "args": lambda scope: scope.call.args,
    "arguments": lambda scope: NamedArguments(scope.call),
    "before": lambda scope: scope.before,
    "caller": lambda scope: Around.of(scope.call),
    "error": lambda scope: scope.error,
    "function": lambda scope: scope.call.function.__name__,  # type: ignore[union-attr]
    "kwargs": lambda scope: scope.call.kwargs,
    "result": lambda scope: scope.result,
    "self": lambda scope: scope.call.instance,
}
"""The names with a meaning of their own; every other name is an argument's."""

SPECIAL: Final = ("__cause__", "__class__", "__context__", "__module__", "__name__", "__qualname__")
"""Python's own attributes that say what something is; the others lead away from the program's data,
to all that a module holds."""

_IS_SPECIAL: Final = re.compile("__.*__")

TABLES: Final = "tables"
"""The root that leads to the map's own tables."""

OR: Final = "or"
"""What stands between a path and the one that is read where it finds nothing."""


def _root(name: str) -> Reader:
    return ROOTS.get(name) or (lambda scope: argument(scope.call, name))


def _attribute(name: str) -> _Step:
    return lambda value, _: getattr(value, name)


def _item(key: Reader) -> _Step:
    def step(value: Any, scope: Scope) -> Any:
        if isinstance(value, dict) and hasattr(value, "__missing__"):
            return dict.get(value, key(scope))  # asking a defaultdict would add the key
        return value[key(scope)]

    return step


def _either(first: Reader, second: Reader) -> Reader:
    def read(scope: Scope) -> Any:
        try:
            found = first(scope)
        except Exception:  # noqa: BLE001 - it leads nowhere, as in Path.read
            found = None
        return second(scope) if found is None else found

    return read


def _each(steps: list[_Step]) -> _Step:
    def step(value: Any, scope: Scope) -> Any:
        if not isinstance(value, list | tuple):
            return None  # nothing else may be gone through without a trace
        return [_follow(item, steps, scope) for item in islice(value, MOST_ITEMS)]

    return step


def _follow(value: Any, steps: list[_Step], scope: Scope) -> Any:
    for step in steps:
        value = step(value, scope)
    return value


_TOKEN: Final = re.compile(
    r"""(?P<name>[^\W\d]\w*)|(?P<number>-?[0-9]{1,9})|(?P<text>"[^"]*"|'[^']*')|(?P<mark>[.()*\[\]])"""
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


class _Parser:
    """Reads one path, left to right."""

    def __init__(self, text: str, tables: Tables) -> None:
        self.text = text
        self._tables = tables
        self.roots: set[str] = set()
        self._tokens = list(self._tokenise())
        self._next = 0

    def expression(self) -> Reader:
        """One path, or several of which the first that is known counts."""
        reader = self._single()
        while self._peek().text == OR and self._accept("name"):
            reader = _either(reader, self._single())
        return reader

    def _single(self) -> Reader:
        """A function of an expression, or a root with steps."""
        name = self._take("name", "a name, such as self, result or an argument's")
        if not self._accept("("):
            self.roots.add(name.text)
            return self._access(name)
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise self._wrong(name, f"one of the functions {', '.join(FUNCTIONS)}")
        inner = self.expression()
        self._take(")", '")"')
        return lambda scope: None if (found := inner(scope)) is None else function(found)

    def expect_end(self) -> None:
        """Refuse what follows a whole path."""
        token = self._peek()
        if token.kind != "end":
            raise self._wrong(token, '".name", "[item]" or the end')

    def _access(self, root: _Token) -> Reader:
        if root.text == TABLES:
            return self._table()
        read = _root(root.text)
        steps = self._steps()
        if not steps:
            return read
        if len(steps) == 1:
            (step,) = steps
            return lambda scope: step(read(scope), scope)
        return lambda scope: _follow(read(scope), steps, scope)

    def _table(self) -> Reader:
        self._take(".", f"{TABLES}.name[key]")
        name = self._take("name", "the name of a table of the map")
        if name.text not in self._tables:
            known = ", ".join(self._tables) or "none"
            raise self._wrong(name, f"the name of a table of the map, of which there are {known}")
        table = self._tables[name.text]
        self._take("[", '"[key]" after the name of a table')
        key = self._key()
        self._take("]", '"]"')
        return lambda scope: table.get(plain_text(key(scope)) or "")

    def _steps(self) -> list[_Step]:
        steps: list[_Step] = []
        while True:
            if self._accept("."):
                steps.append(_attribute(self._name()))
            elif self._accept("["):
                if self._accept("*"):
                    self._take("]", '"]"')
                    return [*steps, _each(self._steps())]
                steps.append(_item(self._key()))
                self._take("]", '"]"')
            else:
                return steps

    def _name(self) -> str:
        token = self._take("name", 'a name after "."')
        if _IS_SPECIAL.fullmatch(token.text) and token.text not in SPECIAL:
            raise self._wrong(token, f"a name without __ around it, or one of {', '.join(SPECIAL)}")
        return token.text

    def _key(self) -> Reader:
        token = self._peek()
        if token.kind == "name":
            return self.expression()
        self._next += 1
        if token.kind == "number":
            number = int(token.text)
            return lambda _: number
        if token.kind == "text":
            return lambda _: token.text[1:-1]
        raise self._wrong(token, 'a number, a "text", a path or * inside [ ]')

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, mark: str) -> bool:
        found = self._peek().kind == mark
        self._next += found
        return found

    def _take(self, kind: str, expected: str) -> _Token:
        token = self._peek()
        if token.kind != kind:
            raise self._wrong(token, expected)
        self._next += 1
        return token

    def _wrong(self, token: _Token, expected: str) -> PathError:
        found = f'"{token.text}"' if token.text else "the end"
        return PathError(
            f'"{self.text}" is no path: expected {expected}, '
            f"found {found} at character {token.start + 1}"
        )

    def _tokenise(self) -> list[_Token]:
        tokens = []
        start = 0
        while start < len(self.text):
            if self.text[start] == " ":
                start += 1
                continue
            match = _TOKEN.match(self.text, start)
            if match is None:
                raise self._wrong(_Token("", self.text[start], start), "a name, a dot or an item")
            kind = str(match.lastgroup)
            tokens.append(_Token(match[0] if kind == "mark" else kind, match[0], start))
            start = match.end()
        return [*tokens, _Token("end", "", len(self.text))]
