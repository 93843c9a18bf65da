"""Looks at what modules define: run as a process of its own.

``python -m flowspan.mapping.survey MODULE…`` imports them and says of each function and method what
roles are guessed from: names, parameters, class hierarchies and the attributes that objects have.
"""

from __future__ import annotations

import dis
import inspect
import pkgutil
import sys
import typing
from collections.abc import Iterator
from itertools import pairwise, takewhile
from types import FunctionType, ModuleType
from typing import Any, Final

from flowspan.mapping.answering import answer, import_module

_PLAIN: Final = (property, str, int)
"""What in a class is an attribute of its objects, as methods are not."""


def survey(names: list[str]) -> dict[str, Any]:
    """What the modules define, and why some of them could not be imported."""
    modules: dict[str, ModuleType] = {}
    problems = []
    for name in names:
        for found in _with_inner(name):
            imported = import_module(found)
            if isinstance(imported, str):
                problems.append(imported)
            else:
                modules[found] = imported
    classes = [one for module in modules.values() for one in _classes(module)]
    looker = _Looker(classes)
    functions = [each for module in modules.values() for each in looker.functions(module)]
    return {"problems": problems, "functions": functions}


def _with_inner(name: str) -> list[str]:
    """A module, and the modules directly inside it if it is a package."""
    imported = import_module(name)
    path = getattr(imported, "__path__", ())
    inner = [found.name for found in pkgutil.iter_modules(path) if found.name != "__main__"]
    return [name, *(f"{name}.{one}" for one in inner)]


def _classes(module: ModuleType) -> list[type]:
    found = [one for one in vars(module).values() if isinstance(one, type)]
    return [one for one in found if one.__module__ == module.__name__]


class _Looker:
    """Looks at functions, with the classes of all modules at hand."""

    def __init__(self, classes: list[type]) -> None:
        self._classes = classes
        self._by_name = {one.__name__.lower(): one for one in classes}

    def functions(self, module: ModuleType) -> Iterator[dict[str, Any]]:
        """What there is to know of each function and method of a module."""
        for name, found in vars(module).items():
            function = _function(found)
            if function is not None and function.__module__ == module.__name__:
                yield self._described(module, None, name, function)
        for owner in _classes(module):
            for name, found in vars(owner).items():
                function = _function(found)
                if function is not None:
                    yield self._described(module, owner, name, function)

    def _described(
        self, module: ModuleType, owner: type | None, name: str, function: FunctionType
    ) -> dict[str, Any]:
        signature = inspect.signature(function).parameters
        parameters = list(signature)
        return {
            "module": module.__name__,
            "path": name if owner is None else f"{owner.__name__}.{name}",
            "name": name,
            "owners": [] if owner is None else self._lineage(owner),
            "parameters": parameters if owner is None else parameters[1:],
            "keywords": next(
                (name for name, one in signature.items() if one.kind is one.VAR_KEYWORD), None
            ),
            "assigned": _assigned(function),
            "holders": _holders(function),
            "attributes": [] if owner is None else _attributes(owner),
            "subjects": {one: _attributes(kind) for one, kind in self._kinds(function, parameters)},
            "returned": self._returned(function),
            "overridden": 0 if owner is None else self._overridden(owner, name),
            "overrides": owner is not None and self._overrides(owner, name),
        }

    def _lineage(self, owner: type) -> list[str]:
        return [one.__name__ for one in takewhile(lambda each: each is not object, owner.__mro__)]

    def _overridden(self, owner: type, name: str) -> int:
        return sum(
            1
            for one in self._classes
            if one is not owner and owner in one.__mro__ and name in vars(one)
        )

    def _overrides(self, owner: type, name: str) -> bool:
        return any(name in vars(one) for one in owner.__mro__[1:] if one in self._classes)

    def _kinds(self, function: Any, parameters: list[str]) -> Iterator[tuple[str, type]]:
        """The classes of the arguments: as annotated, else one of the same name."""
        hints = _hints(function)
        for name in parameters:
            kind = hints.get(name, self._by_name.get(name.replace("_", "").lower()))
            if isinstance(kind, type) and kind in self._classes:
                yield name, kind

    def _returned(self, function: Any) -> list[str]:
        kind = _hints(function).get("return")
        return _attributes(kind) if isinstance(kind, type) and kind in self._classes else []


def _function(found: Any) -> FunctionType | None:
    if not callable(found) and not isinstance(found, staticmethod | classmethod):
        return None
    try:
        function = inspect.unwrap(getattr(found, "__func__", found))
    except ValueError:  # it wraps itself, or answers to every name
        return None
    return function if isinstance(function, FunctionType) else None


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - annotations may name what is not there
        return {}


def _assigned(function: FunctionType) -> list[str]:
    """The attributes that a function sets."""
    found = (one.argval for one in dis.get_instructions(function) if one.opname == "STORE_ATTR")
    return list(dict.fromkeys(map(str, found)))


def _holders(function: FunctionType) -> dict[str, str]:
    """Of each attribute that a function sets, the variable whose attribute it is."""
    found: dict[str, str] = {}
    for before, one in pairwise(dis.get_instructions(function)):
        if one.opname == "STORE_ATTR" and before.opname.startswith("LOAD_FAST"):
            # Newer Pythons load two variables at once; the last is on top.
            loaded = before.argval[-1] if isinstance(before.argval, tuple) else before.argval
            found.setdefault(str(one.argval), str(loaded))
    return found


def _attributes(owner: type) -> list[str]:
    """The attributes that objects of a class have, as far as its definition tells."""
    found: list[str] = []
    for one in reversed(owner.__mro__[:-1]):
        annotated = vars(one).get("__annotations__")
        found += annotated if isinstance(annotated, dict) else ()  # ``type`` has a descriptor there
        found += [name for name, value in vars(one).items() if isinstance(value, _PLAIN)]
        first = _function(vars(one).get("__init__"))
        found += [] if first is None else _assigned(first)
    return list(dict.fromkeys(name for name in found if not name.startswith("_")))


if __name__ == "__main__":
    answer(lambda: survey(sys.argv[1:]))
