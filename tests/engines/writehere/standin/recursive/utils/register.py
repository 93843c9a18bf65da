"""Classes found by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type[Any])


class Register:
    def __init__(self, name: str) -> None:
        self.name = name
        self.module_dict: dict[str, Any] = {}

    def register_module(self) -> Callable[[_Class], _Class]:
        def register(cls: _Class) -> _Class:
            self.module_dict[cls.__name__] = cls
            return cls

        return register
