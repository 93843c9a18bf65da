"""Tools by name."""

from __future__ import annotations

from typing import Any

from recursive.executor.actions.base_action import BaseAction
from recursive.executor.schema import ActionReturn


class ActionExecutor:
    def __init__(self, actions: list[BaseAction]) -> None:
        self.actions = {action.name: action for action in actions}

    def __call__(self, name: str, command: dict[str, Any]) -> ActionReturn:
        action_name, _, api_name = name.partition(".")
        return self.actions[action_name](command, api_name or "run")
