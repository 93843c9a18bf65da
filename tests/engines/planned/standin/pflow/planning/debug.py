"""The planner's nodes are watched by a proxy, which calls their parts itself."""

from __future__ import annotations

import copy
from typing import Any


class DebugWrapper:
    def __init__(self, node: Any) -> None:
        self._wrapped = node
        self.successors = node.successors
        self.params = node.params

    def __getattr__(self, name: Any) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def __copy__(self) -> Any:
        return DebugWrapper(copy.copy(self._wrapped))

    def set_params(self, params: Any) -> None:
        self.params = params
        self._wrapped.set_params(params)

    def _run(self, shared: Any) -> Any:
        prepared = self._wrapped.prep(shared)
        result = self._wrapped._exec(prepared)
        return self._wrapped.post(shared, prepared, result)
