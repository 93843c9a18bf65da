"""The loop, and the two modes; run as a script or imported."""

from __future__ import annotations

import argparse
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import dill as pickle

from recursive import settings
from recursive.cache import Cache
from recursive.graph import AbstractNode, NodeType, RegularDummyNode, TaskStatus
from recursive.memory import Memory, caches

MOST_STEPS = 3000


class GraphRunEngine:
    def __init__(self, root_node: AbstractNode, memory_format: str, config: dict[str, Any]) -> None:
        self.root_node = root_node
        self.memory = Memory(root_node, format=memory_format, config=config)

    def find_need_next_step_nodes(self, single: bool = False) -> Any:  # noqa: FBT001, FBT002
        nodes = []
        queue = deque([self.root_node])
        while queue:
            node = queue.popleft()
            if node.is_activate:
                nodes.append(node)
            if node.is_suspend:
                queue.extend(node.topological_task_queue)
            if single and nodes:
                return nodes[0]
        return None if single else nodes

    def save(self, folder: str) -> None:
        # The real engine pickles after each step, for ten times as long as the step has taken.
        if self.root_node.status == TaskStatus.FINISH or "STANDIN_PICKLES_LESS" not in os.environ:
            with Path(folder, "nodes.pkl").open("wb") as file:
                pickle.dump(self.root_node, file)
        Path(folder, "nodes.json").write_text(json.dumps(self.root_node.to_json()), "utf-8")
        self.memory.save(folder)
        Path(folder, "article.txt").write_text(self.memory.article, "utf-8")

    def forward_exam(self, node: AbstractNode, verbose: bool) -> None:  # noqa: FBT001
        if node.is_suspend:
            for inner_node in node.topological_task_queue:
                self.forward_exam(inner_node, verbose)
            node.do_exam(verbose)

    def forward_one_step_not_parallel(
        self,
        full_step: bool = False,  # noqa: FBT001, FBT002
        select_node_hashkey: str | None = None,
        log_fn: str | None = None,
        nodes_json_file: str | None = None,
        *action_args: Any,
        **action_kwargs: Any,
    ) -> str | None:
        if select_node_hashkey is not None:
            eligible = self.find_need_next_step_nodes(single=False)
            node = next(one for one in eligible if one.hashkey == select_node_hashkey)
        else:
            node = self.find_need_next_step_nodes(single=True)
        if node is not None:
            self.memory.update_infos([node])
        if nodes_json_file:
            Path(nodes_json_file).write_text(json.dumps(self.root_node.to_json()), "utf-8")
        if node is None:
            return "done"
        action_name, _ = node.next_action_step(self.memory, *action_args, **action_kwargs)
        verbose = action_name not in {"update", "prior_reflect", "planning_post_reflect"}
        self.forward_exam(self.root_node, verbose)
        return None

    def forward_one_step_untill_done(
        self,
        full_step: bool = False,  # noqa: FBT001, FBT002
        parallel: bool = False,  # noqa: FBT001, FBT002
        save_folder: str = "",
        nl: bool = False,  # noqa: FBT001, FBT002
        nodes_json_file: str | None = None,
        *action_args: Any,
        **action_kwargs: Any,
    ) -> str:
        self.root_node.status = TaskStatus.READY
        for step in range(10000):
            done = self.forward_one_step_not_parallel(
                False,
                None,
                f"logs/temp/{step}",
                nodes_json_file,
                *action_args,
                **action_kwargs,
            )
            self.save(save_folder)
            if done == "done":
                break
            if step > MOST_STEPS:
                return "Out of Step"
        return str(self.root_node.get_node_final_result()["result"])


def _root(goal: str, config: dict[str, Any]) -> RegularDummyNode:
    root_node = RegularDummyNode(
        config=config,
        nid="",
        node_graph_info={"outer_node": None, "root_node": None, "parent_nodes": [], "layer": 0},
        task_info={"goal": goal, "task_type": "write", "length": "as needed", "dependency": []},
        node_type=NodeType.PLAN_NODE,
    )
    root_node.node_graph_info["root_node"] = root_node
    return root_node


def _run_items(
    items: list[dict[str, Any]], config: dict[str, Any], output: Path, **run: Any
) -> None:
    records = output.parent.parent / "records"
    caches["search"] = Cache(str(records.parent / "cache" / "search"))
    caches["llm"] = Cache(str(records.parent / "cache" / "llm"))
    with output.open("a", encoding="utf-8") as file:
        for item in items:
            folder = records / item["id"]
            folder.mkdir(parents=True, exist_ok=True)
            engine = GraphRunEngine(_root(item["goal"], config), "xml", config)
            try:
                result = engine.forward_one_step_untill_done(save_folder=str(folder), **run)
            except Exception as error:  # noqa: BLE001 - as the real engine: swallowed per item
                print(f"item {item['id']} failed: {error!r}")  # noqa: T201
                continue
            file.write(json.dumps({**item, "result": result}) + "\n")


def _items(filename: str, start: int | None, end: int | None) -> list[dict[str, Any]]:
    lines = Path(filename).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines][start:end]


def story_writing(  # noqa: PLR0913, PLR0917 - as the real engine
    input_filename: str,
    output_filename: str,
    start: int | None,
    end: int | None,
    done_flag_file: str | None,
    global_use_model: str,
    nodes_json_file: str | None = None,
) -> None:
    config = settings.story(global_use_model)
    items = _items(input_filename, start, end)
    _run_items(items, config, Path(output_filename), nodes_json_file=nodes_json_file)
    if done_flag_file is not None:
        Path(done_flag_file).write_text("done", "utf-8")


def report_writing(  # noqa: PLR0913, PLR0917 - as the real engine
    input_filename: str,
    output_filename: str,
    start: int | None,
    end: int | None,
    done_flag_file: str | None,
    global_use_model: str,
    engine_backend: str,
    nodes_json_file: str | None = None,
    today_date: str | None = None,
) -> None:
    config = settings.report(global_use_model, today_date or "Apr 1, 2025")
    items = _items(input_filename, start, end)
    _run_items(items, config, Path(output_filename), nodes_json_file=nodes_json_file)
    if done_flag_file is not None:
        Path(done_flag_file).write_text("done", "utf-8")


def define_args() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--filename", required=True)
    parser.add_argument("--mode", choices=["story", "report"], required=True)
    parser.add_argument("--output-filename", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine-backend")
    parser.add_argument("--nodes-json-file")
    parser.add_argument("--today-date", default="Apr 1, 2025")
    parser.add_argument("--start", type=int)
    parser.add_argument("--end", type=int)
    parser.add_argument("--done-flag-file")
    return parser


if __name__ == "__main__":
    args = define_args().parse_args()
    common = (args.filename, args.output_filename, args.start, args.end, args.done_flag_file)
    if args.mode == "story":
        story_writing(*common, args.model, nodes_json_file=args.nodes_json_file)
    else:
        report_writing(
            *common,
            args.model,
            args.engine_backend,
            nodes_json_file=args.nodes_json_file,
            today_date=args.today_date,
        )
