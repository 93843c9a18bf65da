"""What every agent with tools is."""

from __future__ import annotations

from typing import Any


class BaseAgent:
    def __init__(self, llm: Any, action_executor: Any, protocol: Any) -> None:
        self._llm = llm
        self._action_executor = action_executor
        self._protocol = protocol
