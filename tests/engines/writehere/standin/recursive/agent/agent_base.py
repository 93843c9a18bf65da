"""What every agent is, and the agents that do nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from recursive.llm.llm import OpenAIApiProxy
from recursive.utils.file_io import parse_hierarchy_tags_result
from recursive.utils.register import Register

if TYPE_CHECKING:
    from recursive.graph import AbstractNode
    from recursive.memory import Memory

agent_register = Register("agent_register")


class Agent(ABC):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    @abstractmethod
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any: ...

    @abstractmethod
    def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any: ...

    def call_llm(
        self,
        system_message: str,
        prompt: str,
        parse_arg_dict: dict[str, list[str]],
        history_message: dict[str, Any] | None = None,
        **other_inner_args: Any,
    ) -> dict[str, Any]:
        messages = [{"role": "system", "content": system_message}] if system_message else []
        if history_message is not None:
            messages.append(history_message)
        messages.append({"role": "user", "content": prompt})
        model = other_inner_args.pop("model", "gpt-4o")
        answer = OpenAIApiProxy().call(messages=messages, model=model, **other_inner_args)[0]
        content = answer["message"]["content"]
        result = {"original": content, "result": content, "reason": ""}
        for key, tags in parse_arg_dict.items():
            result[key] = parse_hierarchy_tags_result(content, tags).strip()
        return result


class _Silent(Agent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        return None

    def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any:
        return agent_output


@agent_register.register_module()
class DummyRandomUpdateAgent(_Silent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        return None


@agent_register.register_module()
class DummyRandomPriorReflectionAgent(_Silent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        return None


@agent_register.register_module()
class DummyRandomPlanningPostReflectionAgent(_Silent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        return None


@agent_register.register_module()
class DummyRandomExecutorPostReflectionAgent(_Silent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        return {"thought": "", "original": "", "status": "success", "result": node.raw_plan}
