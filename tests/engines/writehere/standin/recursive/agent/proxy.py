"""The agent of an action, by the name that the configuration gives."""

from __future__ import annotations

from typing import Any

from recursive.agent.agent_base import agent_register


class AgentProxy:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.action_mapping = config["action_mapping"]

    def proxy(self, action: str, *args: Any, **kwargs: Any) -> Any:
        agent_class, arguments = self.action_mapping[action]
        return agent_register.module_dict[agent_class](*args, **kwargs, **arguments)
