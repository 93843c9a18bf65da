"""The agent that searches in turns."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from recursive.agent.prompts.base import prompt_register
from recursive.executor.agents.base_agent import BaseAgent
from recursive.llm.llm import OpenAIApiProxy
from recursive.utils.file_io import parse_hierarchy_tags_result
from recursive.utils.register import Register

executor_register = Register("executor_register")


@executor_register.register_module()
class SearchAgent(BaseAgent):
    def __init__(  # noqa: PLR0913, PLR0917 - as the real engine
        self,
        prompt_version: str,
        action_executor: Any,
        llm: OpenAIApiProxy = OpenAIApiProxy(),  # noqa: B008 - shared, as in the real engine
        protocol: Any = None,
        model: str = "gpt-4o",
        max_turn: int = 10,
        parse_arg_dict: dict[str, list[str]] = {},  # noqa: B006
    ) -> None:
        self.message_constructor = prompt_register.module_dict[prompt_version]()
        self.model = model
        self.max_turn = max_turn
        self.parse_arg_dict = parse_arg_dict
        super().__init__(llm=llm, action_executor=action_executor, protocol=protocol)

    def parse(self, message: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            key: parse_hierarchy_tags_result(message, tags)
            for key, tags in self.parse_arg_dict.items()
        }
        found["search_querys"] = json.loads(found["search_querys"])
        return found

    def _messages(self, turns: list[dict[str, Any]], **arguments: Any) -> list[dict[str, Any]]:
        tool_result = turns[-1]["tool_result"] if turns else None
        prompt = self.message_constructor.construct_prompt(
            to_run_action_history="\n".join(turn["observation"] for turn in turns),
            to_run_tool_result=tool_result["result"] if tool_result else "null",
            to_run_turn=len(turns),
            **arguments,
        )
        system = self.message_constructor.construct_system_message()
        return [{"role": "system", "content": system}, {"role": "user", "content": prompt}]

    def _ask(self, messages: list[dict[str, Any]], **kwargs: Any) -> dict[str, Any]:
        for retry in range(100):
            answer = self._llm.call(
                messages=messages, model=self.model, overwrite_cache=retry > 0, **kwargs
            )[0]["message"]["content"]
            try:
                parsed = self.parse(answer)
            except ValueError:
                continue
            return {**parsed, "response": answer}
        raise RuntimeError("the search agent never answered in form")

    def chat(  # noqa: PLR0913, PLR0917 - as the real engine
        self,
        message: str,
        global_start_index: int,
        to_run_target_write_tasks: str,
        to_run_root_question: str,
        to_run_outer_write_task: str,
        today_date: str,
        **kwargs: Any,
    ) -> dict[str, Any]:
        turns: list[dict[str, Any]] = []
        for turn in range(self.max_turn):
            messages = self._messages(turns, to_run_question=message)
            info = {"turn": turn, "tool_result": None, **self._ask(messages, **kwargs)}
            turns.append(info)
            if not info["search_querys"]:
                break
            done = self._action_executor(
                "BingBrowser.full_pipeline_search",
                {
                    "query_list": info["search_querys"],
                    "user_question": message,
                    "think": info["observation"],
                    "global_start_index": global_start_index,
                },
            )
            info["tool_result"] = done.result
            if done.result:
                global_start_index += len(done.result["web_pages"])
        results = [
            {"web_pages": turn["tool_result"]["web_pages"], "observation": after["observation"]}
            for turn, after in pairwise(turns)
            if turn["tool_result"]
        ]
        return {"ori": turns, "result": results}
