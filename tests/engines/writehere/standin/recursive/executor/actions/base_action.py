"""What every tool is: its failures become results."""

from __future__ import annotations

from typing import Any

from recursive.executor.schema import ActionReturn, ActionStatusCode


class BaseAction:
    @property
    def name(self) -> str:
        return type(self).__name__

    def __call__(self, inputs: dict[str, Any], name: str = "run") -> ActionReturn:
        if not hasattr(self, name):
            return ActionReturn(inputs, self.name, None, "invalid", ActionStatusCode.ARGS_ERROR)
        try:
            outputs = getattr(self, name)(**inputs)
        except Exception as exc:  # noqa: BLE001 - as the real engine: swallowed into a result
            return ActionReturn(inputs, self.name, None, str(exc), ActionStatusCode.API_ERROR)
        return ActionReturn(inputs, self.name, outputs)
