"""The agents that plan, execute and bring together."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from recursive.agent.agent_base import Agent, agent_register
from recursive.agent.prompts.base import prompt_register
from recursive.executor.actions.action_executor import ActionExecutor
from recursive.executor.actions.bing_browser import BingBrowser
from recursive.executor.agents.claude_fc_react import SearchAgent

if TYPE_CHECKING:
    from recursive.graph import AbstractNode
    from recursive.memory import Memory


def get_llm_output(
    node: AbstractNode,
    agent: Agent,
    memory: Memory,
    agent_type: str,
    overwrite_cache: bool = False,  # noqa: FBT001, FBT002
    *args: Any,
    **kwargs: Any,
) -> dict[str, Any]:
    memory_info = memory.collect_node_run_info(node)
    settings = node.config[node.task_type_tag][agent_type]
    version = _prompt_version(node, agent_type, settings)
    system_message = prompt_register.module_dict[version]().construct_system_message(
        to_run_check_str=kwargs.get("to_run_check_str")
    )
    task = deepcopy(node.task_info)
    for key in ("candidate_plan", "candidate_think"):
        task.pop(key, None)
    prompt = prompt_register.module_dict[version]().construct_prompt(
        to_run_root_question=memory.root_node.task_info["goal"],
        to_run_article=memory.article,
        to_run_full_plan=node.get_all_layer_plan(),
        to_run_outer_graph_dependent=_known(
            [one for layer in memory_info["upper_graph_precedents"] for one in layer]
        ),
        to_run_same_graph_dependent=_known(memory_info["same_graph_precedents"]),
        to_run_task=json.dumps(task, ensure_ascii=False),
        to_run_final_aggregate=kwargs.get("to_run_final_aggregate", ""),
        today_date=node.config.get("today_date", "Mar 26, 2025"),
    )
    return agent.call_llm(
        system_message=system_message,
        prompt=prompt,
        parse_arg_dict=settings["parse_arg_dict"],
        overwrite_cache=overwrite_cache,
        **settings.get("llm_args", {}),
    )


def _prompt_version(node: AbstractNode, agent_type: str, settings: dict[str, Any]) -> str:
    key = "prompt_version"
    if agent_type == "planning" and settings.get("depth_diff", False):
        is_root = node.node_graph_info["outer_node"] is None
        key = "depth_1_prompt_version" if is_root else "depth_N_prompt_version"
    elif agent_type == "atom" and settings.get("update_diff", False):
        with_update = len(node.node_graph_info["parent_nodes"]) > 0
        key = "with_update_prompt_version" if with_update else "without_update_prompt_version"
    return str(settings[key])


def _known(precedents: list[dict[str, Any]]) -> str:
    return "\n\n".join(f"{one['goal']}:\n{one['result']}" for one in precedents)


def extract_json_content(text: str) -> str | None:
    _, opened, rest = text.partition("```json")
    inside, closed, _ = rest.partition("```")
    return inside if opened and closed else None


@agent_register.register_module()
class UpdateAtomPlanningAgent(Agent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        settings = node.config[node.task_type_tag]["atom"]
        if settings.get("all_atom", False):
            return self._all_atom(node, memory, settings, *args, **kwargs)
        if settings.get("use_candidate_plan", False):
            candidate = node.task_info["candidate_plan"]
            return {"result": candidate if isinstance(candidate, list) else []}
        layer = node.node_graph_info["layer"]
        if "force_atom_layer" in settings and layer >= settings["force_atom_layer"]:
            return {"result": []}
        atom = self._judge(node, memory, *args, **kwargs)
        node.task_info["candidate_think"] = atom["atom_think"]
        if atom.get("update_result", ""):
            node.task_info["goal"] = atom["update_result"]
        if atom["atom_result"] == settings["atom_result_flag"]:
            return {**atom, "result": []}
        return {**atom, **self._plan(node, memory, *args, **kwargs)}

    def _all_atom(
        self, node: Any, memory: Any, settings: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        found: dict[str, Any] = {"result": []}
        if "prompt_version" in settings and (
            not settings.get("only_on_depend", False) or node.node_graph_info["parent_nodes"]
        ):
            atom = get_llm_output(node, self, memory, "atom", *args, **kwargs)
            atom["atom_original"] = atom.pop("original")
            if atom.get("update_result", ""):
                node.task_info["goal"] = atom["update_result"]
            found = {**atom, **found}
        return found

    def _judge(self, node: Any, memory: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        for retry in range(10):
            atom = get_llm_output(node, self, memory, "atom", retry > 0, *args, **kwargs)
            if atom["atom_result"].strip() in ("atomic", "complex"):
                break
        atom["atom_original"] = atom.pop("original")
        return atom

    def _plan(self, node: Any, memory: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        parsed: list[Any] = []
        for retry in range(10):
            plan = get_llm_output(node, self, memory, "planning", retry > 0, *args, **kwargs)
            try:
                parsed = self.parse_result(plan["plan_result"])
            except Exception:  # noqa: BLE001 - a model's answer may be anything
                plan["plan_result"] = extract_json_content(plan["plan_result"] or plan["original"])
                try:
                    parsed = self.parse_result(plan["plan_result"])
                except Exception:  # noqa: BLE001, S112 - then it is asked again
                    continue
            break
        return {**plan, "result": parsed}

    def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any:
        return json.loads(agent_output)["sub_tasks"]


@agent_register.register_module()
class SimpleExcutor(Agent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        tag = node.task_type_tag
        settings = node.config[tag]["execute"]
        if tag == "RETRIEVAL" and settings.get("react_agent", False):
            return self._search(node, memory, settings)
        for retry in range(50):
            answer = get_llm_output(node, self, memory, "execute", retry > 0, *args, **kwargs)
            if answer["result"].strip() != "":
                break
        if tag == "COMPOSITION":
            memory.article += "\n\n" + answer["result"]
        return answer

    def _search(self, node: Any, memory: Any, settings: dict[str, Any]) -> dict[str, Any]:
        react_agent = SearchAgent(
            prompt_version=settings["prompt_version"],
            action_executor=ActionExecutor(actions=[BingBrowser(**settings["browser"])]),
            model=settings["llm_args"]["model"],
            max_turn=settings["max_turn"],
            parse_arg_dict=settings["react_parse_arg_dict"],
        )
        outer = node.get_outer_write_task().task_info["goal"]
        found = react_agent.chat(
            message=node.task_info["goal"],
            global_start_index=memory.global_start_index,
            to_run_target_write_tasks="",
            to_run_root_question=memory.root_node.task_info["goal"],
            to_run_outer_write_task=outer,
            today_date=node.config["today_date"],
            temperature=settings.get("temperature"),
        )
        pages = [page for turn in found["result"] for page in turn["web_pages"]]
        for page in pages:
            memory.add_search_result(page)
        text = "\n\n".join(f"[{page['global_index']}] {page['summary']}" for page in pages)
        if not settings.get("llm_merge", False):
            return {"ori": found["ori"], "result": text}
        merged = self.search_merge(node, memory, text, outer)
        return {"ori": found["ori"], "merge_result": merged, "result": merged["result"]}

    def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any:
        return agent_output

    def search_merge(
        self,
        node: AbstractNode,
        memory: Memory,
        search_results: str,
        to_run_outer_write_task: str,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        settings = node.config["RETRIEVAL"]["search_merge"]
        version = settings["prompt_version"]
        system_message = prompt_register.module_dict[version]().construct_system_message()
        prompt = prompt_register.module_dict[version]().construct_prompt(
            to_run_search_task=node.task_info["goal"],
            to_run_search_results=search_results,
            to_run_outer_write_task=to_run_outer_write_task,
        )
        for retry in range(50):
            answer = self.call_llm(
                system_message=system_message,
                prompt=prompt,
                parse_arg_dict=settings["parse_arg_dict"],
                overwrite_cache=retry > 0,
                **settings.get("llm_args", {}),
            )
            if answer["result"].strip() != "":
                return answer
        return {"result": search_results}


@agent_register.register_module()
class FinalAggregateAgent(Agent):
    def forward(self, node: AbstractNode, memory: Memory, *args: Any, **kwargs: Any) -> Any:
        tag = node.task_type_tag
        if tag == "COMPOSITION":
            return {"result": memory.article}
        results = "\n\n".join(
            f"{child.task_info['goal']}:\n{child.get_node_final_result()['result']}"
            for child in node.topological_task_queue
        )
        if node.config[tag]["final_aggregate"].get("mode", "concat") == "concat":
            return {"result": results}
        return get_llm_output(
            node, self, memory, "final_aggregate", to_run_final_aggregate=results, **kwargs
        )

    def parse_result(self, agent_output: Any, *args: Any, **kwargs: Any) -> Any:
        return agent_output
